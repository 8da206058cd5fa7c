//! The doors of the portals, and the guard before each.
//!
//! Owns the one list of routes with what each needs, and the checks that come before a handler: organization, session, right, a confirmation that
//! is not too old, and for whatever changes something the form's token and its origin. Must not know what is behind a door.
//!
//! A route can only be added by [`Doors::page`] or [`Doors::action`], so none can be forgotten by the tests that go through [`Doors::into_list`].

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use http::header::{ORIGIN, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use latchkey_directory::Error;
use latchkey_directory::values::Scope;

use super::csrf;
use super::error;
use super::fields::{Fields, MAX_FORM, MAX_OF_STRANGERS};
use super::look::Look;
use super::visit::{self, Face, Passer, Visit};
use crate::app::App;
use crate::code::Own;
use crate::problem::{Problem, Result};
use crate::signin::visitor::Visitor;

/// So long a confirmation (passkey, or password and code) opens a page that asks for one.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// So long after it the form of such a page may still be sent: whoever was let in has time to fill it in.
const FRESH_TO_SEND: Duration = Duration::from_secs(20 * 60);

/// What has to be known of a visitor before a door opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: whoever comes.
    Nobody,
    /// A person who is signed in.
    Person,
    /// The same, confirmed within the last ten minutes: what touches how the person signs in.
    FreshPerson,
    /// A person with this right.
    Right(Scope),
    /// The same, confirmed within the last ten minutes: tokens, keys, policy.
    Fresh(Scope),
}

impl Needs {
    const fn is_person(self) -> bool {
        !matches!(self, Self::Nobody)
    }

    const fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh(_) | Self::FreshPerson)
    }

    /// The right, where one is needed.
    #[must_use]
    pub const fn right(self) -> Option<Scope> {
        match self {
            Self::Right(right) | Self::Fresh(right) => Some(right),
            _ => None,
        }
    }
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// `GET` for what shows, `POST` for what changes something.
    pub method: Method,
    /// The whole path, with its parameters as the router writes them.
    pub path: String,
    /// What it needs.
    pub needs: Needs,
}

/// All doors, while they are put up.
pub struct Doors {
    app: Arc<App>,
    router: Router<Arc<App>>,
    list: Vec<Door>,
}

impl Doors {
    /// None yet.
    #[must_use]
    pub fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), router: Router::new(), list: Vec::new() }
    }

    /// A page of an organization; `path` stands below `/o/{org}`.
    #[must_use]
    pub fn page<H, T>(self, needs: Needs, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.put(Method::GET, needs, format!("/o/{{org}}{path}"), get(handler))
    }

    /// Something of an organization that a form changes.
    #[must_use]
    pub fn action<H, T>(self, needs: Needs, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.put(Method::POST, needs, format!("/o/{{org}}{path}"), post(handler))
    }

    /// A page of the cloud itself, before there is an organization.
    #[must_use]
    pub fn cloud_page<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.put(Method::GET, Needs::Nobody, path.to_owned(), get(handler))
    }

    /// The same for a form.
    #[must_use]
    pub fn cloud_action<H, T>(self, path: &str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.put(Method::POST, Needs::Nobody, path.to_owned(), post(handler))
    }

    fn put(mut self, method: Method, needs: Needs, path: String, route: MethodRouter<Arc<App>>) -> Self {
        let door = Door { method, path, needs };
        let gate = Gate { app: Arc::clone(&self.app), door: Arc::new(door.clone()) };
        // A form may be larger than other bodies; the guard reads it, to its own limit.
        let route: MethodRouter<Arc<App>> = route.layer(from_fn_with_state(gate, guard));
        let route = route.layer(axum::extract::DefaultBodyLimit::disable());
        self.router = self.router.route(&door.path, route);
        self.list.push(door);
        self
    }

    /// For the listener.
    pub fn into_router(self) -> Router<Arc<App>> {
        self.router
    }

    /// For tests.
    #[must_use]
    pub fn into_list(self) -> Vec<Door> {
        self.list
    }
}

/// What the guard of one door knows.
#[derive(Clone)]
struct Gate {
    app: Arc<App>,
    door: Arc<Door>,
}

