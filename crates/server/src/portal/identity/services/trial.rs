//! What a service would be told about a user, and what would become of a sign-in now, step by step.
//!
//! Owns both pages. Must not sign anybody in: what is shown here is no key to anything.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::device::view::BindingFilter;
use latchkey_directory::page::PageRequest;
use latchkey_directory::services::ServiceView;
use latchkey_directory::values::Scope;
use latchkey_wire::{BindingState, DeviceState, Level};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Asked;
use super::super::super::page::{self, Page};
use super::super::super::text;
use super::super::super::visit::Visit;
use crate::app::App;
use crate::code::Own;
use crate::problem::{Problem, Result};
use crate::saml::jiff_time;
use crate::saml::known::Known;
use crate::services::{self, PreviewAnswer};

pub(super) fn doors(doors: Doors) -> Doors {
    // It answers who somebody is: beside the right to see services, the one to see users.
    let read = Needs::Right(Scope::ServicesRead);
    doors.page(read, "/admin/services/{id}/preview", preview).page(read, "/admin/services/{id}/test", test)
}

/// So many bindings of a user are looked at.
const MOST_BINDINGS: u64 = 50;

fn may_see_users(visit: &Visit) -> Result<()> {
    if visit.rights.may(Scope::UsersRead) {
        return Ok(());
    }
    Err(Problem::of(Own::Auth002)
        .detail(format!("This needs the right {}, and none of your roles has it.", Scope::UsersRead))
        .fix("Ask an administrator of your organization for a role that has it."))
}

#[derive(Template)]
#[template(path = "identity/service_preview.html")]
struct PreviewPage {
    page: Page,
    service: ServiceView,
    user: String,
    told: Option<PreviewAnswer>,
    document: Option<String>,
    cli: String,
    api: String,
}

