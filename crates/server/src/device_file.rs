//! Devices as CSV, for whoever exports them: by API or from a page.
//!
//! Owns the columns. Must not know who asks: what somebody may not see is left out by the caller.

use std::sync::Arc;

use axum::response::Response;
use latchkey_directory::OrgId;
use latchkey_directory::device::view::{DeviceFilter, DeviceView};

use crate::app::App;
use crate::export::csv;
use crate::problem::Result;

/// Columns of CSV; those of a device with their names in the API.
const COLUMNS: [&str; 18] = [
    "id",
    "state",
    "reason",
    "state_at",
    "users",
    "level",
    "domain",
    "platform",
    "os",
    "host",
    "serial",
    "smbios_uuid",
    "external_device_id",
    "ownership",
    "agent",
    "protection",
    "first_seen_at",
    "last_seen_at",
];

fn line(device: &DeviceView) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![
        device.id.clone(),
        device.state.to_string(),
        text(&device.reason),
        device.state_at.to_string(),
        device.users.join(";"),
        device.level.map(|level| level.number().to_string()).unwrap_or_default(),
        device.domain.clone(),
        device.platform.to_string(),
        text(&device.os),
        text(&device.host),
        text(&device.serial),
        text(&device.smbios_uuid),
        text(&device.external_device_id),
        text(&device.ownership),
        device.agent.clone(),
        device.protection.to_string(),
        device.first_seen_at.to_string(),
        device.last_seen_at.to_string(),
    ]
}

/// A file with the devices that a filter finds, each as it is to be shown.
pub async fn write(
    app: &Arc<App>,
    org: &OrgId,
    filter: DeviceFilter,
    shown: fn(DeviceView) -> DeviceView,
) -> Result<Response> {
    let (app, org) = (Arc::clone(app), org.clone());
    let page = move |request| {
        let (app, org, filter) = (Arc::clone(&app), org.clone(), filter.clone());
        async move {
            let mut page = app.directory.devices(&org, filter, request).await?;
            page.items = page.items.into_iter().map(shown).collect();
            Ok(page)
        }
    };
    csv("devices.csv", &COLUMNS, page, line).await
}
