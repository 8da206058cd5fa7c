//! The list of what a new organization still needs, up to the first silent sign-in.
//!
//! Owns which steps there are and how each is seen to be done: from the store, so that it is right whoever did it, by page or command line. Must not
//! know how a step is done.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Org;
use latchkey_directory::device::view::DeviceFilter;
use latchkey_directory::page::PageRequest;
use latchkey_directory::query::Filter;
use latchkey_directory::records::Session;
use latchkey_directory::store::StoreError;
use latchkey_directory::values::{DomainState, Scope, TokenState};

use super::reached::Reached;
use crate::app::App;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::Result;
use crate::serve::way::Way;

/// One step, as the page shows it.
struct Step {
    /// The last part of its texts' keys.
    key: &'static str,
    done: bool,
    /// The first that is not done.
    current: bool,
    /// Where it is done.
    path: String,
}

#[derive(Template)]
#[template(path = "setup/start.html")]
struct StartPage {
    page: Page,
    steps: Vec<Step>,
    all_done: bool,
    reached: Reached,
}

/// The steps in their order, each with the right that it takes to see it and where it is done.
const STEPS: &[(&str, Scope, &str)] = &[
    ("domain", Scope::DomainsRead, "/admin/domains"),
    ("token", Scope::TokensRead, "/connector/tokens/new"),
    ("policy", Scope::PolicyRead, "/admin/policy"),
    ("service", Scope::ServicesRead, "/admin/services/new"),
    ("device", Scope::DevicesRead, "/connector/devices"),
    ("sign_in", Scope::SessionsRead, "/admin/services"),
];

/// How many of the steps that this person may see are done, and how many there are.
pub(crate) async fn progress(app: &App, visit: &Visit) -> Result<(usize, usize)> {
    let steps = steps(app, visit).await?;
    Ok((steps.iter().filter(|step| step.done).count(), steps.len()))
}

async fn steps(app: &App, visit: &Visit) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (key, right, path) in STEPS {
        if !visit.rights.may(*right) {
            continue;
        }
        let done = is_done(app, visit, key).await?;
        let current = !done && steps.iter().all(|step: &Step| step.done);
        steps.push(Step { key, done, current, path: visit.at(path) });
    }
    Ok(steps)
}

/// `GET /o/{org}/start`.
pub(super) async fn list(visit: Visit, State(app): State<Arc<App>>, way: Option<Extension<Way>>) -> Result<Response> {
    let steps = steps(&app, &visit).await?;
    if steps.is_empty() {
        return Ok(visit.go("/"));
    }
    let all_done = steps.iter().all(|step| step.done);
    let page = visit.page("setup.start.title");
    let reached = Reached::of(&app, way.as_deref());
    Ok(page::show(&StartPage { page, steps, all_done, reached }))
}

async fn is_done(app: &App, visit: &Visit, key: &str) -> Result<bool> {
    let (directory, org) = (&app.directory, &visit.org);
    let one = || PageRequest { limit: 1, ..PageRequest::default() };
    Ok(match key {
        "domain" => {
            let all = directory.domains(org, PageRequest::default()).await?;
            all.items.iter().any(|domain| domain.verification != DomainState::Pending)
        }
        "token" => !directory.tokens(org, vec![TokenState::Active], one()).await?.items.is_empty(),
        "policy" => directory.policy(org).await?.enabled,
        "service" => !directory.services(org).await?.is_empty(),
        "device" => !directory.devices(org, DeviceFilter::default(), one()).await?.items.is_empty(),
        // One that is over shows as well that the way is open.
        _ => {
            let org = org.clone();
            directory.read::<_, StoreError>(move |tx| Org::of(tx, &org).any::<Session>(Filter::all())).await?
        }
    })
}
