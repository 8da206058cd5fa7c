//! Services: SAML service providers, who may use them, and what their side needs to know.

mod entitlements;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use latchkey_directory::page::{Cursor, Page};
use latchkey_directory::patch::Patch;
use latchkey_directory::services::{
    Described, Entitled, NewService, Refreshed, ServiceChange, ServiceSettings, ServiceView,
};
use latchkey_directory::values::{SignAlgorithm, SignWhat};
use latchkey_directory::{Bytes, Error, FieldProblem, sha256};
use latchkey_saml::handover::{Sheet, Target};
use latchkey_saml::metadata::{ConsumerService, ServiceMetadata};
use latchkey_wire::Level;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted_with};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Once, Plain};
use super::scope::{OrganizationRead, ServicesRead, ServicesWrite, UsersRead};
use crate::net::fetch::Reach;
use crate::problem::{Problem, Result};
use crate::saml::known::{Known, SamlSettings, by_hand, certificate_setting, http_policy, read_metadata};
use crate::saml::{idp_metadata, jiff_time, sso_url, subject};

/// Services of an organization.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(refresh))
        .routes(routes!(preview))
        .routes(routes!(handover))
        .merge(entitlements::routes())
        .routes(routes!(our_metadata))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Metadata of 1 MiB, the most that is taken in, is longer in a JSON string: every quotation mark and line end is two characters there.
pub(super) const MAX_BODY: usize = 3 * 1024 * 1024;

/// A service, new or changed: described by `metadata`, by `metadata_url`, or by `entity_id` and `acs`. Absent fields stay, or have their default.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
struct ServiceFields {
    /// Its name here: letters, digits, `-`, `_`, `.`.
    name: Option<String>,
    /// Its SAML metadata.
    metadata: Option<String>,
    /// Where its SAML metadata is.
    metadata_url: Option<String>,
    /// Its entity id, where there is no metadata.
    entity_id: Option<String>,
    /// Its consumer addresses, where there is no metadata.
    acs: Option<Vec<String>>,
    /// `email`, `persistent`, `transient` or `unspecified:ATTRIBUTE`.
    name_id: Option<String>,
    /// `"basic"`, `"none"`, or a list of rules `{name, friendly_name, format, source}`.
    #[schema(value_type = Object)]
    attributes: Option<Value>,
    /// Who may use it: `everyone`, `group:NAME`, `user:LOGIN`; replaces the list.
    entitle: Option<Vec<String>>,
    /// The lowest evidence level, 0 to 5.
    #[schema(value_type = u8)]
    min_evidence: Option<Level>,
    /// What is signed.
    sign: Option<SignWhat>,
    /// With which algorithm.
    algorithm: Option<SignAlgorithm>,
    /// Whether a sign-in may begin at `/o/{org}/saml/sso?service=NAME`, without a request of the service.
    idp_initiated: Option<bool>,
    /// Whether consumer addresses may be plain http.
    allow_http: Option<bool>,
    /// The certificate whose key signs its metadata, PEM or base64: metadata that is given or fetched must then be signed by it, and a
    /// refresh needs no approval; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    metadata_certificate: Patch<String>,
}

impl ServiceFields {
    fn settings(&self, mut settings: ServiceSettings, wrong: &mut Vec<FieldProblem>) -> ServiceSettings {
        let fields = self.clone();
        settings.name_id = fields.name_id.unwrap_or(settings.name_id);
        settings.attributes = fields.attributes.unwrap_or(settings.attributes);
        settings.sign = fields.sign.unwrap_or(settings.sign);
        settings.algorithm = fields.algorithm.unwrap_or(settings.algorithm);
        settings.idp_initiated = fields.idp_initiated.unwrap_or(settings.idp_initiated);
        settings.allow_http = fields.allow_http.unwrap_or(settings.allow_http);
        match fields.metadata_certificate.try_map(|text| certificate_setting(&text)) {
            Ok(patch) => patch.apply(&mut settings.metadata_certificate),
            Err(why) => wrong.push(FieldProblem::invalid("/metadata_certificate", format!("the certificate: {why}"))),
        }
        wrong.extend(SamlSettings::parse(&settings).err().into_iter().flatten());
        settings
    }

