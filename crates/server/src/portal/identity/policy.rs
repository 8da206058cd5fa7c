//! The device token policy: whether device tokens are accepted, for which domains, and whether unknown people are created.
//!
//! Owns the page, its form, and what is said before a change is saved. Must not know what else stops a token.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::domains::{DomainView, is_good};
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::page::PageRequest;
use latchkey_directory::policy::{NewPolicy, PolicyView, Tried};
use latchkey_directory::tokens::Standing;
use latchkey_directory::values::{DomainState, Scope};
use latchkey_wire::Code as Wire;

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const PAGE: &str = "/admin/policy";
const FORM: &str = "/admin/policy/change";
/// Domains that can be chosen on one page.
const MOST: u64 = 1000;

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::PolicyWrite);
    doors.page(Needs::Right(Scope::PolicyRead), PAGE, show).page(needs, FORM, form).action(needs, FORM, change)
}

/// A device token, and in words what stops it.
struct Token {
    id: String,
    description: String,
    domains: String,
    obstacles: Vec<String>,
}

impl From<Standing> for Token {
    fn from(token: Standing) -> Self {
        let obstacles = token.obstacles.iter().map(|code| code.title().to_owned()).collect();
        Self { id: token.id, description: token.description, domains: token.domains.join(", "), obstacles }
    }
}

#[derive(Template)]
#[template(path = "identity/policy.html")]
struct PolicyPage {
    page: Page,
    policy: PolicyView,
    /// The domains it is for, with the state of each.
    domains: Vec<(String, DomainState)>,
    /// None of them could begin anything.
    none_is_good: bool,
    tokens: Option<Vec<Token>>,
    may_write: bool,
    cli: String,
    api: String,
}

async fn all_domains(app: &App, visit: &Visit) -> Result<Vec<DomainView>> {
    let request = PageRequest { limit: MOST, ..PageRequest::default() };
    let mut all = app.directory.domains(&visit.org, request).await?.items;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

async fn show(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let policy = app.directory.policy(&visit.org).await?;
    let all = all_domains(&app, &visit).await?;
    let is_meant = |domain: &&DomainView| {
        if policy.all_domains {
            domain.verification != DomainState::Pending
        } else {
            policy.domains.contains(&domain.name)
        }
    };
    let domains: Vec<_> =
        all.iter().filter(is_meant).map(|domain| (domain.name.clone(), domain.verification)).collect();
    let tokens = if visit.rights.may(Scope::TokensRead) {
        Some(app.directory.token_standing(&visit.org).await?.into_iter().map(Token::from).collect())
    } else {
        None
    };
    let (cli, api) = same(&visit, &policy);
    Ok(page::show(&PolicyPage {
        page: visit.page("policy.title"),
        none_is_good: !domains.iter().any(|(_, state)| is_good(*state)),
        domains,
        tokens,
        may_write: visit.rights.may(Scope::PolicyWrite),
        policy,
        cli,
        api,
    }))
}

/// A policy as command and call.
fn same(visit: &Visit, policy: &PolicyView) -> (String, String) {
    let mut cli = "latchkey policy set".to_owned();
    cli.push_str(if policy.enabled { " --enabled" } else { " --no-enabled" });
    if policy.all_domains {
        cli.push_str(" --all-domains");
    } else {
        cli.push_str(" --no-all-domains");
        for domain in &policy.domains {
            cli.push_str(" --domain ");
            cli.push_str(domain);
        }
    }
    cli.push_str(if policy.jit { " --jit" } else { " --no-jit" });
    let body = serde_json::json!({
        "enabled": policy.enabled, "all_domains": policy.all_domains, "domains": policy.domains, "jit": policy.jit,
    });
    (cli, format!("PUT /api/v1{}/device-token-policy\nIf-Match: \"{}\"\n{body}", visit.at(""), version(policy)))
}

/// What the form says, or the policy as it is.
struct Chosen {
    enabled: bool,
    all_domains: bool,
    domains: Vec<String>,
    jit: bool,
    version: String,
}

impl Chosen {
    fn of(fields: &Fields) -> Self {
        Self {
            enabled: fields.is_on("enabled"),
            all_domains: fields.text("scope") == Some("all"),
            domains: fields.many("domains"),
            jit: fields.is_on("jit"),
            version: fields.text("version").unwrap_or_default().to_owned(),
        }
    }

    fn policy(&self) -> NewPolicy {
        NewPolicy {
            enabled: Some(self.enabled),
            all_domains: Some(self.all_domains),
            domains: Some(self.domains.clone()),
            jit: Some(self.jit),
        }
    }

    /// On the version that the person saw only.
    fn intent(&self, visit: &Visit) -> Intent {
        Intent { condition: Condition::OneOf(vec![self.version.clone()]), ..visit.intent() }
    }
}

impl From<&PolicyView> for Chosen {
    fn from(policy: &PolicyView) -> Self {
        Self {
            enabled: policy.enabled,
            all_domains: policy.all_domains,
            domains: policy.domains.clone(),
            jit: policy.jit,
            version: version(policy),
        }
    }
}

/// A domain in the form.
struct Choice {
    name: String,
    state: DomainState,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "identity/policy_change.html")]
