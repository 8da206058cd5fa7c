//! Deploy: choose a token, a domain and a platform; get what to paste, to download or to type in.
//!
//! Owns the page. Must not know how an artifact is written, nor where its token comes from.
//!
//! The token is on the answer to a form and never in an address; to download a file the form is sent again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::page::PageRequest;
use latchkey_directory::tokens::{Password, TokenView};
use latchkey_directory::values::{Scope, TokenState};
use latchkey_options::Platform;
use latchkey_options::deploy::{Deployment, Target, to_type_in};
use latchkey_wire::Code as Wire;
use zeroize::Zeroizing;

use super::super::doors::{Doors, Needs};
use super::super::fields::{Asked, Fields};
use super::super::page::{self, Page};
use super::super::text;
use super::super::visit::Visit;
use super::tokens::{Obstacle, wrong_password};
use crate::app::App;
use crate::artifact::{self, Artifact, From, Order};
use crate::problem::{Problem, Result};

const DEPLOY: &str = "/connector/deploy";

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::TokensWrite);
    let doors = doors.page(needs, DEPLOY, form).action(needs, DEPLOY, make);
    doors.action(needs, "/connector/deploy/file", file)
}

/// What the page is for: a target with a generator, or a platform whose values are typed in.
const KINDS: [&str; 7] = ["shell", "linux", "managed-json", "windows", "macos", "ios", "android"];

/// Management systems, each with the platforms it is known on and its variable for the part of a login name before the `@`.
const SYSTEMS: [(&str, &[&str], Option<&str>); 7] = [
    ("none", &["shell", "linux", "managed-json", "windows", "macos", "ios", "android"], None),
    ("intune", &["windows", "macos", "ios", "android"], Some("{{partialupn}}")),
    ("group-policy", &["windows"], None),
    ("jamf", &["macos", "ios"], Some("$USERNAME")),
    ("workspace-one", &["windows", "macos", "ios", "android"], Some("{EnrollmentUser}")),
    ("google", &["android"], None),
    ("configuration-management", &["linux", "managed-json"], None),
];

#[derive(Template)]
#[template(path = "connector/deploy.html")]
struct DeployPage {
    page: Page,
    tokens: Vec<TokenView>,
    token: Option<TokenView>,
    kind: String,
    domain: String,
    system: String,
    from: String,
    cli: String,
    api: String,
}

#[derive(Template)]
#[template(path = "connector/deployed.html")]
struct DeployedPage {
    page: Page,
    token: TokenView,
    kind: String,
    domain: String,
    system: String,
    /// The file, where there is a generator.
    file: Option<File>,
    /// The names and values to type in, where there is none.
    typed: Vec<(&'static str, String, bool)>,
    user_name: Option<&'static str>,
    /// The text of the token, for the form that downloads the file; a placeholder has none.
    device_token: Option<Zeroizing<String>>,
    obstacles: Vec<Obstacle>,
    cli: String,
    api: String,
}

struct File {
    name: &'static str,
    text: Zeroizing<String>,
}

impl DeployPage {
    fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.into_iter()
    }

    fn systems() -> impl Iterator<Item = &'static str> {
        SYSTEMS.into_iter().map(|(name, ..)| name)
    }

    fn is_token(&self, token: &TokenView) -> bool {
        self.token.as_ref().is_some_and(|chosen| chosen.id == token.id)
    }

    /// The domains that can be chosen: the chosen token's, or those of all.
    fn domains(&self) -> Vec<&String> {
        let mut all: Vec<&String> = match &self.token {
            Some(token) => token.domains.iter().collect(),
            None => self.tokens.iter().flat_map(|token| &token.domains).collect(),
        };
        all.sort();
        all.dedup();
        all
    }
}

/// The command and the call that do the same, for a token, a domain and a target.
fn same(visit: &Visit, token: &str, domain: &str, kind: &str) -> (String, String) {
    let target = if kind.parse::<Target>().is_ok() { kind } else { Target::ManagedJson.name() };
    let cli = format!("latchkey deploy --token {token} --domain {domain} --for {target} --password-file password.txt");
    let body = serde_json::json!({"target": target, "domain": domain, "password": "…"});
    (cli, format!("POST /api/v1{}/device-tokens/{token}/artifacts\n{body}", visit.at("")))
}

async fn form(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    show(&app, &visit, visit.page("deploy.title"), &asked).await
}

