//! Devices: the list with its filters, and what is done with one or with many.
//!
//! Owns the filters as a form has them, and what somebody with a restricted view does not see. Must not know which state allows which action.

mod act;
mod bulk;
mod list;
mod one;

use std::time::Duration;

use latchkey_directory::Timestamp;

use latchkey_directory::device::view::{BindingView, DeviceFilter, DeviceView};
use latchkey_directory::values::Module;

use super::super::doors::Doors;
use super::super::fields::Fields;
use super::super::page::MASK;
use super::super::visit::Visit;

/// Where the list is.
const LIST: &str = "/connector/devices";

pub(super) fn doors(doors: Doors) -> Doors {
    act::doors(bulk::doors(one::doors(list::doors(doors))))
}

/// How many days of silence can be asked for.
const SILENT: [&str; 6] = ["1", "7", "30", "60", "90", "180"];

/// The names of the filter's fields in a form, in the order in which they are kept from page to page.
const FIELDS: [&str; 9] = ["q", "state", "platform", "level", "silent", "user", "token", "serial", "group"];

/// Reads the filter. Somebody who may not see names cannot search for them either.
pub(super) fn filter(visit: &Visit, fields: &Fields, now: Timestamp) -> DeviceFilter {
    let many = |name: &str| fields.many(name);
    let hidden = is_masked(visit);
    let names = |name: &str| if hidden { Vec::new() } else { many(name) };
    let days = fields.text("silent").filter(|days| SILENT.contains(days)).and_then(|days| days.parse::<u64>().ok());
    DeviceFilter {
        state: many("state").iter().filter_map(|text| text.parse().ok()).collect(),
        user: names("user"),
        token: many("token"),
        platform: many("platform").iter().filter_map(|text| text.parse().ok()).collect(),
        serial: names("serial"),
        level: many("level").iter().filter_map(|text| text.parse().ok()).collect(),
        group: many("group"),
        last_seen_before: days.map(|days| now.minus(Duration::from_secs(days * 86_400))),
        first_seen_since: None,
        q: fields.text("q").filter(|_| !hidden).map(str::to_owned),
    }
}

/// The filter's fields as they were asked for: to be sent along.
pub(super) fn asked_for(fields: &Fields) -> Vec<(String, String)> {
    let of = |name: &&'static str| fields.many(name).into_iter().map(|value| ((*name).to_owned(), value));
    FIELDS.iter().flat_map(of).collect()
}

/// The same as a query.
pub(super) fn query(fields: &[(String, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    query.finish()
}

fn is_masked(visit: &Visit) -> bool {
    visit.rights.is_masked(Module::Devices)
}

/// A device as this visitor may see it.
pub(super) fn seen_by(visit: &Visit, device: DeviceView) -> DeviceView {
    if is_masked(visit) { masked(device) } else { device }
}

/// A device without the names in it.
fn masked(mut device: DeviceView) -> DeviceView {
    device.users.iter_mut().for_each(|name| MASK.clone_into(name));
    let names = [
        &mut device.host,
        &mut device.serial,
        &mut device.smbios_uuid,
        &mut device.external_device_id,
        &mut device.address,
    ];
    for name in names.into_iter().flatten() {
        MASK.clone_into(name);
    }
    device
}

/// A binding as this visitor may see it.
fn binding_seen_by(visit: &Visit, mut binding: BindingView) -> BindingView {
    if is_masked(visit) {
        MASK.clone_into(&mut binding.login_name);
        MASK.clone_into(&mut binding.os_account);
    }
    binding
}

/// What people call a device.
pub(super) fn name_of(device: &DeviceView) -> &str {
    match device.host.as_deref() {
        Some(host) if host != MASK => host,
        _ => &device.id,
    }
}

/// The filter as the API takes it, without what is not asked for.
pub(super) fn said(filter: &DeviceFilter) -> serde_json::Value {
    let mut value = serde_json::to_value(filter).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    }
    value
}
