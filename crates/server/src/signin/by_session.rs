//! The answer to a service by the session that a browser has.
//!
//! Owns the order between the grant, the writing of the answer and its release. Who the answer is about is the session's user: nobody else can be
//! named here. Must not know how the answer travels, nor whom a refusal is shown to.

use std::sync::Arc;

use latchkey_directory::OrgId;
use latchkey_directory::refusal::Refused;
use latchkey_directory::signin::NotGranted;
use latchkey_directory::signin_browser::WantedByBrowser;
use latchkey_saml::post_form::PostForm;
use latchkey_wire::Code as Wire;

use super::refuse;
use super::tell::{NotTold, Teller};
use super::txn::Asked;
use crate::app::{App, OrgKeys};
use crate::problem::Problem;
use crate::saml::subject::Unfit;
use crate::saml::{answer, jiff_time};

/// Why there is no answer.
pub(crate) enum Stopped {
    /// Something does not work.
    Problem(Problem),
    /// The person cannot be told to the service as it asks.
    Unfit(Unfit),
    /// The rules say no.
    Refused(Refused),
}

const STALE: &str = "the grant was too old to be given out";

/// Grants, writes and releases the answer, or says why not.
pub(crate) async fn answer(
    app: &App,
    org: &OrgId,
    keys: &OrgKeys,
    wanted: WantedByBrowser,
    asked: &Asked,
) -> Result<PostForm, Stopped> {
    let facts = app.saml.facts(app, org).await.map_err(|error| Stopped::Problem(refuse::of_error(error)))?;
    let assertion_id = wanted.assertion_id.clone();
    let teller = Teller {
        parsed: app.saml.parsed.clone(),
        asked: asked.clone(),
        facts: Arc::clone(&facts),
        now: jiff_time(app.directory.now()),
    };
    let granted = match app.directory.sign_in_by_session(org, wanted, teller).await {
        Ok(granted) => granted,
        Err(NotGranted::Store(error)) => return Err(Stopped::Problem(Problem::of_store(&error))),
        Err(NotGranted::Decided(NotTold::Unusable(unusable))) => {
            return Err(Stopped::Problem(Problem::of(unusable.code()).reason(unusable)));
        }
        Err(NotGranted::Decided(NotTold::Unfit(unfit))) => return Err(Stopped::Unfit(unfit)),
        Err(NotGranted::Refused(refused)) => return Err(Stopped::Refused(refused)),
    };
    let mut session = String::new();
    let written = granted.map(|signed_in| {
        session.clone_from(&signed_in.session_id);
        answer::success(&facts, keys, asked, &assertion_id, &signed_in)
    });
    let problem = match written.release(app.directory.clock().monotonic()) {
        Ok(Ok(form)) => return Ok(form),
        Ok(Err(problem)) => problem,
        Err(latchkey_directory::Stale) => Problem::of(Wire::Cloud503).reason(STALE),
    };
    if let Err(error) = app.directory.drop_session(org, &session).await {
        tracing::error!(%error, session, "a session whose answer was not given out could not be ended");
    }
    Err(Stopped::Problem(problem))
}
