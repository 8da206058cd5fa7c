//! Taking ways to sign in away from a user who lost them.
//!
//! Owns the page that asks first, with what would go. Must not know how a way to sign in works.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::credentials::{CredentialsView, RemovedCredentials};
use latchkey_directory::values::{Scope, SignInMethod};

use super::{LIST, hides};
use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::{Asked, Fields};
use crate::portal::page::{self, Page, masked};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const PATH: &str = "/admin/users/{user}/reset";

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::UsersWrite);
    doors.page(needs, PATH, ask).action(needs, PATH, reset).action(needs, "/admin/users/{user}/expire-password", expire)
}

#[derive(Template)]
#[template(path = "identity/user_reset.html")]
struct ResetPage {
    page: Page,
    id: String,
    login: String,
    /// What the user has, by method: all that can be taken away.
    has: Vec<(SignInMethod, u64)>,
    chosen: Vec<SignInMethod>,
    /// The password may still be told to be changed.
    may_expire: bool,
    /// What would go; absent until something is chosen.
    would: Option<RemovedCredentials>,
    cli: String,
    api: String,
}

impl ResetPage {
    fn is_chosen(&self, method: &SignInMethod) -> bool {
        self.chosen.contains(method)
    }
}

fn chosen(fields: &Fields) -> Vec<SignInMethod> {
    let named = fields.many("methods");
    SignInMethod::ALL.iter().copied().filter(|method| named.contains(&method.to_string())).collect()
}

fn has(credentials: &CredentialsView) -> Vec<(SignInMethod, u64)> {
    let count = |list: usize| u64::try_from(list).unwrap_or(u64::MAX);
    let all = SignInMethod::ALL.iter().map(|method| {
        let many = match method {
            SignInMethod::Passkey => count(credentials.passkeys.len()),
            SignInMethod::Password => u64::from(credentials.password_set_at.is_some()),
            SignInMethod::Totp => count(credentials.totp.len()),
            SignInMethod::RecoveryCode => credentials.recovery_codes,
            // Nothing is kept of it.
            SignInMethod::MailCode => 0,
        };
        (*method, many)
    });
    all.filter(|(_, many)| *many > 0).collect()
}

type Which = Path<(String, String)>;

async fn ask(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which, asked: Asked) -> Result<Response> {
    let chosen = chosen(&asked);
    show(&app, &visit, visit.page("users.reset.title"), &which, chosen).await
}

async fn show(app: &App, visit: &Visit, page: Page, which: &str, chosen: Vec<SignInMethod>) -> Result<Response> {
    let user = app.directory.user(&visit.org, which).await?;
    let credentials = app.directory.credentials(&visit.org, &user.id).await?;
    let would = if chosen.is_empty() {
        None
    } else {
        Some(app.directory.reset_credentials(&visit.trial(), &visit.org, &user.id, &chosen).await?)
    };
    let named: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    let flags: String = named.iter().map(|method| format!(" --method {method}")).collect();
    let body = serde_json::json!({ "methods": named });
    let may_expire = credentials.password_set_at.is_some() && credentials.password_due.is_none();
    let (mut cli, mut api) = (
        format!("latchkey user reset-credentials {}{flags} --yes", user.id),
        format!("POST /api/v1{}/users/{}/credentials/reset\n{body}", visit.at(""), user.id),
    );
    if may_expire && chosen.is_empty() {
        cli.push_str(&format!("\nlatchkey user expire-password {}", user.id));
        api.push_str(&format!("\nPOST /api/v1{}/users/{}/credentials/expire-password", visit.at(""), user.id));
    }
    Ok(page::show_as(
        page.status(),
        &ResetPage {
            page,
            login: masked(user.login_name, hides(&visit.rights)),
            has: has(&credentials),
            may_expire,
            would,
            cli,
            api,
            chosen,
            id: user.id,
        },
    ))
}

async fn reset(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let chosen = chosen(&fields);
    match take(&app, &visit, &which, &chosen).await {
        Ok(id) => Ok(visit.go_saying(&format!("{LIST}/{id}"), "credentials-reset")),
        Err(problem) => {
            let page = visit.page("users.reset.title").refused(problem)?;
            show(&app, &visit, page, &which, Vec::new()).await
        }
    }
}

/// Has the password changed when it is used next.
async fn expire(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    app.directory.expire_password(&visit.intent(), &visit.org, &which).await?;
    let id = app.directory.user(&visit.org, &which).await?.id;
    Ok(visit.go_saying(&format!("{LIST}/{id}"), "password-expired"))
}

/// Takes them away and signs the user out everywhere. Answers the user's id.
async fn take(app: &App, visit: &Visit, which: &str, chosen: &[SignInMethod]) -> Result<String> {
    if chosen.is_empty() {
        let wrong = latchkey_directory::FieldProblem::invalid("/methods", "choose what to take away");
        return Err(Problem::from(latchkey_directory::Error::Invalid(vec![wrong])));
    }
    let (directory, intent) = (&app.directory, visit.intent());
    directory.reset_credentials(&intent, &visit.org, which, chosen).await?;
    let id = directory.user(&visit.org, which).await?.id;
    directory.end_browser_sessions_of(&intent, &visit.org, &id, None).await?;
    Ok(id)
}
