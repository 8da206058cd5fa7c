//! Reading a service's metadata anew, and approving what changed.
//!
//! Owns the comparison of what counts now with what waits. Must not know how metadata is fetched.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::services::ServiceSettings;
use latchkey_directory::values::Scope;
use latchkey_saml::metadata::ServiceMetadata;

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Fields;
use super::super::super::page::{self, Page};
use super::super::super::text;
use super::super::super::visit::Visit;
use super::place;
use crate::app::App;
use crate::net::fetch::Reach;
use crate::problem::Result;
use crate::saml::jiff_time;
use crate::saml::known::http_policy;
use crate::services::{self, FoundMetadata};

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Right(Scope::ServicesWrite);
    doors.page(write, "/admin/services/{id}/refresh", look).action(write, "/admin/services/{id}/refresh", refresh)
}

/// A fact before and after.
struct Change {
    what: String,
    before: Vec<String>,
    after: Vec<String>,
    differs: bool,
}

#[derive(Template)]
#[template(path = "identity/service_refresh.html")]
struct RefreshPage {
    page: Page,
    id: String,
    name: String,
    url: Option<String>,
    /// The hash of what waits, which the approval names.
    pending: Option<String>,
    changes: Vec<Change>,
    /// Why what waits cannot be read any more.
    unreadable: Option<String>,
    cli: String,
    api: String,
}

async fn look(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    show(&app, &visit, visit.page("services.refresh.title"), &id).await
}

async fn show(app: &Arc<App>, visit: &Visit, page: Page, id: &str) -> Result<Response> {
    let view = app.directory.service(&visit.org, id).await?;
    let record = app.directory.service_record(&visit.org, &view.id).await?;
    let http = http_policy(ServiceSettings::of(&record)?.allow_http);
    let now = jiff_time(app.directory.now());
    let read = |bytes: &[u8]| ServiceMetadata::parse(bytes, now, http).map(|metadata| FoundMetadata::of(&metadata));
    let mut changes = Vec::new();
    let mut unreadable = None;
    if let Some(waits) = &record.metadata_pending {
        match read(&waits.0) {
            // What counted may be past its end: then there is nothing to compare with.
            Ok(after) => changes = compare(read(&record.metadata.0).ok().as_ref(), &after),
            Err(why) => unreadable = Some(why.to_string()),
        }
    }
    let status = page.status();
    let hash = view.metadata_pending_sha256.clone();
    Ok(page::show_as(
        status,
        &RefreshPage {
            page,
            cli: format!("latchkey service refresh {}", view.name),
            api: format!(
                "POST /api/v1{}/services/{}/refresh\n{{\"approve\":\"{}\"}}",
                visit.at(""),
                view.name,
                hash.as_deref().unwrap_or("SHA-256")
            ),
            id: view.id,
            name: view.name,
            url: view.metadata_url,
            pending: hash,
            changes,
            unreadable,
        },
    ))
}

fn compare(before: Option<&FoundMetadata>, after: &FoundMetadata) -> Vec<Change> {
    let list = |pick: fn(&FoundMetadata) -> Vec<String>, key: &str| {
        let (old, new) = (before.map(pick).unwrap_or_default(), pick(after));
        let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
        Change { what: text::t(key).into_owned(), differs: set(&old) != set(&new), before: old, after: new }
    };
    vec![
        list(|found| vec![found.entity_id.clone()], "services.entity_id"),
        list(|found| found.acs.clone(), "services.acs"),
        list(|found| found.signing_keys.clone(), "services.certificates"),
    ]
}

async fn refresh(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let done = services::refresh(&app, Reach::Public, &visit.intent(), &visit.org, &id, fields.text("approve")).await;
    match done {
        Ok(answer) => Ok(match answer.refresh {
            "pending" => visit.go(&format!("{}/refresh", place(&answer.service.id))),
            "applied" => visit.go_saying(&place(&answer.service.id), "service-saved"),
            _ => visit.go_saying(&place(&answer.service.id), "service-unchanged"),
        }),
        Err(problem) => {
            let page = visit.page("services.refresh.title").refused(problem)?;
            show(&app, &visit, page, &id).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_marked_and_order_is_no_difference() {
        let found = |acs: &[&str]| FoundMetadata {
            entity_id: "https://sp".to_owned(),
            acs: acs.iter().map(ToString::to_string).collect(),
            signing_keys: Vec::new(),
        };
        let differs = |before: &[&str], after: &[&str]| -> Vec<bool> {
            compare(Some(&found(before)), &found(after)).into_iter().map(|change| change.differs).collect()
        };
        assert_eq!(differs(&["a", "b"], &["b", "a"]), [false, false, false]);
        assert_eq!(differs(&["a"], &["c"]), [false, true, false]);
    }
}
