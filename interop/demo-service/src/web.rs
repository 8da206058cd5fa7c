//! HTTP: which page comes when. Owns routes, cookies and headers; SAML is [`Provider`]'s, wording is `pages`'.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use saml_rs::{FormField, SamlError, SsoSession};

use crate::memory::{Memory, Person};
use crate::options::Binding;
use crate::pages;
use crate::provider::Provider;
use crate::random;

/// The largest answer that is read.
const BODY_LIMIT: usize = 256 * 1024;

/// Everything a request handler needs.
pub(crate) struct Site {
    provider: Provider,
    binding: Binding,
    memory: Mutex<Memory>,
    /// Distinguishes the cookies of services on one host: cookies do not know ports.
    port: u16,
}

impl Site {
    pub(crate) fn new(provider: Provider, binding: Binding, port: u16) -> Arc<Self> {
        Arc::new(Self { provider, binding, memory: Mutex::new(Memory::new()), port })
    }

    /// What a panic elsewhere left behind is still consistent: every change is a single insertion or removal.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cookie that ties a request to the browser that made it.
    fn browser_cookie(&self) -> String {
        format!("demo_browser_{}", self.port)
    }

    /// The cookie of a browser where somebody is signed in.
    fn session_cookie(&self) -> String {
        format!("demo_session_{}", self.port)
    }

    fn person(&self, headers: &HeaderMap) -> Option<Person> {
        let session = cookie(headers, &self.session_cookie())?;
        self.memory().person(&session, SystemTime::now())
    }
}

/// The service's routes.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(welcome))
        .route("/secret", get(secret))
        .route("/saml/acs", post(consume))
        .route("/saml/metadata", get(metadata))
        .route("/sign-out", post(sign_out))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], pages::STYLE) }))
        .route("/submit.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], pages::SUBMIT) }))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::map_response(with_headers))
        .with_state(site)
}

async fn with_headers(mut response: Response) -> Response {
    let fixed: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn welcome(State(site): State<Arc<Site>>, headers: HeaderMap) -> Html<String> {
    Html(pages::welcome(site.provider.idp(), site.person(&headers).is_some()))
}

async fn metadata(State(site): State<Arc<Site>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/samlmetadata+xml")], site.provider.metadata().to_owned())
}

/// The protected page, or the way to the identity provider.
async fn secret(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if let Some(person) = site.person(&headers) {
        return Html(pages::secret(&person)).into_response();
    }
    match to_identity_provider(&site, &headers) {
        Ok(response) => response,
        Err(e) => failed(StatusCode::INTERNAL_SERVER_ERROR, &format!("No request could be made: {e}")),
    }
}

/// A handler could not do its work.
#[derive(Debug, thiserror::Error)]
enum WebError {
    #[error("a header would be malformed")]
    Header(#[from] axum::http::header::InvalidHeaderValue),
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Saml(#[from] SamlError),
}

fn to_identity_provider(site: &Site, headers: &HeaderMap) -> Result<Response, WebError> {
    let known = cookie(headers, &site.browser_cookie());
    let browser = match &known {
        Some(browser) => browser.clone(),
        None => random::name()?,
    };
    let relay_state = random::name()?;
    let started = site.provider.start(&relay_state)?;
    site.memory().keep_request(format!("{browser}/{relay_state}"), started.pending, SystemTime::now());
    let mut response = match site.binding {
        Binding::Redirect => Redirect::to(started.outbound.redirect_url()?).into_response(),
        Binding::Post => Html(pages::posting(started.outbound.post_form()?)).into_response(),
    };
    if known.is_none() {
        set_cookie(&mut response, &site.browser_cookie(), &browser, "")?;
    }
    Ok(response)
}

/// The assertion consumer service.
async fn consume(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let now = SystemTime::now();
    let relay_state = fields.iter().find(|(name, _)| name == "RelayState").map_or("", |(_, value)| value);
    let Some(browser) = cookie(&headers, &site.browser_cookie()) else {
        return refused("this browser asked for nothing (its cookie is missing)");
    };
    let Some(pending) = site.memory().request(&format!("{browser}/{relay_state}"), now) else {
        return refused("this browser made no such request, or too long ago (RelayState is not known)");
    };
    let fields = fields.into_iter().map(|(name, value)| FormField::new(name, value)).collect();
    let answer = site.provider.finish(&pending, fields, now, &mut *site.memory());
    match answer {
        Ok(session) => match sign_in(&site, &session, now) {
            Ok(response) => response,
            Err(e) => failed(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
        },
        Err(e) => refused(&e.to_string()),
    }
}

fn sign_in(site: &Site, session: &SsoSession, now: SystemTime) -> Result<Response, WebError> {
    let attributes = session.attributes().as_slice();
    let person = Person {
        name: session.name_id().value().to_owned(),
        name_format: session.name_id().format().map_or_else(String::new, |f| f.as_uri().to_owned()),
        attributes: attributes
            .iter()
            .map(|a| (a.name().to_owned(), a.values().iter().map(|v| v.as_str().to_owned()).collect()))
            .collect(),
    };
    // A new name at every sign-in: nobody can be given a session that somebody else knows.
    let name = random::name()?;
    site.memory().sign_in(name.clone(), person, now);
    let mut response = Redirect::to("/secret").into_response();
    set_cookie(&mut response, &site.session_cookie(), &name, "; SameSite=Lax")?;
    Ok(response)
}

async fn sign_out(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if let Some(session) = cookie(&headers, &site.session_cookie()) {
        site.memory().sign_out(&session);
    }
    Redirect::to("/").into_response()
}

fn refused(why: &str) -> Response {
    // For whoever watches the service: one line, whatever the message holds.
    eprintln!("refused: {}", why.replace(char::is_control, " "));
    (StatusCode::FORBIDDEN, Html(pages::refused(why))).into_response()
}

fn failed(status: StatusCode, what: &str) -> Response {
    eprintln!("failed: {}", what.replace(char::is_control, " "));
    (status, Html(pages::failed(what))).into_response()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(have, _)| *have == name)
        .map(|(_, value)| value.to_owned())
}

/// The browser's cookie has to come along when the identity provider's page posts here from another site, and plain HTTP
/// has no `SameSite=None`; it therefore says nothing about sites, and holds nothing but a random name.
fn set_cookie(response: &mut Response, name: &str, value: &str, more: &str) -> Result<(), WebError> {
    let cookie = HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly{more}"))?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("demo_session_10=a; demo_session_1=b"));
        headers.append(header::COOKIE, HeaderValue::from_static("x=c"));
        assert_eq!(cookie(&headers, "demo_session_1").as_deref(), Some("b"));
        assert_eq!(cookie(&headers, "x").as_deref(), Some("c"));
        assert_eq!(cookie(&headers, "demo_session_"), None);
    }
}
