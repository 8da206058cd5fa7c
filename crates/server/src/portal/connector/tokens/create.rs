//! Making a device token, and the page that shows it.
//!
//! Owns the form with its defaults, and the page with the secret. Must not know how a secret is drawn.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_directory::domains::DomainView;
use latchkey_directory::page::PageRequest;
use latchkey_directory::tokens::{NewToken, Password, TokenView};
use latchkey_directory::values::{DomainState, Scope};
use latchkey_wire::Code as Wire;

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Fields;
use super::super::super::page::{self, Page};
use super::super::super::visit::Visit;
use super::LIST;
use crate::app::App;
use crate::problem::{Problem, Result};
use crate::shown::{self, Outcome, Shown};

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::TokensWrite);
    doors.page(needs, "/connector/tokens/new", form).action(needs, "/connector/tokens/new", create)
}

/// A domain that can be chosen.
pub(super) struct Domain {
    pub(super) name: String,
    pub(super) state: DomainState,
    pub(super) chosen: bool,
}

impl Domain {
    /// All of them by name, those that are named chosen.
    pub(super) fn choices(all: Vec<DomainView>, named: &[String]) -> Vec<Self> {
        let choice = |domain: DomainView| Self {
            chosen: named.contains(&domain.name),
            state: domain.verification,
            name: domain.name,
        };
        let mut domains: Vec<Self> = all.into_iter().map(choice).collect();
        domains.sort_by(|a, b| a.name.cmp(&b.name));
        domains
    }
}

#[derive(Template)]
#[template(path = "connector/token_new.html")]
struct FormPage {
    page: Page,
    typed: Typed,
    domains: Vec<Domain>,
    platforms: Vec<(&'static str, bool)>,
    groups: Vec<(String, bool)>,
    cli: String,
    api: String,
}

/// What was typed, or the defaults.
pub(super) struct Typed {
    pub(super) description: String,
    pub(super) days: String,
    pub(super) max_uses: String,
    pub(super) uses_per_minute: String,
    pub(super) networks: String,
    pub(super) expect: String,
    pub(super) brake: String,
    pub(super) min_evidence: String,
    pub(super) pending: bool,
    pub(super) known_pending: bool,
    pub(super) serial_allow: bool,
    pub(super) second_allow: bool,
    pub(super) no_copy: bool,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            description: String::new(),
            days: "14".to_owned(),
            max_uses: "1000".to_owned(),
            uses_per_minute: "600".to_owned(),
            networks: String::new(),
            expect: String::new(),
            brake: String::new(),
            min_evidence: "0".to_owned(),
            pending: false,
            known_pending: false,
            serial_allow: false,
            second_allow: false,
            no_copy: false,
        }
    }
}

impl Typed {
    pub(super) fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        let is = |name: &str, value: &str| fields.text(name) == Some(value);
        Self {
            description: text("description"),
            days: text("days"),
            max_uses: text("max_uses"),
            uses_per_minute: text("uses_per_minute"),
            networks: fields.raw("networks").unwrap_or_default().to_owned(),
            expect: text("expect"),
            brake: text("brake"),
            min_evidence: text("min_evidence"),
            pending: is("initial_state", "pending"),
            known_pending: is("known_users", "pending"),
            serial_allow: is("on_known_serial", "allow"),
            second_allow: is("on_second_device", "allow"),
            no_copy: is("copy", "none"),
        }
    }
}

pub(super) const PLATFORMS: [&str; 5] = ["windows", "macos", "linux", "ios", "android"];

async fn form(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    show(&app, &visit, visit.page("tokens.new.title"), Typed::default(), &Fields::default()).await
}

async fn show(app: &Arc<App>, visit: &Visit, page: Page, typed: Typed, fields: &Fields) -> Result<Response> {
    let named = fields.many("domains");
    let found = app.directory.domains(&visit.org, PageRequest { limit: 1000, ..PageRequest::default() }).await?;
    // One that there is no choice about is chosen.
    let only =
        found.items.iter().map(|domain| domain.name.clone()).filter(|_| found.items.len() == 1 && named.is_empty());
    let named: Vec<String> = named.iter().cloned().chain(only).collect();
    let domains = Domain::choices(found.items, &named);
    let (platforms, groups) = (fields.many("platforms"), fields.many("jit_groups"));
    let all = app.directory.groups(&visit.org, None, PageRequest { limit: 200, ..PageRequest::default() }).await?;
    let first = domains.first().map_or("DOMAIN", |domain| domain.name.as_str());
    let cli = format!(
        "latchkey token create --description \"Laptops, Berlin\" --domain {first} --expires 14d --max-uses 1000 --password-file password.txt"
    );
    let api = format!(
        "POST /api/v1{}/device-tokens\n{{\"description\":\"Laptops, Berlin\",\"domains\":[\"{first}\"],\"expires_at\":\"…\",\"max_uses\":1000,\"password\":\"…\"}}",
        visit.at("")
    );
    let status = page.status();
    Ok(page::show_as(
        status,
        &FormPage {
            page,
            typed,
            platforms: PLATFORMS.into_iter().map(|name| (name, platforms.iter().any(|p| p == name))).collect(),
            groups: all.items.into_iter().map(|group| (group.name.clone(), groups.contains(&group.name))).collect(),
            domains,
            cli,
            api,
        },
    ))
}

