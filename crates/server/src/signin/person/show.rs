//! The pages of the steps.
//!
//! Owns their templates. Must not know which comes next. None of them tells whether somebody is here: the same is offered whatever name was
//! typed.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use latchkey_directory::credentials::PasswordDue;

use crate::portal::page::{self, Page};
use crate::problem::{Problem, Result};

/// What every step shows.
pub(super) struct Frame {
    /// The sealed errand.
    pub(super) txn: String,
    /// The service that is waited for.
    pub(super) service: Option<String>,
    /// The name that was typed, or that of the session to be confirmed; empty while nobody said one.
    pub(super) name: String,
    /// A session is confirmed: nobody else may.
    pub(super) confirms: bool,
    /// The question to passkeys, if they are offered.
    pub(super) passkey: Option<String>,
    /// A code was asked for, and is on its way if it can be.
    pub(super) mailed: bool,
    /// A forgotten password can be replaced by mail.
    pub(super) forgotten: bool,
}

/// A step that is shown.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Who are you?
    Name,
    /// Prove it.
    First {
        /// By the password, if it is offered.
        password: bool,
        /// The password comes before the passkey.
        password_first: bool,
        /// By a code that is mailed.
        mail: bool,
    },
    /// Confirm the password.
    Second {
        /// By a code of an authenticator.
        totp: bool,
        /// By a recovery code.
        recovery: bool,
        /// By a code that is mailed.
        mail: bool,
    },
    /// Choose another password.
    NewPassword {
        /// Why.
        due: PasswordDue,
        /// The least length, in characters.
        min_length: u64,
        /// How many before the present one are not used again.
        history: u64,
    },
    /// A link to set a new password is on its way, if it can be.
    Forgotten,
    /// One moment: the browser is asked once more, from our own page, whether it has a session.
    Through,
}

#[derive(Template)]
#[template(path = "signin/name.html")]
struct NamePage {
    page: Page,
    frame: Frame,
}

#[derive(Template)]
#[template(path = "signin/first.html")]
struct FirstPage {
    page: Page,
    frame: Frame,
    password: bool,
    password_first: bool,
    mail: bool,
}

#[derive(Template)]
#[template(path = "signin/second.html")]
struct SecondPage {
    page: Page,
    frame: Frame,
    totp: bool,
    recovery: bool,
    mail: bool,
}

#[derive(Template)]
#[template(path = "signin/forgotten.html")]
struct ForgottenPage {
    page: Page,
    frame: Frame,
}

#[derive(Template)]
#[template(path = "signin/new_password.html")]
struct NewPasswordPage {
    page: Page,
    frame: Frame,
    due: PasswordDue,
    min_length: u64,
    history: u64,
}

#[derive(Template)]
#[template(path = "signin/through.html")]
struct ThroughPage {
    page: Page,
    frame: Frame,
}

/// Shows a step; with what was wrong at the last try, if something was.
pub(super) fn step(page: Page, frame: Frame, step: Step, failed: Option<Problem>) -> Result<Response> {
    let (status, retry_after) = failed
        .as_ref()
        .map_or((StatusCode::OK, None), |problem| (problem.status(), problem.document()["retry_after"].as_u64()));
    let page = match failed {
        Some(problem) => page.refused(problem)?,
        None => page,
    };
    let mut response = match step {
        Step::Name => page::show_as(status, &NamePage { page, frame }),
        Step::First { password, password_first, mail } => {
            page::show_as(status, &FirstPage { page, frame, password, password_first, mail })
        }
        Step::Second { totp, recovery, mail } => {
            page::show_as(status, &SecondPage { page, frame, totp, recovery, mail })
        }
        Step::NewPassword { due, min_length, history } => {
            page::show_as(status, &NewPasswordPage { page, frame, due, min_length, history })
        }
        Step::Forgotten => page::show_as(status, &ForgottenPage { page, frame }),
        Step::Through => page::show_as(status, &ThroughPage { page, frame }),
    };
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}
