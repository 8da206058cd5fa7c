//! What is done with a token that shows no secret: stop it, let it go on, end it for ever.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_directory::tokens::TokenView;
use latchkey_directory::values::Scope;

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::{Asked, Fields};
use super::super::super::page::{self, Page};
use super::super::super::text;
use super::super::super::visit::Visit;
use super::super::confirm::Confirm;
use super::LIST;
use crate::app::App;
use crate::problem::{Problem, Result};

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Right(Scope::TokensWrite);
    let doors = doors.page(needs, "/connector/tokens/{id}/disable", ask_disable);
    let doors = doors.action(needs, "/connector/tokens/{id}/disable", disable);
    // To let devices in again is as grave as making a token.
    let again = Needs::Fresh(Scope::TokensWrite);
    let doors = doors.page(again, "/connector/tokens/{id}/enable", ask_enable);
    let doors = doors.action(again, "/connector/tokens/{id}/enable", enable);
    let doors = doors.page(needs, "/connector/tokens/{id}/revoke", ask_revoke);
    doors.action(needs, "/connector/tokens/{id}/revoke", revoke)
}

async fn ask_disable(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let token = app.directory.disable_token(&visit.trial(), &visit.org, &id).await?;
    let at = format!("{LIST}/{}", token.id);
    Ok(Confirm {
        page: visit.page_of(&text::tt("tokens.disable.ask", &[&token.description])),
        from: (at.clone(), token.description),
        lead: text::t("tokens.disable.means").into_owned(),
        touched: vec![(token.max_uses.saturating_sub(token.uses), text::t("tokens.disable.uses").into_owned())],
        warning: None,
        action: format!("{at}/disable"),
        fields: Vec::new(),
        button: text::t("tokens.disable.do").into_owned(),
        danger: false,
        back: at,
        cli: format!("latchkey token disable {} --yes", token.id),
        api: format!("POST /api/v1{}/device-tokens/{}/disable", visit.at(""), token.id),
    }
    .show())
}

async fn disable(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let token = app.directory.disable_token(&visit.intent(), &visit.org, &id).await?;
    Ok(visit.go_saying(&format!("{LIST}/{}", token.id), "token-disabled"))
}

async fn ask_enable(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let token = app.directory.enable_token(&visit.trial(), &visit.org, &id).await?;
    let at = format!("{LIST}/{}", token.id);
    Ok(Confirm {
        page: visit.page_of(&text::tt("tokens.enable.ask", &[&token.description])),
        from: (at.clone(), token.description),
        lead: text::t("tokens.enable.means").into_owned(),
        touched: vec![(token.max_uses.saturating_sub(token.uses), text::t("tokens.enable.uses").into_owned())],
        warning: None,
        action: format!("{at}/enable"),
        fields: Vec::new(),
        button: text::t("tokens.one.resume").into_owned(),
        danger: false,
        back: at,
        cli: format!("latchkey token enable {}", token.id),
        api: format!("POST /api/v1{}/device-tokens/{}/enable", visit.at(""), token.id),
    }
    .show())
}

async fn enable(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let token = app.directory.enable_token(&visit.intent(), &visit.org, &id).await?;
    Ok(visit.go_saying(&format!("{LIST}/{}", token.id), "token-enabled"))
}

/// How far back devices may go along with their token, by the hour; `all` is since it was made.
const SINCE: [&str; 6] = ["", "1", "24", "168", "720", "all"];

#[derive(Template)]
#[template(path = "connector/token_revoke.html")]
struct RevokePage {
    page: Page,
    token: TokenView,
    since: String,
    quarantined: u64,
    at: String,
    cli: String,
    api: String,
}

impl RevokePage {
    fn choices() -> impl Iterator<Item = &'static str> {
        SINCE.into_iter()
    }
}

/// Since when devices go along. The choice is sent along and computed anew: what enrolls meanwhile goes along too.
fn since(fields: &Fields, token: &TokenView, now: Timestamp) -> Result<(String, Option<Timestamp>)> {
    let chosen = fields.text("since").unwrap_or_default();
    if !SINCE.contains(&chosen) {
        return Err(Problem::not_found());
    }
    let at = match chosen {
        "" => None,
        "all" => Some(token.created_at),
        hours => hours.parse().ok().map(|hours: u64| now.minus(Duration::from_secs(hours * 3_600))),
    };
    Ok((chosen.to_owned(), at))
}

async fn ask_revoke(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response> {
    let token = app.directory.token(&visit.org, &id).await?;
    let (since, at) = since(&asked, &token, app.directory.now())?;
    let would = app.directory.revoke_token(&visit.trial(), &visit.org, &id, at).await?;
    let flag = at.map(|at| format!(" --quarantine-since {at}")).unwrap_or_default();
    let body = at.map_or_else(|| "{}".to_owned(), |at| serde_json::json!({"quarantine_since": at}).to_string());
    Ok(page::show(&RevokePage {
        page: visit.page_of(&text::tt("tokens.revoke.ask", &[&token.description])),
        at: format!("{LIST}/{}", token.id),
        since,
        quarantined: would.quarantined,
        cli: format!("latchkey token revoke {}{flag} --yes", token.id),
        api: format!("POST /api/v1{}/device-tokens/{}/revoke\n{body}", visit.at(""), token.id),
        token,
    }))
}

async fn revoke(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let token = app.directory.token(&visit.org, &id).await?;
    let (_, at) = since(&fields, &token, app.directory.now())?;
    app.directory.revoke_token(&visit.intent(), &visit.org, &id, at).await?;
    Ok(visit.go_saying(&format!("{LIST}/{id}"), "token-revoked"))
}
