//! The page of a refusal.
//!
//! Owns how a problem is shown to a person: what is wrong, what to do, and a reference under which the audit log has the reason. Must not know what
//! was refused.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::refusal::Remembered;

use super::doors::Door;
use super::look::Look;
use super::page::{self, Page};
use super::text;
use super::visit::{Passer, Visit};
use crate::app::App;
use crate::problem::{Problem, Result};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    page: Page,
    status: u16,
    words: String,
    way_out: String,
    code: String,
    reference: String,
    home: Option<String>,
}

/// Shows a problem. What was refused to a person is kept, so that the reference leads somewhere.
pub(super) async fn page(
    app: &Arc<App>,
    door: &Door,
    passer: Option<&Passer>,
    visit: Option<&Visit>,
    problem: Problem,
) -> Response {
    let problem = remembered(app, door, passer, visit, problem).await;
    let home = visit.map(|visit| visit.at("/"));
    let frame = |title: &str| match (visit, passer) {
        (Some(visit), _) => visit.page(title),
        (None, Some(passer)) => passer.page(title),
        (None, None) => Page::bare(None, &text::t(title), String::new(), Look::plain()),
    };
    let response = draw(frame, home, &problem);
    match passer {
        Some(passer) => passer.bound(response),
        None => response,
    }
}

/// The page of a problem that was remembered already, for whoever passes.
pub(crate) fn shown(passer: &Passer, problem: &Problem) -> Response {
    passer.bound(draw(|title| passer.page(title), None, problem))
}

fn draw(frame: impl FnOnce(&str) -> Page, home: Option<String>, problem: &Problem) -> Response {
    let status = problem.status();
    let known = format!("problem.status.{}", status.as_u16());
    let title = if text::find(&known).is_some() { known.as_str() } else { "problem.status.other" };
    let shown = ProblemPage {
        page: frame(title),
        status: status.as_u16(),
        words: problem.words().to_owned(),
        way_out: problem.way_out().to_owned(),
        code: problem.code().to_string(),
        reference: problem.reference().to_owned(),
        home,
    };
    let mut response = page::show_as(status, &shown);
    if let Some(seconds) = problem.document()["retry_after"].as_u64() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What counts as refused, and not as a slip of whoever typed.
/// What stands in the way of something that was tried, and what to do; nothing if it would work. Other failures stay failures.
pub(super) fn obstacle<T>(tried: latchkey_directory::Result<T>) -> Result<Option<(String, String)>> {
    match tried.map_err(Problem::from) {
        Ok(_) => Ok(None),
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            Ok(Some((problem.words().to_owned(), problem.way_out().to_owned())))
        }
        Err(problem) => Err(problem),
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::FORBIDDEN
            | StatusCode::CONFLICT
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::UNAUTHORIZED
    )
}

async fn remembered(
    app: &Arc<App>,
    door: &Door,
    passer: Option<&Passer>,
    visit: Option<&Visit>,
    problem: Problem,
) -> Problem {
    let Some(organization) = passer.and_then(|passer| passer.organization.as_ref()) else { return problem };
    if problem.is_recorded() || !is_refusal(problem.status()) {
        return problem;
    }
    let address = passer.and_then(|passer| passer.address);
    let actor = visit.map_or_else(
        || Actor {
            kind: ActorKind::User,
            id: "unknown".to_owned(),
            address: address.map(|a| a.to_canonical().to_string()),
        },
        Visit::actor,
    );
    let refusal = Remembered {
        actor,
        action: "portal.refuse",
        code: problem.code().as_str().to_owned(),
        subject: door.path.clone(),
        address,
        detail: problem.reason_or_words().to_owned(),
        proven: visit.is_some(),
    };
    let reference = app.directory.remember_refusal(&organization.id, refusal).await;
    problem.with_reference(reference)
}