/// Reads the form. What cannot be read is a wrong field like what the service finds.
fn read(fields: &Fields, now: Timestamp) -> std::result::Result<NewToken, Problem> {
    let mut wrong: Vec<(&'static str, String)> = Vec::new();
    let mut number = |name: &'static str, label: &str| match fields.parsed::<u64>(name) {
        Ok(number) => number,
        Err(_) => {
            wrong.push((name, format!("{label} is a whole number")));
            None
        }
    };
    let days = number("days", "the number of days");
    let (max_uses, per_minute) =
        (number("max_uses", "the number of uses"), number("uses_per_minute", "the number of uses a minute"));
    let (expect, brake) = (number("expect", "the number of devices expected"), number("brake", "the brake"));
    let min_evidence = number("min_evidence", "the evidence level");
    let password = fields.raw("password").unwrap_or_default();
    let keeps = fields.text("copy") != Some("none");
    if keeps && password != fields.raw("password_again").unwrap_or_default() {
        wrong.push(("password_again", "the two passwords are not the same".to_owned()));
    }
    let new = NewToken {
        description: fields.text("description").map(str::to_owned),
        domains: Some(fields.many("domains")),
        expires_at: days.map(|days| now.plus(Duration::from_secs(days.saturating_mul(86_400)))),
        max_uses,
        uses_per_minute: per_minute,
        platforms: Some(fields.many("platforms").iter().filter_map(|name| name.parse().ok()).collect()),
        networks: Some(fields.words("networks")),
        min_evidence,
        initial_state: fields.text("initial_state").and_then(|text| text.parse().ok()),
        known_users: fields.text("known_users").and_then(|text| text.parse().ok()),
        on_known_serial: fields.text("on_known_serial").and_then(|text| text.parse().ok()),
        on_second_device: fields.text("on_second_device").and_then(|text| text.parse().ok()),
        jit_groups: Some(fields.many("jit_groups")),
        brake,
        expect,
        password: keeps.then(|| Password::new(password.to_owned())),
        sealed_copy: Some(keeps),
    };
    if wrong.is_empty() {
        return Ok(new);
    }
    let problem = Problem::of(Wire::Api010).detail("the form has values that cannot be read");
    Err(wrong
        .into_iter()
        .fold(problem, |problem, (name, detail)| problem.field(format!("/{name}"), Wire::Api010, detail)))
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let made = match read(&fields, app.directory.now()) {
        Ok(new) => shown::create(&app, &visit.intent(), &visit.org, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(Outcome::Done(shown)) => Ok(secret_page(&app, &visit, "tokens.made.title", &shown)),
        Ok(Outcome::Would(_)) => Ok(visit.go(LIST)),
        Err(problem) => {
            let page = visit.page("tokens.new.title").refused(problem)?;
            show(&app, &visit, page, Typed::of(&fields), &fields).await
        }
    }
}

#[derive(Template)]
#[template(path = "connector/token_made.html")]
struct SecretPage<'a> {
    page: Page,
    token: &'a TokenView,
    text: &'a str,
    cloud_name: &'a str,
    cloud_key: String,
    obstacles: Vec<Obstacle>,
}

/// What still stops the token.
pub(in super::super) struct Obstacle {
    pub(in super::super) code: String,
    pub(in super::super) words: String,
    pub(in super::super) fix: String,
}

impl Obstacle {
    pub(in super::super) fn of(code: Wire) -> Self {
        Self { code: code.to_string(), words: code.title().to_owned(), fix: code.fix().to_owned() }
    }
}

/// The page with the secret. It is an answer to a form, never an address: it cannot be opened again, and nothing keeps it.
pub(super) fn secret_page(app: &App, visit: &Visit, title: &str, shown: &Shown) -> Response {
    page::show(&SecretPage {
        page: visit.page(title),
        token: &shown.token,
        text: &shown.text,
        cloud_name: &app.cloud_name,
        cloud_key: app.cloud_key(),
        obstacles: shown.not_accepted_because.iter().map(|code| Obstacle::of(*code)).collect(),
    })
}