    fn entitled(&self, wrong: &mut Vec<FieldProblem>) -> Option<Vec<Entitled>> {
        let words = self.entitle.as_ref()?;
        let one = |(at, text): (usize, &String)| {
            text.parse().map_err(|e: latchkey_directory::services::NotEntitled| {
                wrong.push(FieldProblem::invalid(format!("/entitle/{at}"), e.to_string()));
            })
        };
        Some(words.iter().enumerate().map(one).filter_map(std::result::Result::ok).collect())
    }

    /// Where the description comes from; `None` if the fields say nothing about it.
    fn source(&self, wrong: &mut Vec<FieldProblem>) -> Option<Source<'_>> {
        let by_hand = self.entity_id.is_some() || self.acs.is_some();
        let given = [self.metadata.is_some(), self.metadata_url.is_some(), by_hand];
        if given.iter().filter(|given| **given).count() > 1 {
            let detail = "give one of metadata, metadata_url, or entity_id with acs";
            wrong.push(FieldProblem::invalid("/metadata", detail));
            return None;
        }
        if let Some(text) = &self.metadata {
            return Some(Source::Text(text));
        }
        if let Some(url) = &self.metadata_url {
            return Some(Source::Url(url));
        }
        match (&self.entity_id, &self.acs) {
            (Some(entity_id), Some(acs)) => Some(Source::Hand { entity_id, acs }),
            (Some(_), None) => {
                wrong.push(FieldProblem::invalid("/acs", "entity_id needs acs beside it"));
                None
            }
            (None, Some(_)) => {
                wrong.push(FieldProblem::invalid("/entity_id", "acs needs entity_id beside it"));
                None
            }
            (None, None) => None,
        }
    }
}

/// Where a service's description comes from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Text(&'a str),
    Url(&'a str),
    Hand { entity_id: &'a str, acs: &'a [String] },
}

impl Source<'_> {
    const fn pointer(&self) -> &'static str {
        match self {
            Self::Text(_) => "/metadata",
            Self::Url(_) => "/metadata_url",
            Self::Hand { .. } => "/acs",
        }
    }

    /// Gets the document and reads it.
    async fn described(self, app: &Shared, reach: Reach, settings: &ServiceSettings) -> Result<Described> {
        let refused = |e: &latchkey_saml::metadata::MetadataError| {
            Problem::of(latchkey_wire::Code::Api010).detail(e.to_string()).field(
                self.pointer(),
                crate::code::Code::saml(e.code()),
                e.to_string(),
            )
        };
        let (text, metadata_url) = match self {
            Self::Text(text) => (text.as_bytes().to_vec(), None),
            Self::Url(url) => (fetch(app, url, reach).await?, Some(url.to_owned())),
            Self::Hand { .. } if settings.metadata_certificate.is_some() => {
                let detail = "what is described by hand is not signed; give metadata, or take the certificate away";
                return Err(Error::field("/metadata_certificate", detail).into());
            }
            Self::Hand { entity_id, acs } => {
                let text = by_hand(entity_id, acs, http_policy(settings.allow_http)).map_err(|e| refused(&e))?;
                (text.into_bytes(), None)
            }
        };
        let now = jiff_time(app.directory.now());
        let parsed = read_metadata(&text, settings, now).map_err(|e| refused(&e))?;
        Ok(describe(parsed, text, metadata_url))
    }
}

fn describe(parsed: ServiceMetadata, metadata: Vec<u8>, metadata_url: Option<String>) -> Described {
    let acs = parsed.consumers.into_iter().filter(ConsumerService::is_post).map(|c| c.location).collect();
    Described { entity_id: parsed.entity_id, acs, metadata, metadata_url }
}

async fn fetch(app: &Shared, url: &str, reach: Reach) -> Result<Vec<u8>> {
    let fetched =
        app.saml.fetcher()?.fetch(url, reach, "application/samlmetadata+xml, application/xml, text/xml").await;
    fetched.map(|document| document.body).map_err(|e| {
        Problem::of(e.code()).detail(format!("metadata_url: {e}")).field("/metadata_url", e.code(), e.to_string())
    })
}

/// Whose word a fetch is on: the operator reaches his own machine and network, an API client the public internet.
fn reach<S: super::scope::Scope>(call: &Call<S>) -> Reach {
    if call.caller.is_operator() { Reach::Operator { allow_http: true } } else { Reach::Public }
}

