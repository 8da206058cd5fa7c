//! `POST /o/{org}/oauth2/token`: access tokens for API clients (RFC 6749 4.4, RFC 7523).
//!
//! Owns the grant and its form of errors. A client proves itself by its secret (Basic) or by an assertion that its key signed. Must not know
//! what access tokens are good for.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::clients::{ACCESS_TOKEN_LIFETIME, AccessOrder, Credential};
use latchkey_directory::orgs::OrganizationView;
use latchkey_directory::refusal::Remembered;
use latchkey_directory::values::Scope;
use latchkey_directory::{Error, OrgId};
use latchkey_wire::Bytes;
use latchkey_wire::bytes::sha256;
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::Shared;
use crate::client_credential::secret;
use crate::client_key::{ClientKey, Used, claimed, verify};
use crate::code::{Code, Own};
use crate::net::content_type;
use crate::problem::Problem;
use crate::serve::host::ClientAddr;

/// What an access token begins with, so that scanners of code find one that leaked.
const TOKEN_PREFIX: &str = "lkat1_";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// No token request is longer, bytes.
const MOST_BYTES: usize = 64 * 1024;

/// The call.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(token))
}

/// An access token.
#[derive(Serialize, ToSchema)]
struct AccessTokenAnswer<'a> {
    /// The token, this once.
    access_token: &'a str,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// What it is good for.
    scope: String,
}

/// A refusal as OAuth has it, with our code and reference beside.
struct Refusal {
    error: &'static str,
    problem: Problem,
    /// Why a client is not accepted, for the audit log.
    reason: Option<String>,
}

impl Refusal {
    fn request(detail: &str) -> Self {
        let problem = Problem::of(latchkey_wire::Code::Api001).detail(detail);
        Self { error: "invalid_request", problem, reason: None }
    }

    /// The client learns no more than that; the log has the reason. What somebody sent stands in it, so its length has an end.
    fn client(reason: impl std::fmt::Display) -> Self {
        let reason: String = reason.to_string().chars().take(200).collect();
        Self { error: "invalid_client", problem: Problem::of(Own::Auth003).reason(&reason), reason: Some(reason) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Denied { detail, .. } => return Self::client(detail),
            Error::Invalid(_) => "invalid_scope",
            Error::Store(_) => "temporarily_unavailable",
            _ => "server_error",
        };
        Self { error: kind, problem: error.into(), reason: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut document = self.problem.document();
        document["error"] = self.error.into();
        document["error_description"] = self.problem.words().into();
        // Of scopes and forms RFC 6749 5.2 says 400; an unknown client is 401.
        let status = match self.problem.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        document["status"] = status.as_u16().into();
        let asks = matches!(self.problem.code(), Code::Own(Own::Auth003));
        // The problem's own answer writes the log, and has Retry-After where there is one.
        let mut response = self.problem.into_response();
        let mut ours = (status, Json(document)).into_response();
        std::mem::swap(response.body_mut(), ours.body_mut());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.remove(http::header::CONTENT_LENGTH);
        if asks {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"latchkey\""));
        }
        // A form of its own: nobody makes a page of it.
        response.extensions_mut().remove::<Problem>();
        response
    }
}

/// An access token for ten minutes, of the client's scopes or fewer.
#[utoipa::path(post, path = "/o/{org}/oauth2/token", tag = "oauth2",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = AccessTokenAnswer<'static>)))]
async fn token(State(app): State<Shared>, Path(org): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Before a turn is taken: who sends slowly must not hold one meanwhile.
    let Ok(bytes) = axum::body::to_bytes(body, MOST_BYTES).await else {
        return Refusal::request("the body is too long").into_response();
    };
    let client = parts.extensions.get::<ClientAddr>().map(|address| address.0);
    let _turn = match client {
        Some(client) => match app.limits.admit(client).await {
            Ok(turn) => Some(turn),
            Err(too_often) => return Problem::from(too_often).into_response(),
        },
        None => None,
    };
    match grant(&app, &org, &parts, &bytes).await {
        Ok(response) => response,
        // Whoever guesses is told only to stay away, after a while.
        Err(refusal) => match refusal.reason.as_ref().and(client).map(|client| app.limits.failed(client)) {
            Some(Err(too_often)) => Problem::from(too_often).into_response(),
            _ => remembered(&app, &org, client, refusal).await.into_response(),
        },
    }
}

/// Keeps in the audit log why a client was not accepted.
async fn remembered(app: &Shared, org: &str, client: Option<IpAddr>, refusal: Refusal) -> Refusal {
    let Some(reason) = refusal.reason.clone() else { return refusal };
    // An organization that is not there has no log.
    let Ok(organization) = super::caller::find(app, org).await else { return refusal };
    let address = client.map(|client| client.to_canonical().to_string());
    let remembered = Remembered {
        actor: Actor { kind: ActorKind::ApiClient, id: String::new(), address },
        action: "api-client.token",
        code: Own::Auth003.as_str().to_owned(),
        // What an unproven sender names is not kept as a subject: it could fill the table with names of its own making.
        subject: String::new(),
        address: client,
        detail: reason,
        proven: false,
    };
    let reference = app.directory.remember_refusal(&organization.id, remembered).await;
    Refusal { problem: refusal.problem.with_reference(reference), ..refusal }
}

#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    assertion_type: Option<String>,
    assertion: Option<String>,
}

