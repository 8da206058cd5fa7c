//! How I sign in: the overview, the password, and recovery codes.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::access::LEAST_LEVEL;
use latchkey_directory::credentials::{CredentialsView, SignInPolicyView};
use latchkey_directory::values::SignInMethod;

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};
use crate::signin::person::chosen;

/// The page of all ways to sign in.
pub(super) const HERE: &str = "/account/sign-in";

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .page(Needs::Person, HERE, methods)
        .page(Needs::FreshPerson, "/account/password", password)
        .action(Needs::FreshPerson, "/account/password", set_password)
        .action(Needs::FreshPerson, "/account/password/remove", remove_password)
        .action(Needs::FreshPerson, "/account/recovery-codes", new_codes)
}

#[derive(Template)]
#[template(path = "account/methods.html")]
struct MethodsPage {
    page: Page,
    have: CredentialsView,
    may: May,
    /// How many ways there are to sign in; recovery codes are none.
    ways: usize,
}

/// What may be added here.
struct May {
    passkey: bool,
    password: bool,
    totp: bool,
    recovery: bool,
}

impl May {
    fn of(app: &App, policy: &SignInPolicyView, have: &CredentialsView) -> Self {
        let password = policy.allows(SignInMethod::Password);
        Self {
            passkey: policy.allows(SignInMethod::Passkey) && app.passkeys.usable(),
            password,
            totp: policy.allows(SignInMethod::Totp) && have.password_set_at.is_some(),
            recovery: policy.allows(SignInMethod::RecoveryCode) && !have.totp.is_empty(),
        }
    }
}

async fn methods(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let have = app.directory.credentials(&visit.org, &visit.user_id).await?;
    let policy = app.directory.sign_in_policy(&visit.org).await?;
    let may = May::of(&app, &policy, &have);
    let ways = have.passkeys.len() + usize::from(have.password_set_at.is_some());
    Ok(page::show(&MethodsPage { page: visit.page("account.methods"), have, may, ways }))
}

/// What has to come before the ways to sign in are changed, if anything has: whoever knows no more than a password must not turn it into the rest,
/// nor take the rest away. A password alone opens a session only for somebody without an authenticator, so a passkey is what may be stronger.
pub(super) async fn first(app: &App, visit: &Visit) -> Result<Option<Response>> {
    if visit.withheld {
        return Err(Problem::of(crate::code::Own::Signin006));
    }
    let have = app.directory.credentials(&visit.org, &visit.user_id).await?;
    let is_weaker = !have.passkeys.is_empty() && visit.session.level < LEAST_LEVEL.number();
    Ok(is_weaker.then(|| visit.confirm(HERE)))
}

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordPage {
    page: Page,
    login_name: String,
    min_length: u64,
    history: u64,
    is_there: bool,
}

impl PasswordPage {
    async fn of(app: &App, visit: &Visit, page: Page) -> Result<Self> {
        let have = app.directory.credentials(&visit.org, &visit.user_id).await?;
        let policy = app.directory.sign_in_policy(&visit.org).await?;
        Ok(Self {
            page,
            login_name: visit.login_name.clone(),
            min_length: policy.password_min_length,
            history: policy.password_history,
            is_there: have.password_set_at.is_some(),
        })
    }
}

async fn password(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    Ok(page::show(&PasswordPage::of(&app, &visit, visit.page("account.password")).await?))
}

async fn set_password(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    match change(&app, &visit, &fields).await {
        Ok(()) => Ok(visit.go_saying(HERE, "password-set")),
        Err(problem) => {
            let status = problem.status();
            let page = visit.page("account.password").refused(problem)?;
            Ok(page::show_as(status, &PasswordPage::of(&app, &visit, page).await?))
        }
    }
}

async fn change(app: &App, visit: &Visit, fields: &Fields) -> Result<()> {
    if !app.directory.sign_in_policy(&visit.org).await?.allows(SignInMethod::Password) {
        return Err(Problem::of(crate::code::Own::Api008)
            .detail("Your organization does not allow passwords.")
            .fix("Use a passkey."));
    }
    let new = chosen(app, &visit.org, &visit.user_id, fields).await?;
    app.directory.set_password(&visit.intent(), &visit.org, &visit.user_id, new).await?;
    // Whoever signed in with the old one is out.
    let keep = Some(visit.session.id.as_str());
    app.directory.end_browser_sessions_of(&visit.intent(), &visit.org, &visit.user_id, keep).await?;
    Ok(())
}

async fn remove_password(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    app.directory.remove_password(&visit.intent(), &visit.org, &visit.user_id).await?;
    Ok(visit.go_saying(HERE, "removed"))
}

#[derive(Template)]
#[template(path = "account/codes.html")]
struct CodesPage {
    page: Page,
    codes: Vec<String>,
}

/// The codes are in this one answer and nowhere else: no address leads to them again.
async fn new_codes(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    let made = app.directory.make_recovery_codes(&visit.intent(), &visit.org, &visit.user_id).await?;
    let codes = made.expose().map(str::to_owned).collect();
    Ok(page::show(&CodesPage { page: visit.page("account.codes"), codes }))
}