fn invalid(wrong: Vec<FieldProblem>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong).into()) }
}

/// The services.
#[utoipa::path(get, path = "/services", tag = "services", responses((status = 200, body = Page<ServiceView>)))]
async fn list(call: Call<ServicesRead>, State(app): State<Shared>, list: List) -> Result<Json<Page<ServiceView>>> {
    let all = app.directory.services(&call.org).await?;
    let place = |view: &ServiceView| Cursor { at: view.created_at, id: view.id.clone() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// Adds a service. Entitled is everyone, unless said otherwise.
#[utoipa::path(post, path = "/services", tag = "services", request_body = ServiceFields, responses((status = 201, body = ServiceView)))]
async fn create(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(fields): Body<ServiceFields>,
) -> Result<Response> {
    let mut wrong = Vec::new();
    let settings = fields.settings(ServiceSettings::default(), &mut wrong);
    let entitle = fields.entitled(&mut wrong).unwrap_or_else(|| vec![Entitled::Everyone]);
    let source = fields.source(&mut wrong);
    if source.is_none() && wrong.is_empty() {
        let detail = "metadata, metadata_url, or entity_id with acs is missing";
        wrong.push(FieldProblem::invalid("/metadata", detail));
    }
    if fields.name.is_none() {
        wrong.push(FieldProblem::invalid("/name", "name is missing"));
    }
    invalid(wrong)?;
    let (Some(source), Some(name)) = (source, fields.name.clone()) else {
        return Err(Problem::internal("what was found complete is not"));
    };
    let described = source.described(&app, reach(&call), &settings).await?;
    let min_evidence = fields.min_evidence.unwrap_or_default();
    let new = NewService { name, described, settings, min_evidence, entitle };
    let view = app.directory.create_service(&call.intent(&changing), &call.org, new).await?;
    Ok(created(changing.dry_run, view))
}

/// One service, by id or name.
#[utoipa::path(get, path = "/services/{service}", tag = "services", responses((status = 200, body = ServiceView)))]
async fn show(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<ServiceView>> {
    let Path((_, which)) = path;
    Ok(Resource(app.directory.service(&call.org, &which).await?))
}

/// Changes a service. New metadata takes the place of the old at once.
#[utoipa::path(patch, path = "/services/{service}", tag = "services", request_body = ServiceFields, responses((status = 200, body = ServiceView)))]
async fn change(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
    Body(fields): Body<ServiceFields>,
) -> Result<Response> {
    let Path((_, which)) = path;
    let record = app.directory.service_record(&call.org, &which).await?;
    let before = ServiceSettings::of(&record)?;
    let mut wrong = Vec::new();
    let settings = fields.settings(before.clone(), &mut wrong);
    let entitle = fields.entitled(&mut wrong);
    let source = fields.source(&mut wrong);
    invalid(wrong)?;
    let described = match source {
        Some(source) => Some(source.described(&app, reach(&call), &settings).await?),
        None => None,
    };
    if described.is_none() && before.allow_http && !settings.allow_http {
        // What is stored must be good under the new switch too, or every sign-in would fail.
        let now = jiff_time(app.directory.now());
        ServiceMetadata::parse(&record.metadata.0, now, http_policy(false))
            .map_err(|e| Error::field("/allow_http", format!("the stored metadata: {e}")))?;
    }
    let change = ServiceChange {
        name: fields.name.clone(),
        described,
        settings: (settings != before).then_some(settings),
        min_evidence: fields.min_evidence,
        entitle,
    };
    let view = app.directory.change_service(&call.intent(&changing), &call.org, &record.id, change).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a service; its sessions end.
#[utoipa::path(delete, path = "/services/{service}", tag = "services", responses((status = 204)))]
async fn delete(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let Path((_, which)) = path;
    let (view, ended) = app.directory.delete_service(&call.intent(&changing), &call.org, &which).await?;
    Ok(deleted_with(changing.dry_run, view, &[("sessions_ended", ended)]))
}

/// A refresh.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct RefreshFields {
    /// The `metadata_pending_sha256` of a change that was looked at: it takes the place of the old metadata.
    approve: Option<String>,
}

/// What a refresh came to.
#[derive(Debug, Serialize, ToSchema)]
struct RefreshAnswer {
    /// `unchanged`, `pending` (it waits for approval) or `applied`.
    refresh: &'static str,
    /// What the fetched metadata says.
    found: FoundMetadata,
    /// The service.
    #[serde(flatten)]
    service: ServiceView,
}

/// The parts of metadata that decide where answers go and whose requests are believed.
#[derive(Debug, Serialize, ToSchema)]
struct FoundMetadata {
    /// Entity id.
    entity_id: String,
    /// Consumer addresses.
    acs: Vec<String>,
    /// SHA-256 fingerprints of the certificates that sign requests.
    signing_keys: Vec<String>,
}

/// Reads metadata again from where it came. A change waits for approval, unless it is signed under the certificate that is set for it.
#[utoipa::path(post, path = "/services/{service}/refresh", tag = "services", request_body = RefreshFields, responses((status = 200, body = RefreshAnswer)))]
async fn refresh(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
    Body(fields): Body<RefreshFields>,
) -> Result<Response> {
    let Path((_, which)) = path;
    let approved = fields.approve.as_deref().map(approved).transpose()?;
    let record = app.directory.service_record(&call.org, &which).await?;
    let Some(url) = &record.metadata_url else {
        let fix = "give the new metadata: latchkey service set NAME --metadata FILE|URL";
        return Err(Error::state("the service's metadata did not come from an address", fix).into());
    };
    let settings = ServiceSettings::of(&record)?;
    let text = fetch(&app, url, reach(&call)).await?;
    let now = jiff_time(app.directory.now());
    let parsed = read_metadata(&text, &settings, now)
        .map_err(|e| Problem::of(crate::code::Code::saml(e.code())).detail(format!("what {url} answers: {e}")))?;
    // A federation's key signs the metadata of many: it vouches for a change of this service, not for another in its place.
    let vouched = settings.metadata_certificate.is_some() && parsed.entity_id == record.entity_id;
    let approved = approved.or_else(|| vouched.then(|| sha256(&text)));
    let signing_keys = parsed.signing_keys.iter().map(latchkey_saml::keys::Certificate::fingerprint_sha256).collect();
    let described = describe(parsed, text, Some(url.clone()));
    let found = FoundMetadata { entity_id: described.entity_id.clone(), acs: described.acs.clone(), signing_keys };
    let intent = call.intent(&changing);
    let (outcome, service) = app.directory.refresh_service(&intent, &call.org, &record.id, described, approved).await?;
    let refresh = match outcome {
        Refreshed::Unchanged => "unchanged",
        Refreshed::Pending(_) => "pending",
        Refreshed::Applied => "applied",
    };
    Ok(changed(changing.dry_run, refresh, RefreshAnswer { refresh, found, service }))
}

fn approved(text: &str) -> Result<Bytes<32>> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap_or_default();
    let bytes = <[u8; 32]>::try_from(bytes.as_slice());
    bytes.map(Bytes).map_err(|_| Error::field("/approve", "approve is a SHA-256 in hexadecimal").into())
}

/// About whom.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct PreviewFields {
    /// Login name or id.
    user: String,
}

/// What a service would be told about a user.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewAnswer {
    /// Whether the user may use the service at all.
    entitled: bool,
    /// The identifier.
    name_id: PreviewNameId,
    /// What is released.
    attributes: Vec<PreviewAttribute>,
    /// The lowest evidence level that is asked for.
    #[schema(value_type = u8)]
    min_evidence: Level,
}

