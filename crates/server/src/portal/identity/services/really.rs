//! A test sign-in that goes all the way: the real answer, looked at and then posted to the service; and a page that waits for one which begins there.
//!
//! Owns both pages. The real answer is made for the administrator's own session and for nobody else: with one about another person an administrator
//! could be that person at the service. Others have the preview, which has no signature. Must not know how an answer is granted or written.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, REFRESH};
use latchkey_directory::audit::log::EventFilter;
use latchkey_directory::page::PageRequest;
use latchkey_directory::services::ServiceView;
use latchkey_directory::signin_browser::WantedByBrowser;
use latchkey_directory::values::Scope;
use latchkey_directory::{Bytes, Timestamp};
use latchkey_saml::post_form::PostForm;
use latchkey_wire::sign::random_bytes;
use serde_json::Value;

use crate::app::App;
use crate::code::{Code, Own};
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Asked as Query;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};
use crate::saml::answer;
use crate::services::{self, PreviewAnswer};
use crate::signin::by_session::{self, Stopped};
use crate::signin::refuse;
use crate::signin::txn::{Asked, Unsolicited};

/// So long the waiting page looks again by itself.
const WAITS: Duration = Duration::from_secs(10 * 60);
/// So many events of the service are looked at.
const MOST: u64 = 20;

pub(super) fn doors(doors: Doors) -> Doors {
    let fresh = Needs::Fresh(Scope::ServicesWrite);
    doors.page(fresh, "/admin/services/{id}/try", before).action(fresh, "/admin/services/{id}/try", really).page(
        Needs::Right(Scope::ServicesRead),
        "/admin/services/{id}/watch",
        watch,
    )
}

#[derive(Template)]
#[template(path = "identity/service_try.html")]
struct TryPage {
    page: Page,
    service: ServiceView,
    login_name: String,
    level: u8,
    methods: String,
    made: Option<Made>,
}

/// The real answer.
struct Made {
    told: PreviewAnswer,
    algorithm: String,
    assertion: String,
    form: PostForm,
    document: String,
}

fn draw(visit: &Visit, service: ServiceView, made: Option<Made>) -> Response {
    page::show(&TryPage {
        page: visit.page("services.try.title"),
        service,
        login_name: visit.login_name.clone(),
        level: visit.session.level,
        methods: visit.session.methods.join(", "),
        made,
    })
}

async fn before(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let service = app.directory.service(&visit.org, &id).await?;
    Ok(draw(&visit, service, None))
}

