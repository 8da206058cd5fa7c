//! The organization's settings: its name, and its limits in units that people use.
//!
//! Owns the page and the units. Must not know what a limit does.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::orgs::{OrganizationPatch, OrganizationView};
use latchkey_directory::values::Scope;
use latchkey_wire::Code as Wire;

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::text::{t, tt};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const HERE: &str = "/admin/settings";
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::OrganizationRead), HERE, show).action(
        Needs::Right(Scope::OrganizationWrite),
        HERE,
        change,
    )
}

/// The values as they stand in the form.
#[derive(Clone, PartialEq, Eq)]
struct Typed {
    name: String,
    certificate: String,
    devices: String,
    asleep: String,
    tokens: String,
    retire: String,
}

/// Seconds in a larger unit, with as many decimals as it takes.
fn in_unit(seconds: u64, unit: f64) -> String {
    #[allow(clippy::cast_precision_loss)] // ten years of seconds are far below 2^52
    let value = seconds as f64 / unit;
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The other way round.
fn in_seconds(text: &str, unit: f64) -> Option<u64> {
    let value: f64 = text.replace(',', ".").parse().ok()?;
    let seconds = (value * unit).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to fit
    (0.0..=1e12).contains(&seconds).then_some(seconds as u64)
}

impl From<&OrganizationView> for Typed {
    fn from(organization: &OrganizationView) -> Self {
        Self {
            name: organization.name.clone(),
            certificate: in_unit(organization.certificate_lifetime_s, HOUR),
            devices: organization.devices_per_user.to_string(),
            asleep: in_unit(organization.asleep_limit_s, DAY),
            tokens: organization.max_tokens.to_string(),
            retire: in_unit(organization.retire_after_s, DAY),
        }
    }
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            certificate: text("certificate_lifetime_s"),
            devices: text("devices_per_user"),
            asleep: text("asleep_limit_s"),
            tokens: text("max_tokens"),
            retire: text("retire_after_s"),
        }
    }

    /// What differs from what is there. A value that was not touched stays to the second.
    fn patch(&self, now: &Self) -> Result<OrganizationPatch> {
        let mut wrong: Vec<(&'static str, &'static str)> = Vec::new();
        let mut number = |name: &'static str, new: &str, old: &str, unit: f64, complaint: &'static str| {
            if new == old {
                return None;
            }
            let seconds = in_seconds(new, unit);
            if seconds.is_none() {
                wrong.push((name, complaint));
            }
            seconds
        };
        let hours = "a number of hours from 1 to 168";
        let patch = OrganizationPatch {
            name: (self.name != now.name).then(|| self.name.clone()),
            certificate_lifetime_s: number("certificate_lifetime_s", &self.certificate, &now.certificate, HOUR, hours),
            devices_per_user: number(
                "devices_per_user",
                &self.devices,
                &now.devices,
                1.0,
                "a whole number from 1 to 1,000",
            ),
            asleep_limit_s: number("asleep_limit_s", &self.asleep, &now.asleep, DAY, "a number of days up to 180"),
            max_tokens: number("max_tokens", &self.tokens, &now.tokens, 1.0, "a whole number from 1 to 10,000"),
            retire_after_s: number(
                "retire_after_s",
                &self.retire,
                &now.retire,
                DAY,
                "a number of days from 1 to 3,650",
            ),
        };
        if wrong.is_empty() {
            return Ok(patch);
        }
        let problem = Problem::of(Wire::Api010).detail("the form has values that cannot be read");
        Err(wrong
            .into_iter()
            .fold(problem, |problem, (name, detail)| problem.field(format!("/{name}"), Wire::Api010, detail)))
    }
}

#[derive(Template)]
#[template(path = "identity/settings.html")]
struct SettingsPage {
    page: Page,
    organization: OrganizationView,
    typed: Typed,
    version: String,
    may_write: bool,
    mail: String,
    cli: String,
    api: String,
}

async fn show(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let organization = app.directory.organization(visit.org.as_str()).await?;
    let typed = Typed::from(&organization);
    let mail = mail(&app, &visit).await?;
    Ok(show_form(&visit, visit.page("settings.title"), organization, typed, mail))
}

/// How mail stands, in a line.
async fn mail(app: &App, visit: &Visit) -> Result<String> {
    let Some(mailer) = &app.mail else { return Ok(t("settings.mail_none").into_owned()) };
    let state = app.directory.mail_state(Some(&visit.org)).await?;
    let from = mailer.settings().from.to_string();
    Ok(match (state.waiting, state.last_error) {
        (0, _) => tt("settings.mail_good", &[&from]),
        (waiting, None) => tt("settings.mail_waiting", &[&from, &waiting.to_string()]),
        (waiting, Some(why)) => tt("settings.mail_stuck", &[&from, &waiting.to_string(), &why]),
    })
}

fn show_form(visit: &Visit, page: Page, organization: OrganizationView, typed: Typed, mail: String) -> Response {
    let one = SettingsPage {
        page,
        typed,
        version: version(&organization),
        may_write: visit.rights.may(Scope::OrganizationWrite),
        mail,
        cli: format!(
            "latchkey org set {} --name \"Acme Ltd\" --certificate-lifetime 3d --devices-per-user 4",
            organization.slug
        ),
        api: format!("PATCH /api/v1{}\n{{\"certificate_lifetime_s\":259200,\"devices_per_user\":4}}", visit.at("")),
        organization,
    };
    page::show_as(one.page.status(), &one)
}

async fn change(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let organization = app.directory.organization(visit.org.as_str()).await?;
    let typed = Typed::of(&fields);
    match save(&app, &visit, &typed, &organization, fields.text("version").unwrap_or_default()).await {
        Ok(()) => Ok(visit.go_saying(HERE, "settings-saved")),
        Err(problem) => {
            let page = visit.page("settings.title").refused(problem)?;
            let mail = mail(&app, &visit).await?;
            Ok(show_form(&visit, page, organization, typed, mail))
        }
    }
}

async fn save(app: &App, visit: &Visit, typed: &Typed, now: &OrganizationView, seen: &str) -> Result<()> {
    let patch = typed.patch(&Typed::from(now))?;
    let intent = Intent { condition: Condition::OneOf(vec![seen.to_owned()]), ..visit.intent() };
    app.directory.change_organization(&intent, &visit.org, patch).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_people_and_lose_nothing() {
        for (seconds, unit, text) in
            [(604_800, HOUR, "168"), (5_400, HOUR, "1.5"), (0, DAY, "0"), (2_592_000, DAY, "30")]
        {
            assert_eq!(in_unit(seconds, unit), text);
            assert_eq!(in_seconds(text, unit), Some(seconds));
        }
        assert_eq!(in_seconds("1,5", HOUR), Some(5_400));
        for bad in ["", "x", "-1", "1e30", "NaN"] {
            assert_eq!(in_seconds(bad, HOUR), None, "{bad}");
        }
    }
}