/// An identifier.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewNameId {
    /// `email`, `persistent`, `transient` or `unspecified`.
    format: &'static str,
    /// Its value; a transient one is another each time.
    value: String,
}

/// An attribute.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewAttribute {
    /// Its name at the service.
    name: String,
    /// Its friendly name.
    #[serde(skip_serializing_if = "Option::is_none")]
    friendly_name: Option<String>,
    /// Its values.
    values: Vec<String>,
}

/// What the service would be told about a user. Needs `users:read` beside `services:read`: it answers who somebody is.
#[utoipa::path(post, path = "/services/{service}/preview", tag = "services", request_body = PreviewFields, responses((status = 200, body = PreviewAnswer)))]
async fn preview(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    _query: Plain,
    Body(fields): Body<PreviewFields>,
) -> Result<Json<PreviewAnswer>> {
    call.also::<UsersRead>()?;
    let Path((_, which)) = path;
    if fields.user.is_empty() {
        return Err(Error::field("/user", "user is missing").into());
    }
    let known = known(&app, &call, &which).await?;
    let found = app.directory.user_for_service(&call.org, &known.service.id, &fields.user).await;
    let (user, groups, entitled) = found.map_err(|error| match error {
        // What the call names is the user, and there is none: not a wrong value, but nothing to show yet.
        Error::NotFound { noun: "user", .. } => {
            Problem::not_found().detail(format!("there is no user {}", fields.user)).fix(format!(
                "latchkey user create {}, or let a device bring the user up: latchkey policy set --jit",
                fields.user
            ))
        }
        error => error.into(),
    })?;
    let facts = app.saml.facts(&app, &call.org).await?;
    let entity_id = &known.metadata.entity_id;
    let name_id = subject::name_id(&known.settings, None, &user, &groups, entity_id, &facts.pairwise)
        .map_err(|unfit| Problem::of(crate::code::Code::saml(unfit.code)).detail(unfit.detail))?;
    let attributes = subject::attributes(&known.settings, &user, &groups).into_iter();
    Ok(Json(PreviewAnswer {
        entitled,
        name_id: PreviewNameId { format: name_id.format.name(), value: name_id.value },
        attributes: attributes
            .map(|a| PreviewAttribute { name: a.name, friendly_name: a.friendly_name, values: a.values })
            .collect(),
        min_evidence: known.service.min_evidence,
    }))
}

