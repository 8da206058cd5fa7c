//! The end of a person's sign-in: the session, and what it was for.
//!
//! Owns the order between the grant of a session and what goes out by it, and the cookies of the answer. Must not know rules: the directory
//! decides in the commit.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderValue;
use http::header::SET_COOKIE;
use latchkey_directory::credentials::grant::Entry;
use latchkey_directory::credentials::{BrowserSecret, NewPassword};
use latchkey_directory::refusal::Refused;
use latchkey_directory::signin_browser::WantedByBrowser;
use latchkey_saml::names::StatusCode;
use latchkey_wire::Code as Wire;

use super::cookie;
use super::errand::Goal;
use super::walk::Walk;
use crate::app::OrgKeys;
use crate::code::{Code, Own};
use crate::portal::{error, visit};
use crate::problem::{Problem, Result};
use crate::saml::answer;
use crate::signin::by_session::{self, Stopped};
use crate::signin::refuse;
use crate::signin::tell::tell_service;

const STALE: &str = "the grant was too old to be given out";

/// Grants the session, with a new password if one was chosen on the way, and goes on to what the person came for.
pub(super) async fn enter(walk: Walk<'_>, new_password: Option<NewPassword>) -> Result<Response> {
    let directory = &walk.app.directory;
    let Some(user_id) = walk.errand.user_id.clone() else {
        return Err(Problem::internal("a sign-in without a user came to its end"));
    };
    let browser = cookie::shown(walk.headers).unwrap_or_else(BrowserSecret::generate);
    let entry = Entry {
        user_id,
        factors: walk.errand.factors.clone(),
        nonce: walk.errand.unique,
        exp: walk.errand.exp(),
        step_up: walk.errand.session.as_ref().map(|session| session.id.clone()),
        address: walk.visitor.address,
        agent: walk.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned),
        browser: browser.clone(),
        new_password,
    };
    let granted = match directory.enter(walk.org(), entry).await.map_err(|error| Problem::of_store(&error))? {
        Ok(granted) => granted,
        Err(Refused { code, detail, .. }) => {
            let code: Code = if code == Wire::Proof014 { Own::Signin006.into() } else { code.into() };
            return Err(walk.remember(code, detail).await);
        }
    };
    let session_id = granted.map(|entered| (entered.session_id, entered.secret));
    // A session that came too late is no harm: nobody was given its secret, and it ends by itself.
    let (session_id, secret) = session_id
        .release(directory.clock().monotonic())
        .map_err(|latchkey_directory::Stale| Problem::of(Wire::Cloud503).reason(STALE))?;
    let cookies = [visit::cookie(walk.org(), &secret), cookie::set(&browser)];
    let mut response = match &walk.errand.goal {
        Goal::Portal { to } => Redirect::to(to).into_response(),
        // The session stands whether or not the service is told: whoever may not use it reads why.
        Goal::Service { .. } => match assert(&walk, session_id).await {
            Ok(response) => response,
            Err(problem) => error::shown(walk.passer, &problem),
        },
    };
    add(&mut response, cookies);
    Ok(walk.passer.bound(response))
}

fn add(response: &mut Response, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

impl Walk<'_> {
    /// Goes on by the session that the browser has, if that is enough; otherwise by the steps.
    pub(super) async fn by_session(mut self) -> Result<Response> {
        let Some(asked) = self.errand.asked() else { return self.go_on(None).await };
        let (passive, force) = (asked.is_passive(), asked.force_authn());
        let Some(visit) = self.visit else {
            return if passive { self.not_passively("nobody is signed in").await } else { self.go_on(None).await };
        };
        let strong = visit.session.level >= self.errand.level.number();
        let fresh = !force || visit.session.authenticated_at >= self.errand.began;
        if strong && fresh {
            return assert(&self, visit.session.id.clone()).await;
        }
        if passive {
            return self.not_passively("the session is not enough, and nobody may be asked").await;
        }
        self.errand = self.errand.confirming(visit);
        self.go_on(None).await
    }

    /// The service may not be kept waiting for a person.
    async fn not_passively(&self, why: &str) -> Result<Response> {
        let problem = self.remember(Own::Signin002.into(), format!("IsPassive, and {why}")).await;
        self.tell(problem, StatusCode::Responder, StatusCode::NoPassive).await
    }

    async fn keys(&self) -> Result<Arc<OrgKeys>> {
        self.app.keys.of(self.org()).await.map_err(refuse::of_error)
    }

    async fn tell(&self, problem: Problem, top: StatusCode, second: StatusCode) -> Result<Response> {
        let Goal::Service { id, asked, .. } = &self.errand.goal else { return Err(problem) };
        let keys = self.keys().await?;
        tell_service(self.app, self.org(), &keys, self.visitor, (id, asked), (problem, top, second)).await
    }
}

/// Grants the assertion by a session, and answers the page that takes it to the service.
async fn assert(walk: &Walk<'_>, session_id: String) -> Result<Response> {
    let Goal::Service { id, asked, .. } = &walk.errand.goal else {
        return Err(Problem::internal("an assertion that no service asked for"));
    };
    let (app, org, keys) = (walk.app, walk.org(), walk.keys().await?);
    let wanted = WantedByBrowser {
        session_id,
        service_id: id.clone(),
        nonce: walk.errand.unique,
        level: walk.errand.level,
        proven_since: asked.force_authn().then_some(walk.errand.began),
        assertion_id: answer::new_assertion_id(app.directory.now()),
        address: walk.visitor.address,
    };
    match by_session::answer(app, org, &keys, wanted, asked).await {
        Ok(form) => Ok(walk.visitor.deliver(form, None)),
        Err(Stopped::Problem(problem)) => Err(problem),
        Err(Stopped::Unfit(unfit)) => {
            let problem = walk.remember(Code::saml(unfit.code), unfit.detail.clone()).await;
            // Without a request there is nobody who asked.
            match asked.request() {
                Some(_) => walk.tell(problem, unfit.top(), unfit.status).await,
                None => Err(problem),
            }
        }
        Err(Stopped::Refused(refused)) => {
            let problem = walk.remember(refused.code.into(), refused.detail).await;
            if asked.is_passive() {
                walk.tell(problem, StatusCode::Responder, StatusCode::NoPassive).await
            } else {
                Err(problem)
            }
        }
    }
}