async fn really(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let known = services::known(&app, &visit.org, &id).await?;
    if !known.settings.idp_initiated {
        return Err(Problem::of(Own::Signin003));
    }
    let acs = known.metadata.default_acs().ok_or_else(|| Problem::internal("a service without a consumer address"))?;
    let keys = app.keys.of(&visit.org).await.map_err(refuse::of_error)?;
    let assertion = answer::new_assertion_id(app.directory.now());
    let wanted = WantedByBrowser {
        // Whose session it is decides about whom the answer speaks.
        session_id: visit.session.id.clone(),
        service_id: known.service.id.clone(),
        nonce: Bytes(*random_bytes::<16>()),
        level: known.service.min_evidence,
        proven_since: None,
        assertion_id: assertion.clone(),
        address: visit.address,
    };
    let asked = Asked::Unsolicited(Unsolicited { acs, relay_state: None });
    let form = match by_session::answer(&app, &visit.org, &keys, wanted, &asked).await {
        Ok(form) => form,
        Err(Stopped::Problem(problem)) => return Err(problem),
        Err(Stopped::Unfit(unfit)) => {
            return Err(refused(&app, &visit, &known.service.id, Code::saml(unfit.code), unfit.detail).await);
        }
        Err(Stopped::Refused(no)) => {
            return Err(refused(&app, &visit, &known.service.id, no.code.into(), no.detail).await);
        }
    };
    let xml = STANDARD.decode(&form.saml_response).map_err(Problem::internal)?;
    let document = services::indented(&String::from_utf8_lossy(&xml));
    let told = services::preview(&app, &visit.org, &known.service.id, &visit.login_name).await?;
    let algorithm = known.settings.algorithm.uri().to_owned();
    let service = app.directory.service(&visit.org, &known.service.id).await?;
    // As on the page that takes every answer to its service: browsers look at the redirects after a form as well.
    let forms = if form.action.starts_with("https:") { "'self' https:" } else { "'self' https: http:" };
    let mut response = draw(&visit, service, Some(Made { told, algorithm, assertion, form, document }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, visit.look.policy_to(forms));
    // Services look at the origin of what is posted to them.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    Ok(response)
}

async fn refused(app: &App, visit: &Visit, service: &str, code: Code, detail: String) -> Problem {
    let words = detail.clone();
    let refusal = refuse::Refusal { code, detail, subject: service.to_owned(), address: visit.address, actor: None };
    // Whoever tests reads the reason at once.
    refusal.remember(app, &visit.org).await.detail(words)
}

/// What happened at the service.
struct Happened {
    at: String,
    id: String,
    ok: bool,
    /// Level and methods, or the code of the refusal.
    words: String,
    reference: String,
}

#[derive(Template)]
#[template(path = "identity/service_watch.html")]
struct WatchPage {
    page: Page,
    service: ServiceView,
    login_name: String,
    begin: Option<String>,
    happened: Vec<Happened>,
    waits: bool,
    again: String,
    may_audit: bool,
}

async fn watch(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    asked: Query,
) -> Result<Response> {
    let known = services::known(&app, &visit.org, &id).await?;
    let here = format!("/admin/services/{}/watch", known.service.id);
    let now = app.directory.now();
    let since = asked.text("since").and_then(|text| text.parse().ok()).map(Timestamp::from_millis);
    let Some(since) = since.filter(|since| *since <= now) else {
        return Ok(visit.go(&format!("{here}?since={}", now.millis())));
    };
    let happened = happened(&app, &visit, &known.service.id, since).await?;
    let waits = happened.is_empty() && now.since(since) < WAITS;
    let address = known.metadata.default_consumer().and_then(|consumer| url::Url::parse(&consumer.location).ok());
    let mut response = page::show(&WatchPage {
        page: visit.page("services.watch.title"),
        service: app.directory.service(&visit.org, &known.service.id).await?,
        login_name: visit.login_name.clone(),
        begin: address.map(|address| address.origin().ascii_serialization()),
        happened,
        waits,
        again: visit.at(&here),
        may_audit: visit.rights.may(Scope::AuditRead),
    });
    if waits {
        response.headers_mut().insert(REFRESH, HeaderValue::from_static("3"));
    }
    Ok(response)
}

/// The person's own sign-ins to the service since then, and what was refused there to whoever came from the person's address: who that was is not
/// proven where something is refused.
async fn happened(app: &App, visit: &Visit, service: &str, since: Timestamp) -> Result<Vec<Happened>> {
    let filter = EventFilter {
        since: Some(since),
        action: vec!["signin.saml".to_owned()],
        target: vec![service.to_owned()],
        ..EventFilter::default()
    };
    let request = PageRequest { limit: MOST, ..PageRequest::default() };
    let events = app.directory.audit_events(&visit.org, filter, request).await?.items;
    let address = visit.address.map(|address| address.to_canonical().to_string());
    let mut happened = Vec::new();
    for event in events {
        let text = |name: &str| event.event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let ok = text("outcome") == "ok";
        let mine = if ok { text("actor") == visit.login_name } else { Some(text("address")) == address };
        if !mine {
            continue;
        }
        let words = if ok {
            let detail = event.event.get("detail").cloned().unwrap_or_default();
            let of = |name: &str| {
                detail.get(name).map(|value| value.to_string().replace(['"', '[', ']'], "")).unwrap_or_default()
            };
            crate::portal::text::tt("services.watch.ok", &[&of("level"), &of("channel"), &of("assertion")])
        } else {
            text("code")
        };
        happened.push(Happened { at: text("at"), id: text("id"), ok, words, reference: text("ref") });
    }
    Ok(happened)
}