async fn known<S>(app: &Shared, call: &Call<S>, which: &str) -> Result<Known> {
    let record = app.directory.service_record(&call.org, which).await?;
    let now = jiff_time(app.directory.now());
    Known::of(&app.saml.parsed, record, now).map_err(|e| Problem::of(e.code()).detail(e.to_string()))
}

/// For which software.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HandoverQuery {
    r#for: Once<String>,
}

/// A hand-over sheet.
#[derive(Debug, Serialize, ToSchema)]
struct HandoverAnswer {
    /// For which software.
    r#for: &'static str,
    /// The sheet, plain text.
    text: String,
}

/// What to send to whoever runs the service, in the words of its software: `for` is generic, mellon, node-saml, python3-saml, shibboleth or simplesamlphp.
#[utoipa::path(get, path = "/services/{service}/handover", tag = "services", params(("for" = Option<String>, Query)), responses((status = 200, body = HandoverAnswer)))]
async fn handover(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    Plain(query): Plain<HandoverQuery>,
) -> Result<Json<HandoverAnswer>> {
    let Path((_, which)) = path;
    let wanted = query.r#for.0.unwrap_or_else(|| "generic".to_owned());
    let target = Target::from_name(&wanted).ok_or_else(|| {
        let all = Target::ALL.map(Target::name).join(", ");
        Error::field("/for", format!("{wanted:?} is not one of {all}"))
    })?;
    let known = known(&app, &call, &which).await?;
    let keys = app.keys.of(&call.org).await?;
    let sheet = Sheet {
        entity_id: &call.organization.entity_id,
        metadata_url: &format!("{}/o/{}/saml/metadata", app.origin(), call.org),
        sso_url: &sso_url(&app, &call.org),
        certificate: keys.assertion(known.settings.algorithm).certificate(),
        service: &known.metadata,
        name_id: known.settings.name_id.format(),
        attributes: &known.settings.mapping,
    };
    Ok(Json(HandoverAnswer { r#for: target.name(), text: sheet.text(target) }))
}

/// Our SAML metadata, as services get it.
#[utoipa::path(get, path = "/idp-metadata", tag = "services", responses((status = 200, content_type = "application/samlmetadata+xml", body = String)))]
async fn our_metadata(call: Call<OrganizationRead>, State(app): State<Shared>, _query: Plain) -> Result<Response> {
    let document = idp_metadata(&app, &call.org).await?;
    Ok(([(CONTENT_TYPE, "application/samlmetadata+xml")], document.as_ref().clone()).into_response())
}