impl Form {
    fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Refusal> {
        if !content_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::request("the body is application/x-www-form-urlencoded"));
        }
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            let slot = match &*name {
                "grant_type" => &mut form.grant_type,
                "scope" => &mut form.scope,
                "client_id" => &mut form.client_id,
                "client_assertion_type" => &mut form.assertion_type,
                "client_assertion" => &mut form.assertion,
                "client_secret" => return Err(Refusal::request("a secret comes in the Authorization header (Basic)")),
                // RFC 6749 3.2: unknown parameters are ignored.
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Refusal::request("a parameter stands there twice"));
            }
        }
        Ok(form)
    }
}

async fn grant(app: &Shared, org: &str, parts: &http::request::Parts, bytes: &[u8]) -> Result<Response, Refusal> {
    let form = Form::read(&parts.headers, bytes)?;
    if form.grant_type.as_deref() != Some("client_credentials") {
        let problem = Problem::of(latchkey_wire::Code::Api001).detail("grant_type is client_credentials");
        return Err(Refusal { error: "unsupported_grant_type", problem, reason: None });
    }
    // Who is not known learns nothing about organizations.
    let organization = match super::caller::find(app, org).await {
        Ok(organization) => organization,
        Err(Error::NotFound { .. }) => return Err(Refusal::client(format!("there is no organization {org}"))),
        Err(error) => return Err(error.into()),
    };
    let (client_id, proven_with, assertion) = prove(app, &organization, &parts.headers, &form).await?;
    let scopes = form.scope.as_deref().map(wanted).transpose()?;
    let token = secret(TOKEN_PREFIX);
    let order = AccessOrder {
        client_id,
        proven_with,
        assertion,
        scopes,
        token_sha256: sha256(token.as_bytes()),
        address: parts.extensions.get::<ClientAddr>().map(|address| address.0.to_string()),
    };
    let granted = app.directory.grant_access(&organization.id, order).await?;
    let scopes = granted.release(app.directory.clock().monotonic()).map_err(Error::from)?;
    let scope = scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
    let answer = AccessTokenAnswer {
        access_token: &token,
        token_type: "Bearer",
        expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
        scope,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

fn wanted(text: &str) -> Result<Vec<Scope>, Refusal> {
    text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(|_| Refusal {
        error: "invalid_scope",
        problem: Problem::of(latchkey_wire::Code::Api010).detail("there is a scope that does not exist"),
        reason: None,
    })
}

/// Which client asks, and the proof that it does.
async fn prove(
    app: &Shared,
    organization: &OrganizationView,
    headers: &HeaderMap,
    form: &Form,
) -> Result<(String, Credential, Option<Used>), Refusal> {
    match (headers.get(AUTHORIZATION), &form.assertion) {
        (Some(header), None) => {
            let (client_id, secret) = basic(header).ok_or_else(|| Refusal::client("no Basic credentials"))?;
            let credential = by_secret(app, &organization.id, &client_id, &secret).await?;
            Ok((client_id, credential, None))
        }
        (None, Some(assertion)) => {
            if form.assertion_type.as_deref() != Some(JWT_BEARER) {
                return Err(Refusal::request(
                    "client_assertion_type is urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ));
            }
            let client_id = claimed(assertion).ok_or_else(|| Refusal::client("the assertion cannot be read"))?;
            if form.client_id.as_ref().is_some_and(|said| *said != client_id) {
                return Err(Refusal::client("client_id is another than the assertion's"));
            }
            let credential = app.directory.client_credential(&organization.id, &client_id).await?;
            let Some(Credential::Key(pem)) = credential else {
                return Err(Refusal::client(format!("{client_id} is no active client with a key")));
            };
            let key = ClientKey::parse(&pem).ok_or_else(|| Refusal::client("the key that is kept cannot be read"))?;
            let audiences = audiences(app, organization);
            let used = verify(&key, &client_id, assertion, &audiences, app.directory.now()).map_err(Refusal::client)?;
            Ok((client_id, Credential::Key(pem), Some(used)))
        }
        (Some(_), Some(_)) => Err(Refusal::request("use one way of proving who the client is, not two")),
        (None, None) => Err(Refusal::client("no credentials")),
    }
}

/// Whom an assertion may be for: this endpoint, by id, by slug and by `-`, at every public address, or the issuer.
fn audiences(app: &Shared, organization: &OrganizationView) -> Vec<String> {
    let names = [organization.id.as_str(), organization.slug.as_str(), "-"];
    let of = |url: &String| names.map(|name| format!("{url}/o/{name}/oauth2/token"));
    app.public_urls.iter().flat_map(of).chain([app.iss.clone()]).collect()
}

async fn by_secret(app: &Shared, org: &OrgId, client_id: &str, secret: &str) -> Result<Credential, Refusal> {
    let kept = app.directory.client_credential(org, client_id).await?;
    let given: Bytes<32> = sha256(secret.as_bytes());
    // Compared even where there is no such client, with what nothing hashes to.
    let hash = if let Some(Credential::Secret(hash)) = &kept { *hash } else { Bytes([0; 32]) };
    if bool::from(hash.0.ct_eq(&given.0)) {
        Ok(Credential::Secret(hash))
    } else {
        Err(Refusal::client(format!("{client_id} is no active client with this secret")))
    }
}

/// RFC 6749 2.3.1: both halves are form-encoded before they are joined.
fn basic(header: &HeaderValue) -> Option<(String, Zeroizing<String>)> {
    let (scheme, text) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let plain = |text: &str| {
        // A pair's value is exactly what form encoding made of the text.
        url::form_urlencoded::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, Zeroizing::new(plain(secret)?)))
}