async fn show(app: &Arc<App>, visit: &Visit, page: Page, fields: &Fields) -> Result<Response> {
    // Those that can still be deployed; an organization has few tokens (16, unless it was given more).
    let states = vec![TokenState::Active, TokenState::Disabled];
    let most = PageRequest { limit: 200, ..PageRequest::default() };
    let tokens = app.directory.tokens(&visit.org, states, most).await?.items;
    let token = match fields.text("token") {
        Some(id) => tokens.iter().find(|token| token.id.as_str() == id).cloned(),
        None => None,
    };
    let token = token.or_else(|| if let [only] = tokens.as_slice() { Some(only.clone()) } else { None });
    let domains = token.as_ref().map(|token| token.domains.as_slice()).unwrap_or_default();
    let domain = fields.text("domain").map(str::to_owned).or_else(|| domains.first().cloned()).unwrap_or_default();
    let kind = fields.text("kind").filter(|kind| KINDS.contains(kind)).unwrap_or("shell").to_owned();
    let id = token.as_ref().map_or_else(|| "ID".to_owned(), |token| token.id.to_string());
    let (cli, api) = same(visit, &id, if domain.is_empty() { "DOMAIN" } else { &domain }, &kind);
    let status = page.status();
    // A token without a sealed copy can only be pasted.
    let sealed = token.as_ref().is_none_or(|token| token.sealed_copy);
    let from = fields.text("from").unwrap_or(if sealed { "password" } else { "paste" }).to_owned();
    let system = fields.text("system").unwrap_or("none").to_owned();
    Ok(page::show_as(status, &DeployPage { page, tokens, token, kind, domain, system, from, cli, api }))
}

/// Reads the form.
fn order(fields: &Fields, target: Target) -> Result<Order> {
    let missing = |field: &str, key: &str| {
        let detail = text::t(key);
        Problem::of(Wire::Api010).detail(detail.clone()).field(format!("/{field}"), Wire::Api010, detail)
    };
    let secret = |name: &str| fields.raw(name).filter(|text| !text.trim().is_empty());
    let from = match fields.text("from") {
        Some("password") => {
            let password = secret("password").ok_or_else(|| missing("password", "deploy.no_password"))?;
            From::Password(Password::new(password.to_owned()))
        }
        Some("paste") => {
            let token = secret("device_token").ok_or_else(|| missing("device_token", "deploy.no_token"))?;
            From::Pasted(Zeroizing::new(token.to_owned()))
        }
        _ => From::Placeholder,
    };
    let domain = fields.text("domain").ok_or_else(|| missing("domain", "deploy.no_domain"))?;
    Ok(Order { target, domain: domain.to_owned(), from })
}

fn chosen_token(fields: &Fields) -> Result<&str> {
    let detail = || text::t("deploy.choose_token");
    fields
        .text("token")
        .ok_or_else(|| Problem::of(Wire::Api010).detail(detail()).field("/token", Wire::Api010, detail()))
}

/// The artifact of a form. Where a platform has no generator yet, the values of the file are what is typed in.
async fn made(app: &Arc<App>, visit: &Visit, fields: &Fields, kind: &str) -> Result<Artifact> {
    let target = kind.parse::<Target>().unwrap_or(Target::ManagedJson);
    let order = order(fields, target)?;
    artifact::make(app, &visit.intent(), &visit.org, chosen_token(fields)?, order).await
}

async fn make(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let kind = fields.text("kind").filter(|kind| KINDS.contains(kind)).unwrap_or("shell").to_owned();
    let artifact = match made(&app, &visit, &fields, &kind).await {
        Ok(artifact) => artifact,
        Err(problem) => {
            let page = visit.page("deploy.title").refused(wrong_password(problem))?;
            return show(&app, &visit, page, &fields).await;
        }
    };
    let asked = fields.text("system").unwrap_or("none");
    let fits =
        |(name, kinds, _): &&(&str, &[&str], Option<&'static str>)| *name == asked && kinds.contains(&kind.as_str());
    let (system, user_name) =
        SYSTEMS.iter().find(fits).map_or(("none", None), |(name, _, variable)| (*name, *variable));
    let obstacles = app.directory.token_obstacles(&visit.org, &artifact.token.id.to_string()).await?;
    let platform = Platform::ALL.iter().find(|platform| platform.name() == kind && **platform != Platform::Linux);
    let deployment = Deployment {
        cloud_name: app.cloud_name.clone(),
        user_domain: artifact.domain.clone(),
        device_token: artifact.device_token.clone(),
    };
    let is_secret = |name: &str| name.eq_ignore_ascii_case("deviceToken");
    let typed = platform.map(|platform| to_type_in(*platform, &deployment)).unwrap_or_default();
    let (cli, api) = same(&visit, &artifact.token.id.to_string(), &artifact.domain, &kind);
    Ok(page::show(&DeployedPage {
        page: visit.page("deploy.made.title"),
        file: platform.is_none().then(|| File { name: artifact.target.file_name(), text: artifact.text.clone() }),
        typed: typed.into_iter().map(|(name, value)| (name, value, is_secret(name))).collect(),
        user_name,
        system: system.to_owned(),
        obstacles: obstacles.into_iter().map(Obstacle::of).collect(),
        token: artifact.token,
        domain: artifact.domain,
        device_token: artifact.device_token,
        kind,
        cli,
        api,
    }))
}

async fn file(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let kind = fields.text("kind").unwrap_or_default();
    let target: Target = kind.parse().map_err(|_| Problem::not_found())?;
    let artifact = made(&app, &visit, &fields, kind).await?;
    Ok(page::download(target.file_name(), target.media_type(), artifact.text.as_bytes().to_vec()))
}
