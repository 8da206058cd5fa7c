//! The second step: the administrator, and how they will sign in.
//!
//! Owns the forms, and the commit that ends set-up and begins the administrator's session. Must not know how passwords, codes and passkeys are
//! checked: the directory and `signin/` do that.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::SET_COOKIE;
use latchkey_directory::access::{NewBrowserSession, SessionSecret, begin_browser_session, finish_setup};
use latchkey_directory::credentials::{BrowserSecret, note_browser};
use latchkey_directory::tokens::Password;
use latchkey_directory::users::{NewUser, UserView};
use latchkey_directory::values::UserStatus;
use latchkey_directory::{Bytes, Error, OrgId};
use latchkey_wire::Level;
use latchkey_wire::seal::Context;
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use super::organization::{Domain, domains};
use super::session::{Under, end, over, wrong};
use crate::app::App;
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit;
use crate::problem::{Problem, Result};
use crate::serve::settings::TlsMode;
use crate::signin::person::cookie as known;

#[derive(Template)]
#[template(path = "setup/person.html")]
struct PersonPage {
    page: Page,
    domains: Vec<Domain>,
    domain: String,
    /// The administrator who is let in again, by login name.
    again: Option<String>,
    login_name: String,
    display_name: String,
    by_password: bool,
    /// Why there can be no passkey: a text of the catalogue.
    no_passkey: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "setup/code.html")]
struct CodePage {
    page: Page,
    user: String,
    totp: String,
    secret: Zeroizing<String>,
    address: Zeroizing<String>,
}

#[derive(Template)]
#[template(path = "setup/passkey.html")]
struct PasskeyPage {
    page: Page,
    user: String,
    options: String,
    sealed: String,
}

#[derive(Template)]
#[template(path = "setup/codes.html")]
struct CodesPage {
    page: Page,
    codes: Vec<Zeroizing<String>>,
    start: String,
}

/// Why a browser makes no passkey here.
fn no_passkey(app: &App) -> Option<&'static str> {
    if !app.passkeys.usable() {
        return Some("setup.person.no_passkey_name");
    }
    (app.settings.tls == TlsMode::Own).then_some("setup.person.no_passkey_tls")
}

async fn user(app: &App, under: &Under, id: &str) -> Result<UserView> {
    if under.setup.user_id.as_ref().is_some_and(|only| only != id) {
        return Err(over());
    }
    Ok(app.directory.user(&under.org()?, id).await?)
}

/// The form.
pub(super) async fn form(app: &Arc<App>, under: &Under, page: Page, fields: &Fields) -> Result<Response> {
    let organization = app.directory.organization(under.org()?.as_str()).await?;
    let domains = domains(app, under, &organization.slug).await?;
    let again = match &under.setup.user_id {
        Some(id) => Some(app.directory.user(&organization.id, id).await?.login_name),
        None => None,
    };
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let status = page.status();
    let no_passkey = no_passkey(app);
    let shown = PersonPage {
        by_password: fields.text("method") == Some("password") || no_passkey.is_some(),
        domain: text("domain"),
        login_name: text("login_name"),
        display_name: text("display_name"),
        page,
        domains,
        again,
        no_passkey,
    };
    Ok(under.passer.bound(page::show_as(status, &shown)))
}

/// Finds or makes the administrator, and begins with the credential.
pub(super) async fn begin(under: Under, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let done = if fields.text("method") == Some("passkey") {
        by_passkey(&app, &under, &fields).await
    } else {
        by_password(&app, &under, &fields).await
    };
    match done {
        Ok(response) => Ok(response),
        Err(problem) => form(&app, &under, under.page("setup.person.title").refused(problem)?, &fields).await,
    }
}

async fn administrator(app: &App, under: &Under, fields: &Fields) -> Result<UserView> {
    let org = under.org()?;
    if let Some(id) = &under.setup.user_id {
        return user(app, under, id).await;
    }
    let new = NewUser {
        login_name: Some(fields.text("login_name").unwrap_or_default().to_owned()),
        display_name: fields.text("display_name").map(str::to_owned),
        ..NewUser::default()
    };
    let there = match app.directory.create_user(&under.intent(), &org, new).await {
        Ok(view) => return Ok(view),
        // Set-up was left and is gone on with, or the user was imported before.
        Err(Error::Exists { id, .. }) => user(app, under, &id).await?,
        Err(error) => return Err(error.into()),
    };
    if there.status != UserStatus::Active {
        return Err(wrong("login_name", &format!("{} is {}", there.login_name, there.status)));
    }
    Ok(there)
}

async fn by_password(app: &Arc<App>, under: &Under, fields: &Fields) -> Result<Response> {
    let (password, again) = (fields.raw("password").unwrap_or_default(), fields.raw("password_again"));
    if again != Some(password) {
        return Err(wrong("password_again", "the two are not the same"));
    }
    let password = Password::new(password.to_owned());
    let (org, who) = (under.org()?, administrator(app, under, fields).await?);
    let rules = app.directory.password_rules(&org, &who.id).await?;
    let _turn = app.password_work.acquire().await.map_err(Problem::internal)?;
    // Set-up was left and is gone on with: what was chosen then may stay.
    let hash = move || if rules.stays(&password) { Ok(None) } else { rules.hash(&password).map(Some) };
    if let Some(hashed) = tokio::task::spawn_blocking(hash).await.map_err(Problem::internal)?? {
        app.directory.set_password(&under.intent(), &org, &who.id, hashed).await?;
    }
    let totp = app.directory.begin_totp(&under.intent(), &org, &who.id, "Authenticator").await?;
    code_page(app, under, under.page("setup.code.title"), &org, &who.id, &totp.id).await
}