async fn preview(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response> {
    may_see_users(&visit)?;
    let service = app.directory.service(&visit.org, &id).await?;
    let user = asked.text("user").unwrap_or_default().to_owned();
    let mut page = visit.page("services.preview.title");
    let (mut told, mut document) = (None, None);
    if !user.is_empty() {
        match services::preview(&app, &visit.org, &service.id, &user).await {
            Ok(answer) => {
                let level = answer.min_evidence;
                document = Some(services::assertion(&app, &visit.org, &service.id, &user, level).await?);
                told = Some(answer);
            }
            Err(problem) => page = page.refused(no_user(problem))?,
        }
    }
    Ok(page::show(&PreviewPage {
        page,
        cli: format!("latchkey service preview {} --user anna@acme.example", service.name),
        api: format!(
            "POST /api/v1{}/services/{}/preview\n{{\"user\":\"anna@acme.example\"}}",
            visit.at(""),
            service.name
        ),
        service,
        user,
        told,
        document,
    }))
}

/// That there is no such user is a slip in the field, not a page that is missing.
fn no_user(problem: Problem) -> Problem {
    if problem.status() != http::StatusCode::NOT_FOUND {
        return problem;
    }
    let (code, words) = (latchkey_wire::Code::Api010, problem.words().to_owned());
    Problem::of(code).detail(words.clone()).field("/user", code, words)
}

/// A step of a sign-in.
struct Step {
    title: String,
    words: String,
    /// `done`, `failed` or `open`.
    state: &'static str,
}

impl Step {
    fn new(key: &str, state: &'static str, words: String) -> Self {
        Self { title: text::t(key).into_owned(), words, state }
    }
}

#[derive(Template)]
#[template(path = "identity/service_test.html")]
struct TestPage {
    page: Page,
    service: ServiceView,
    user: String,
    steps: Vec<Step>,
    /// Whether nothing that can be known without the device stands in the way.
    clear: bool,
    document: Option<String>,
    /// Where a sign-in begins.
    begin: Option<String>,
    begins_here: bool,
    may_write: bool,
    cli: String,
    api: String,
}

async fn test(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response> {
    may_see_users(&visit)?;
    let service = app.directory.service(&visit.org, &id).await?;
    let user = asked.text("user").unwrap_or(&visit.login_name).to_owned();
    let mut page = visit.page("services.test.title");
    let now = jiff_time(app.directory.now());
    let record = app.directory.service_record(&visit.org, &service.id).await?;
    let known = Known::of(&app.saml.parsed, record, now);
    let (mut steps, mut document) = (Vec::new(), None);
    match try_out(&app, &visit, &service, &known, &user, now).await {
        Ok((found, text)) => (steps, document) = (found, text),
        Err(problem) => page = page.refused(no_user(problem))?,
    }
    let begin = known.as_ref().ok().and_then(|known| begins(&visit, known));
    Ok(page::show(&TestPage {
        page,
        clear: !steps.is_empty() && steps.iter().all(|step| step.state != "failed"),
        begins_here: service.idp_initiated,
        may_write: visit.rights.may(Scope::ServicesWrite),
        cli: "latchkey-connector sign-in https://wiki.example/ --json".to_owned(),
        api: format!(
            "POST /api/v1{}/services/{}/preview\n{{\"user\":\"anna@acme.example\"}}",
            visit.at(""),
            service.name
        ),
        service,
        user,
        steps,
        document,
        begin,
    }))
}

/// Where a sign-in to the service begins: here, where that is allowed, otherwise at the service's front door.
fn begins(visit: &Visit, known: &Known) -> Option<String> {
    if known.settings.idp_initiated {
        let service: String = url::form_urlencoded::byte_serialize(known.service.name.as_bytes()).collect();
        return Some(visit.at(&format!("/saml/sso?service={service}")));
    }
    let url = url::Url::parse(&known.metadata.default_consumer()?.location).ok()?;
    Some(url.origin().ascii_serialization())
}

async fn try_out(
    app: &Arc<App>,
    visit: &Visit,
    service: &ServiceView,
    known: &std::result::Result<Known, crate::saml::known::Unusable>,
    user: &str,
    now: jiff::Timestamp,
) -> Result<(Vec<Step>, Option<String>)> {
    let mut steps = Vec::new();
    let known = match known {
        Ok(known) if !known.metadata.is_expired(now) => known,
        Ok(_) => {
            let words = text::t("services.test.expired").into_owned();
            return Ok((vec![Step::new("services.test.metadata", "failed", words)], None));
        }
        Err(why) => return Ok((vec![Step::new("services.test.metadata", "failed", why.to_string())], None)),
    };
    let signs = if known.metadata.authn_requests_signed { "services.test.signed" } else { "services.test.unsigned" };
    steps.push(Step::new("services.test.metadata", "done", text::tt(signs, &[&known.metadata.entity_id])));
    let told = services::preview(app, &visit.org, &service.id, user).await?;
    let entitled =
        if told.entitled { ("done", "services.test.entitled") } else { ("failed", "services.test.not_entitled") };
    steps.push(Step::new("services.test.entitlement", entitled.0, text::tt(entitled.1, &[user])));
    let (best, words) = best_level(app, visit, user).await?;
    let (state, words) = match best {
        Some(level) if level >= told.min_evidence => {
            ("done", text::tt("services.test.level_ok", &[&words, &told.min_evidence.to_string()]))
        }
        Some(_) => ("failed", text::tt("services.test.level_low", &[&words, &told.min_evidence.to_string()])),
        None => ("open", text::tt("services.test.no_device", &[&told.min_evidence.to_string()])),
    };
    steps.push(Step::new("services.test.level", state, words));
    let name = text::tt("services.test.name_words", &[&told.name_id.value, told.name_id.format]);
    steps.push(Step::new("services.test.name", "done", name));
    let released: Vec<_> = told
        .attributes
        .iter()
        .map(|one| format!("{}: {}", one.friendly_name.as_deref().unwrap_or(&one.name), one.values.join(", ")))
        .collect();
    let released =
        if released.is_empty() { text::t("services.test.no_attributes").into_owned() } else { released.join(" · ") };
    steps.push(Step::new("services.test.attributes", "done", released));
    let to = known.metadata.default_consumer().map(|consumer| consumer.location.clone()).unwrap_or_default();
    steps.push(Step::new("services.test.answer", "done", text::tt("services.test.answer_words", &[&to])));
    let level = best.unwrap_or(told.min_evidence).max(told.min_evidence);
    let document = services::assertion(app, &visit.org, &service.id, user, level).await?;
    Ok((steps, Some(document)))
}

/// The best level at which a device of the user can prove the user now, and by which device.
async fn best_level(app: &Arc<App>, visit: &Visit, user: &str) -> Result<(Option<Level>, String)> {
    let filter =
        BindingFilter { user: vec![user.to_owned()], state: vec![BindingState::Active], ..BindingFilter::default() };
    let request = PageRequest { limit: MOST_BINDINGS, ..PageRequest::default() };
    let bindings = app.directory.bindings(&visit.org, filter, request).await?.items;
    let mut best: Option<(Level, String)> = None;
    for binding in bindings {
        if best.as_ref().is_some_and(|(level, _)| *level >= binding.level) {
            continue;
        }
        let device = app.directory.device(&visit.org, &binding.device_id).await?;
        if device.state == DeviceState::Registered {
            best = Some((binding.level, device.id));
        }
    }
    Ok(match best {
        Some((level, device)) => (Some(level), text::tt("services.test.by_device", &[&level.to_string(), &device])),
        None => (None, String::new()),
    })
}