/// Why a door stays shut.
enum Stop {
    Problem(Problem),
    /// Another page comes first.
    First(String),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Who came, as far as it was found out.
#[derive(Default)]
struct Came {
    passer: Option<Passer>,
    visit: Option<Visit>,
    /// The session's new cookie, where it was time for one.
    renewed: Option<HeaderValue>,
}

async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut came = Came::default();
    let mut response = gate.pass(parts, body, &mut came, next).await;
    if let Some(passer) = &came.passer {
        passer.look.dress(&mut response);
    }
    if let Some(cookie) = came.renewed {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

impl Gate {
    async fn pass(&self, parts: Parts, body: Body, came: &mut Came, next: Next) -> Response {
        let mut parts = parts;
        let stopped = match self.look(&mut parts, body, came).await {
            Ok(body) => {
                let response = next.run(Request::from_parts(parts, body)).await;
                match response.extensions().get::<Problem>() {
                    Some(problem) => Stop::Problem(problem.clone()),
                    None => return response,
                }
            }
            Err(Stop::Problem(problem)) => {
                // Made into an answer only to be logged as every other.
                drop(problem.clone().into_response());
                Stop::Problem(problem)
            }
            Err(first) => first,
        };
        match stopped {
            Stop::First(path) => Redirect::to(&path).into_response(),
            Stop::Problem(problem) => {
                error::page(&self.app, &self.door, came.passer.as_ref(), came.visit.as_ref(), problem).await
            }
        }
    }

    async fn look(&self, parts: &mut Parts, body: Body, came: &mut Came) -> std::result::Result<Body, Stop> {
        let Self { app, door } = self;
        let Ok(visitor) = Visitor::from_request_parts(parts, app).await;
        let face = self.organization(parts).await?;
        let passer = Passer::of(app, face, &visitor, parts.uri.path_and_query().map_or("/", |path| path.as_str()));
        came.passer = Some(passer.clone());
        parts.extensions.insert(passer.clone());
        if let Some((visit, renewed)) = passer.known(app, &parts.headers).await? {
            came.renewed = renewed.map(|secret| visit::cookie(&visit.org, &secret));
            came.visit = Some(visit.clone());
            parts.extensions.insert(visit);
        }
        self.opens(&passer, came.visit.as_ref()).await?;
        if door.method != Method::POST {
            return Ok(body);
        }
        csrf::from_here(&parts.headers, app.origin()).map_err(|why| elsewhere(app, &parts.headers, why))?;
        let most = if door.needs.is_person() { MAX_FORM } else { MAX_OF_STRANGERS };
        // Where too much came from that did not verify, strangers are read one after the other.
        let _turn = if door.needs.is_person() { None } else { visitor.admit(app).await? };
        let fields = Fields::read(parts, body, most).await?;
        let of = match &came.visit {
            Some(visit) if door.needs.is_person() => csrf::Of::Session(&visit.session.id),
            _ => csrf::Of::Browser(passer.binding()),
        };
        app.form_key.fits(fields.raw(csrf::FIELD), of).map_err(foreign)?;
        parts.extensions.insert(fields);
        Ok(Body::empty())
    }

    async fn organization(&self, parts: &mut Parts) -> Result<Face> {
        let params = RawPathParams::from_request_parts(parts, &self.app).await.map_err(|_| Problem::not_found())?;
        let Some(which) = params.iter().find(|(name, _)| *name == "org").map(|(_, value)| value.to_owned()) else {
            return Ok((None, Look::plain()));
        };
        match self.app.directory.face(&which).await {
            Ok((organization, branding)) => Ok(visit::face(organization, &branding)),
            Err(Error::NotFound { .. }) => Err(Problem::not_found()),
            Err(error) => Err(error.into()),
        }
    }

    async fn opens(&self, passer: &Passer, visit: Option<&Visit>) -> std::result::Result<(), Stop> {
        let Self { app, door } = self;
        let shows = door.method != Method::POST;
        if !door.needs.is_person() {
            return Ok(());
        }
        let Some(visit) = visit else {
            return Err(if shows {
                Stop::First(passer.sign_in(false))
            } else {
                Stop::Problem(
                    Problem::of(Own::Auth001)
                        .detail("You were signed out in the meantime. Nothing was changed.")
                        .fix("Sign in again in another tab, go back to this form and send it once more."),
                )
            });
        };
        if let Some(right) = door.needs.right()
            && !visit.rights.may(right)
        {
            return Err(Problem::of(Own::Auth002)
                .detail(format!("This needs the right {right}, and none of your roles has it."))
                .fix("Ask an administrator of your organization for a role that has it.")
                .into());
        }
        let since = app.directory.now().since(visit.session.authenticated_at);
        match (door.needs.is_fresh(), shows) {
            (true, true) if since > FRESH => Err(Stop::First(passer.sign_in(true))),
            (true, false) if since > FRESH_TO_SEND => Err(Problem::of(Own::Auth006).into()),
            _ => Ok(()),
        }
    }
}

/// Why a form does not count, by what the browser says of its page.
fn elsewhere(app: &App, headers: &HeaderMap, why: csrf::Foreign) -> Problem {
    let problem = foreign(why);
    let from = headers.get(ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if why != csrf::Foreign::Address {
        return problem;
    }
    let (here, name) = (app.origin(), from.split_once("://").map_or(from, |(_, name)| name));
    problem
        .detail(format!("Your browser is at {from}, and this cloud is called {here}. Nothing was changed."))
        .fix(format!(
            "Go to {here} and send the form there. If {name} is the right name: start the server with --cloud-name {name}, and let the \
             proxy before it pass the Host header on."
        ))
}

fn foreign(why: csrf::Foreign) -> Problem {
    Problem::of(Own::Auth005).reason(why)
}