struct FormPage {
    page: Page,
    chosen: Chosen,
    domains: Vec<Choice>,
    cli: String,
    api: String,
}

async fn form(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let chosen = Chosen::from(&app.directory.policy(&visit.org).await?);
    show_form(&app, &visit, visit.page("policy.change"), chosen).await
}

async fn show_form(app: &App, visit: &Visit, page: Page, chosen: Chosen) -> Result<Response> {
    let all = all_domains(app, visit).await?;
    let only = all.len() == 1;
    let domains = all.into_iter().map(|domain| Choice {
        chosen: chosen.domains.contains(&domain.name) || (only && !chosen.enabled && page.failed.is_none()),
        state: domain.verification,
        name: domain.name,
    });
    let domains: Vec<Choice> = domains.collect();
    let policy = app.directory.policy(&visit.org).await?;
    let (cli, api) = same(visit, &policy);
    let status = page.status();
    Ok(page::show_as(status, &FormPage { page, chosen, domains, cli, api }))
}

#[derive(Template)]
#[template(path = "identity/policy_review.html")]
struct ReviewPage {
    page: Page,
    chosen: Chosen,
    was: PolicyView,
    /// Tokens that begin to be accepted.
    opened: Vec<Token>,
    /// Tokens that stop being accepted.
    closed: Vec<Token>,
    /// Tokens that are not accepted with it either, with what still stops them.
    shut: Vec<Token>,
    /// How many stay accepted.
    stay: u64,
    /// Whether descriptions may be seen.
    names: bool,
    cli: String,
    api: String,
}

async fn change(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let chosen = Chosen::of(&fields);
    let outcome =
        if fields.is_on("save") { save(&app, &visit, &chosen).await } else { review(&app, &visit, &chosen).await };
    match outcome {
        Ok(response) => Ok(response),
        Err(problem) => {
            let page = visit.page("policy.change").refused(problem)?;
            // Whoever reads what is wrong sees the newest version beside.
            let now = version(&app.directory.policy(&visit.org).await?);
            show_form(&app, &visit, page, Chosen { version: now, ..chosen }).await
        }
    }
}

async fn save(app: &App, visit: &Visit, chosen: &Chosen) -> Result<Response> {
    app.directory.set_policy(&chosen.intent(visit), &visit.org, chosen.policy()).await?;
    Ok(visit.go_saying(PAGE, "policy-saved"))
}

async fn review(app: &App, visit: &Visit, chosen: &Chosen) -> Result<Response> {
    if chosen.enabled && !chosen.all_domains && chosen.domains.is_empty() {
        let detail = "choose at least one domain, or all verified domains";
        return Err(Problem::of(Wire::Api010).detail(detail).field("/domains", Wire::Api010, detail));
    }
    let was = app.directory.policy(&visit.org).await?;
    let Tried { policy, before, after } =
        app.directory.try_policy(&chosen.intent(visit), &visit.org, chosen.policy()).await?;
    let (mut opened, mut closed, mut shut, mut stay) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (before, after) in before.into_iter().zip(after) {
        match (before.obstacles.is_empty(), after.obstacles.is_empty()) {
            (false, true) => opened.push(Token::from(after)),
            (true, false) => closed.push(Token::from(after)),
            (false, false) => shut.push(Token::from(after)),
            (true, true) => stay += 1,
        }
    }
    // The command and the call as they would be given now: on the version that was there.
    let (cli, _) = same(visit, &policy);
    let api = same(visit, &policy).1.replace(&version(&policy), &version(&was));
    Ok(page::show(&ReviewPage {
        page: visit.page("policy.review.title"),
        chosen: Chosen { version: chosen.version.clone(), ..Chosen::from(&policy) },
        was,
        opened,
        closed,
        shut,
        stay,
        names: visit.rights.may(Scope::TokensRead),
        cli,
        api,
    }))
}
