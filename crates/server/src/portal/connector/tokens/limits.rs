//! Changing the limits of a token. What lets it accept more than before has to be confirmed.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_directory::page::PageRequest;
use latchkey_directory::patch::Patch;
use latchkey_directory::tokens::{TokenPatch, TokenView};
use latchkey_directory::values::{KnownUsers, Leniency, Scope};
use latchkey_wire::{Code as Wire, DeviceState};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Fields;
use super::super::super::page::{self, Page};
use super::super::super::visit::Visit;
use super::LIST;
use super::create::{Domain, PLATFORMS, Typed};
use crate::app::App;
use crate::problem::{Problem, Result};

const LIMITS: &str = "/connector/tokens/{id}/limits";

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::TokensWrite);
    doors.page(needs, LIMITS, form).action(needs, LIMITS, change)
}

#[derive(Template)]
#[template(path = "connector/token_limits.html")]
struct LimitsPage {
    page: Page,
    typed: Typed,
    ends: String,
    domains: Vec<Domain>,
    platforms: Vec<(&'static str, bool)>,
    groups: Vec<(String, bool)>,
    at: String,
    loosens: bool,
    cli: String,
    api: String,
}

/// The day on which a token ends, as a date field has it.
fn day(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

fn typed(token: &TokenView) -> Typed {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    Typed {
        description: token.description.clone(),
        days: String::new(),
        max_uses: token.max_uses.to_string(),
        uses_per_minute: token.uses_per_minute.to_string(),
        networks: token.networks.join("\n"),
        expect: number(token.expect),
        brake: number(token.brake),
        min_evidence: token.min_evidence.number().to_string(),
        pending: token.initial_state == DeviceState::Pending,
        known_pending: token.known_users == KnownUsers::Pending,
        serial_allow: token.on_known_serial == Leniency::Allow,
        second_allow: token.on_second_device == Leniency::Allow,
        no_copy: !token.sealed_copy,
    }
}

async fn form(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    let token = app.directory.token(&visit.org, &id).await?;
    let page = visit.page("tokens.limits.title");
    show(&app, &visit, page, token, None).await
}

async fn show(app: &Arc<App>, visit: &Visit, page: Page, token: TokenView, sent: Option<&Fields>) -> Result<Response> {
    let most = |limit| PageRequest { limit, ..PageRequest::default() };
    let chosen = |name: &str, now: Vec<String>| sent.map_or(now, |fields| fields.many(name));
    let named = chosen("domains", token.domains.clone());
    let platforms = chosen("platforms", token.platforms.iter().map(ToString::to_string).collect());
    let groups = chosen("jit_groups", token.jit_groups.clone());
    let domains = app.directory.domains(&visit.org, most(1000)).await?.items;
    let all = app.directory.groups(&visit.org, None, most(200)).await?.items;
    let status = page.status();
    let id = &token.id;
    Ok(page::show_as(
        status,
        &LimitsPage {
            loosens: page.failed.is_some(),
            typed: sent.map_or_else(|| typed(&token), Typed::of),
            ends: sent.map_or_else(|| day(token.expires_at), |f| f.text("ends").unwrap_or_default().to_owned()),
            domains: Domain::choices(domains, &named),
            platforms: PLATFORMS.into_iter().map(|name| (name, platforms.iter().any(|p| p == name))).collect(),
            groups: all.into_iter().map(|group| (group.name.clone(), groups.contains(&group.name))).collect(),
            at: format!("{LIST}/{id}"),
            cli: format!("latchkey token set {id} --max-uses 2000 --loosen"),
            api: format!("PATCH /api/v1{}/device-tokens/{id}?loosen=true\n{{\"max_uses\":2000}}", visit.at("")),
            page,
        },
    ))
}

/// Reads the form. What is as it was is not sent to the service.
fn read(fields: &Fields, token: &TokenView) -> Result<TokenPatch> {
    let mut wrong: Vec<(&'static str, &'static str)> = Vec::new();
    let mut number = |name: &'static str| {
        fields.parsed::<u64>(name).unwrap_or_else(|_| {
            wrong.push((name, "this is a whole number"));
            None
        })
    };
    let (max_uses, uses_per_minute) = (number("max_uses"), number("uses_per_minute"));
    let (expect, brake) = (number("expect"), number("brake"));
    let min_evidence = number("min_evidence");
    let ends = fields.text("ends").unwrap_or_default();
    let expires_at = if ends == day(token.expires_at) {
        None
    } else {
        let at = format!("{ends}T23:59:59Z").parse::<Timestamp>();
        at.map_err(|_| wrong.push(("ends", "this is a day, like 2027-01-31"))).ok()
    };
    if !wrong.is_empty() {
        let problem = Problem::of(Wire::Api010).detail("the form has values that cannot be read");
        let add = |problem: Problem, (name, detail)| problem.field(format!("/{name}"), Wire::Api010, detail);
        return Err(wrong.into_iter().fold(problem, add));
    }
    let on = |name: &str| fields.is_on(name);
    let or_none = |number: Option<u64>| number.map_or(Patch::Clear, Patch::Set);
    Ok(TokenPatch {
        description: fields.text("description").map(str::to_owned),
        domains: Some(fields.many("domains")),
        expires_at,
        max_uses,
        uses_per_minute,
        platforms: Some(fields.many("platforms").iter().filter_map(|name| name.parse().ok()).collect()),
        networks: Some(fields.words("networks")),
        min_evidence,
        initial_state: Some(if on("initial_state") { DeviceState::Pending } else { DeviceState::Registered }),
        known_users: Some(if on("known_users") { KnownUsers::Pending } else { KnownUsers::FirstDevice }),
        on_known_serial: Some(if on("on_known_serial") { Leniency::Allow } else { Leniency::Pending }),
        on_second_device: Some(if on("on_second_device") { Leniency::Allow } else { Leniency::Pending }),
        jit_groups: Some(fields.many("jit_groups")),
        brake: or_none(brake),
        expect: or_none(expect),
    })
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let token = app.directory.token(&visit.org, &id).await?;
    let done = match read(&fields, &token) {
        Ok(patch) => {
            let changed =
                app.directory.change_token(&visit.intent(), &visit.org, &id, patch, fields.is_on("loosen")).await;
            changed.map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(token) => Ok(visit.go_saying(&format!("{LIST}/{}", token.id), "token-changed")),
        Err(problem) => {
            let page = visit.page("tokens.limits.title").refused(problem)?;
            show(&app, &visit, page, token, Some(&fields)).await
        }
    }
}
