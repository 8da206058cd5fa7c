//! Sign-in by a person: the pages of its steps, and what they lead to.
//!
//! Owns the sealed errand, the steps and their pages. A person comes for a page of the organization (`GET /o/{org}/signin?to=…`) or for a service
//! (a request that [`crate::signin::dispatch`] hands over); every step posts the errand back to `/o/{org}/signin`. Must not know how a silent proof
//! is made.

pub(crate) mod cookie;
mod enter;
mod errand;
mod next;
mod show;
mod walk;

pub(super) use cookie::shown as shown_browser;
pub(crate) use walk::chosen;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, Method};
use latchkey_directory::orgs::OrganizationView;
use latchkey_wire::Level;
use latchkey_wire::epoch::cookie_binding;
use url::Url;

use self::errand::{Errand, Goal, NoErrand};
use self::show::Step;
use self::walk::Walk;
use super::dispatch::{Begun, home};
use super::visitor::Visitor;
use crate::app::App;
use crate::code::Own;
use crate::portal::doors::{Doors, Needs};
use crate::portal::error;
use crate::portal::fields::{Asked, Fields};
use crate::portal::visit::{self, Passer, Visit};
use crate::problem::{Problem, Result};

/// The longest path to go on to, characters.
const LONGEST_PATH: usize = 1024;

pub(crate) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Nobody, "/signin", begin).action(Needs::Nobody, "/signin", go_on)
}

fn organization(passer: &Passer) -> Result<&OrganizationView> {
    passer.organization.as_ref().ok_or_else(Problem::not_found)
}

/// Begins a sign-in to a page of the organization.
async fn begin(
    passer: Passer,
    visit: Option<Extension<Visit>>,
    State(app): State<Arc<App>>,
    query: Asked,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response> {
    let organization = organization(&passer)?;
    let to = own_path(app.origin(), organization, query.text("to"));
    let visit = visit.map(|Extension(visit)| visit);
    let again = query.is_on("again");
    if visit.is_some() && !again {
        return Ok(Redirect::to(&to).into_response());
    }
    visitor.count(&app)?;
    let errand =
        Errand::begin(Goal::Portal { to }, cookie_binding(passer.binding()), Level::KnownUser, app.directory.now());
    let errand = match &visit {
        Some(visit) => errand.confirming(visit),
        None => errand,
    };
    let policy = app.directory.sign_in_policy(&organization.id).await?;
    let (app, passer, visitor, headers) = (&*app, &passer, &visitor, &headers);
    Walk { app, organization, passer, visitor, headers, visit: visit.as_ref(), errand, policy }.go_on(None).await
}

/// Takes the step that was posted.
async fn go_on(
    passer: Passer,
    visit: Option<Extension<Visit>>,
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response> {
    let _turn = visitor.admit(&app).await?;
    let organization = organization(&passer)?;
    let txn = fields.raw("txn").unwrap_or_default();
    let opened = Errand::open(txn, &app.seals, home(&app, &organization.id), app.directory.now());
    let errand = match opened {
        Ok(errand) if errand.cb == cookie_binding(passer.binding()) => errand,
        Err(NoErrand::Expired(Some(to))) => {
            let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            let path = format!("/o/{}/signin?to={to}&said=too-late", organization.slug);
            return Ok(Redirect::to(&path).into_response());
        }
        Err(NoErrand::Expired(None)) => return Err(Problem::of(Own::Signin005)),
        // Another browser's, or nobody's.
        Ok(_) | Err(NoErrand::NotOurs) => {
            visitor.failed(&app)?;
            return Err(Problem::of(Own::Signin005).reason("the form's txn is not this browser's, or not ours"));
        }
    };
    let policy = app.directory.sign_in_policy(&organization.id).await?;
    let visit = visit.map(|Extension(visit)| visit);
    let (app, passer, visitor, headers) = (&*app, &passer, &visitor, &headers);
    Walk { app, organization, passer, visitor, headers, visit: visit.as_ref(), errand, policy }.step(&fields).await
}

/// A person's browser brought the request of a service.
pub(super) async fn arrive(app: &App, begun: Begun, level: Level) -> Result<Response> {
    let Begun { org, known, asked, visitor, headers, method, .. } = begun;
    let (organization, branding) = app.directory.face(org.as_str()).await?;
    let path = format!("/o/{}/signin", organization.slug);
    let passer = &Passer::of(app, visit::face(organization.clone(), &branding), &visitor, &path);
    let organization = &organization;
    let met = passer.known(app, &headers).await?;
    let (visit, renewed) = met.unzip();
    let level = known.service.min_evidence.max(level);
    let name = known.display_name().to_owned();
    let goal = Goal::Service { id: known.service.id, name, asked: Box::new(asked) };
    let errand = Errand::begin(goal, cookie_binding(passer.binding()), level, app.directory.now());
    let policy = app.directory.sign_in_policy(&organization.id).await?;
    let mut walk =
        Walk { app, organization, passer, visitor: &visitor, headers: &headers, visit: visit.as_ref(), errand, policy };
    // A form that another site posts comes without the session's cookie (`SameSite=Lax`), so a browser that was here before is asked once more,
    // from our own page.
    if visit.is_none() && method == Method::POST && visitor.cookie.is_some() {
        return walk.show(Step::Through, &[], None);
    }
    // This route has no guard that makes a page of a problem.
    let mut response = walk.by_session().await.unwrap_or_else(|problem| error::shown(passer, &problem));
    if let Some(secret) = renewed.flatten() {
        response.headers_mut().append(http::header::SET_COOKIE, visit::cookie(&organization.id, &secret));
    }
    Ok(response)
}

/// Where to go after a sign-in: a path of this organization and nowhere else.
fn own_path(origin: &str, organization: &OrganizationView, wanted: Option<&str>) -> String {
    let own = [format!("/o/{}/", organization.slug), format!("/o/{}/", organization.id)];
    let path = || {
        let wanted = wanted.filter(|path| path.starts_with('/') && path.len() <= LONGEST_PATH)?;
        let base: Url = origin.parse().ok()?;
        let url = base.join(wanted).ok()?;
        let below = own.iter().find_map(|own| url.path().strip_prefix(own.as_str()))?;
        let here = url.origin() == base.origin() && below != "signin";
        here.then(|| url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())))
    };
    path().unwrap_or_else(|| own[0].clone())
}

#[cfg(test)]
mod tests;