async fn code_page(app: &App, under: &Under, page: Page, org: &OrgId, who: &str, totp: &str) -> Result<Response> {
    let pending = app.directory.pending_totp(org, who, totp).await?;
    let status = page.status();
    let shown =
        CodePage { page, user: who.to_owned(), totp: totp.to_owned(), secret: pending.text(), address: pending.uri()? };
    Ok(under.passer.bound(page::show_as(status, &shown)))
}

/// The first code of the authenticator: from now on it works.
pub(super) async fn confirm_code(under: Under, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let org = under.org()?;
    let who = user(&app, &under, fields.text("user").unwrap_or_default()).await?;
    let totp = fields.text("totp").unwrap_or_default();
    let code: String = fields.text("code").unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    if let Err(error) = app.directory.confirm_totp(&under.intent(), &org, &who.id, totp, &code).await {
        let page = under.page("setup.code.title").refused(Problem::from(error))?;
        return code_page(&app, &under, page, &org, &who.id, totp).await;
    }
    let codes = app.directory.make_recovery_codes(&under.intent(), &org, &who.id).await?;
    let given = finish(&app, &under, &who, &["password", "totp"], Level::MdmSigned).await?;
    let slug = app.directory.organization(org.as_str()).await?.slug;
    let shown = CodesPage {
        page: under.page("setup.codes.title"),
        codes: codes.expose().map(|code| Zeroizing::new(code.to_owned())).collect(),
        start: format!("/o/{slug}/start"),
    };
    Ok(entered(&org, &given, page::show(&shown)))
}

/// What a sealed state of a passkey belongs to.
fn context<'a>(app: &'a App, what: &'a str, org: &'a OrgId) -> Context<'a> {
    Context { what, org: org.as_str(), incarnation: &app.incarnation }
}

/// Sealed states of passkeys are of one set-up.
fn purpose(under: &Under) -> String {
    format!("setup-passkey {}", under.setup.id)
}

async fn by_passkey(app: &Arc<App>, under: &Under, fields: &Fields) -> Result<Response> {
    if let Some(reason) = no_passkey(app) {
        return Err(wrong("method", &crate::portal::text::t(reason)));
    }
    let (org, who) = (under.org()?, administrator(app, under, fields).await?);
    let there = app.directory.stored_passkeys(&org, &who.id).await?;
    let name = who.display_name.as_deref().unwrap_or(&who.login_name);
    let question = app.passkeys.ask_new(&who.id, &who.login_name, name, &there).map_err(Problem::internal)?;
    let sealed = app
        .seals
        .seal(question.state.as_bytes(), &context(app, &purpose(under), &org), app.seconds())
        .map_err(Problem::internal)?;
    let shown =
        PasskeyPage { page: under.page("setup.passkey.title"), user: who.id, options: question.options, sealed };
    Ok(under.passer.bound(page::show(&shown)))
}

/// The new passkey's answer: from now on it works.
pub(super) async fn confirm_passkey(under: Under, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let org = under.org()?;
    let who = user(&app, &under, fields.text("user").unwrap_or_default()).await?;
    let new = {
        let sealed = fields.text("sealed").unwrap_or_default();
        let state = app.seals.open(sealed, &context(&app, &purpose(&under), &org), app.seconds());
        let state = state.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        state.and_then(|state| {
            let name = fields.text("name").unwrap_or("Passkey");
            app.passkeys.new_passkey(&state, fields.text("passkey").unwrap_or_default(), name).ok()
        })
    };
    let Some(new) = new else {
        let text = crate::portal::text::t("setup.passkey.failed");
        let page = under.page("setup.person.title").refused(wrong("method", &text))?;
        return form(&app, &under, page, &fields).await;
    };
    app.directory.add_passkey(&under.intent(), &org, &who.id, new).await?;
    let given = finish(&app, &under, &who, &["passkey"], Level::Present).await?;
    let slug = app.directory.organization(org.as_str()).await?.slug;
    Ok(entered(&org, &given, Redirect::to(&format!("/o/{slug}/start")).into_response()))
}

/// What the browser of somebody who is let in is given.
struct Entered {
    secret: SessionSecret,
    browser: BrowserSecret,
}

/// Ends set-up, begins the session and makes the browser a known one, in one commit.
async fn finish(app: &App, under: &Under, who: &UserView, methods: &[&str], level: Level) -> Result<Entered> {
    let browser = under.browser.clone().unwrap_or_else(BrowserSecret::generate);
    let new = NewBrowserSession {
        user_id: who.id.clone(),
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        level,
        nonce: Bytes(*random_bytes::<16>()),
        address: under.address(),
        agent: under.agent.clone(),
    };
    let (setup, address, known) = (under.setup.clone(), under.address(), browser.clone());
    let granted = app
        .directory
        .grant::<_, Error>(move |tx| {
            let org = finish_setup(tx, &setup, &new.user_id, address.clone())?;
            let begun = begin_browser_session(tx, &org, &new)?;
            note_browser(tx, &org, &new.user_id, &known)?;
            begun.map_err(|_| Error::state("the user may not sign in", "enable it: latchkey user enable LOGIN"))
        })
        .await?;
    let secret = granted.release(app.directory.clock().monotonic()).map_err(Error::from)?;
    Ok(Entered { secret, browser })
}

fn entered(org: &OrgId, given: &Entered, mut response: Response) -> Response {
    for cookie in [visit::cookie(org, &given.secret), known::set(&given.browser)] {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    end(&mut response);
    response
}
