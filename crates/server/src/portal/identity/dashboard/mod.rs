//! The dashboard: what happened lately, and what has to be done soon.
//!
//! Owns what is shown there. Must not know how events are counted; what the visitor may not see is not asked for.

mod chart;

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_directory::page::PageRequest;
use latchkey_directory::statistics::{MOST_DAYS, StatisticsView};
use latchkey_directory::tokens::TokenView;
use latchkey_directory::users::UserFilter;
use latchkey_directory::values::{KeyState, KeyUse, Scope, TokenState};
use latchkey_saml::keys::Certificate;

use self::chart::{Chart, Series};
use super::super::counts::{self, Number};
use super::super::doors::{Doors, Needs};
use super::super::fields::Asked;
use super::super::page::{self, Page};
use super::super::text;
use super::super::visit::Visit;
use crate::app::App;
use crate::code::Code;
use crate::problem::Result;
use crate::saml::jiff_time;

/// The times that can be asked for, days.
const PERIODS: [u64; 4] = [1, 7, 30, MOST_DAYS];

/// A token that ends within so many days is named.
const SOON: std::time::Duration = std::time::Duration::from_secs(14 * 86_400);
/// A certificate that ends within so many days is named.
const CERTIFICATE_SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);
/// So many tokens and reasons are named.
const MOST_NAMED: usize = 10;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::AuditRead), "/admin", dashboard)
}

/// A reason of refusals.
struct Reason {
    code: String,
    title: String,
    fix: String,
    count: u64,
}

/// A key that has to be rolled, or is being rolled.
struct RollingKey {
    usage: KeyUse,
    algorithm: String,
    words: String,
}

#[derive(Template)]
#[template(path = "identity/dashboard.html")]
struct Dashboard {
    page: Page,
    days: u64,
    signins: Chart,
    growth: Chart,
    numbers: Vec<Number>,
    reasons: Vec<Reason>,
    tokens: Option<Vec<TokenView>>,
    keys: Option<Vec<RollingKey>>,
    counted_until: Option<Timestamp>,
    cli: String,
    api: String,
}

impl Dashboard {
    fn periods() -> impl Iterator<Item = u64> {
        PERIODS.into_iter()
    }
}

async fn dashboard(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let days = asked.parsed::<u64>("days").ok().flatten().filter(|days| PERIODS.contains(days)).unwrap_or(7);
    let statistics = app.directory.statistics(&visit.org, days).await?;
    let reasons = statistics.refused.iter().take(MOST_NAMED).map(|one| {
        let known = one.code.parse::<Code>().ok();
        Reason {
            title: known.map(|code| code.title().to_owned()).unwrap_or_default(),
            fix: known.map(|code| code.fix().to_owned()).unwrap_or_default(),
            code: one.code.clone(),
            count: one.count,
        }
    });
    Ok(page::show(&Dashboard {
        page: visit.page("dashboard.title"),
        days,
        reasons: reasons.collect(),
        numbers: numbers(&app, &visit).await?,
        tokens: ending_tokens(&app, &visit).await?,
        keys: rolling_keys(&app, &visit).await?,
        signins: signins(&statistics),
        growth: growth(&statistics),
        counted_until: statistics.counted_until,
        cli: "latchkey audit list --since 7d --action signin.saml".to_owned(),
        api: format!("GET /api/v1{}/statistics?days={days}", visit.at("")),
    }))
}

fn days(statistics: &StatisticsView) -> Vec<String> {
    statistics.days.iter().map(|day| day.day.clone()).collect()
}

fn signins(statistics: &StatisticsView) -> Chart {
    Chart::of(
        &days(statistics),
        &[
            Series::new("dashboard.silent", statistics.days.iter().map(|day| day.silent)),
            Series::new("dashboard.interactive", statistics.days.iter().map(|day| day.interactive)),
            Series::new("dashboard.refused", statistics.days.iter().map(|day| day.refused)),
        ],
    )
}

fn growth(statistics: &StatisticsView) -> Chart {
    Chart::of(
        &days(statistics),
        &[
            Series::new("dashboard.devices_added", statistics.days.iter().map(|day| day.devices)),
            Series::new("dashboard.users_added", statistics.days.iter().map(|day| day.users)),
        ],
    )
}

/// How many there are.
async fn numbers(app: &Arc<App>, visit: &Visit) -> Result<Vec<Number>> {
    let mut numbers = Vec::new();
    if visit.rights.may(Scope::DevicesRead) {
        numbers.extend(counts::devices(app, visit).await?);
    }
    if visit.rights.may(Scope::UsersRead) {
        let found = app.directory.users(&visit.org, UserFilter::default(), counts::counted()).await?;
        numbers.push(Number::of("dashboard.users", found.count, "/admin/users"));
    }
    Ok(numbers)
}

/// The tokens that end soon. There are never more than an organization may have.
async fn ending_tokens(app: &Arc<App>, visit: &Visit) -> Result<Option<Vec<TokenView>>> {
    if !visit.rights.may(Scope::TokensRead) {
        return Ok(None);
    }
    let request = PageRequest { limit: 1_000, ..PageRequest::default() };
    let mut tokens = app.directory.tokens(&visit.org, vec![TokenState::Active], request).await?.items;
    let end = app.directory.now().plus(SOON);
    tokens.retain(|token| token.expires_at < end);
    tokens.sort_by_key(|token| token.expires_at);
    tokens.truncate(MOST_NAMED);
    Ok(Some(tokens))
}

/// Keys on their way in or out, and those whose certificate ends soon.
async fn rolling_keys(app: &Arc<App>, visit: &Visit) -> Result<Option<Vec<RollingKey>>> {
    if !visit.rights.may(Scope::KeysRead) {
        return Ok(None);
    }
    let now = jiff_time(app.directory.now());
    let rows = app.directory.published_keys(&visit.org).await?;
    let words = |key: &latchkey_directory::records::Key| match key.state {
        KeyState::Upcoming => Some(text::t("dashboard.key_upcoming").into_owned()),
        KeyState::Retiring => Some(text::t("dashboard.key_retiring").into_owned()),
        KeyState::Active if matches!(key.usage, KeyUse::Assertion | KeyUse::Metadata) => {
            let until = Certificate::from_der(&key.public.0).ok()?.not_after()?;
            let day: String = until.to_string().chars().take(10).collect();
            (until.duration_since(now) < CERTIFICATE_SOON).then(|| text::tt("dashboard.key_ends", &[&day]))
        }
        KeyState::Active | KeyState::Retired => None,
    };
    let rolling = rows.iter().filter_map(|key| {
        words(key).map(|words| RollingKey { usage: key.usage, algorithm: key.algorithm.clone(), words })
    });
    Ok(Some(rolling.collect()))
}
