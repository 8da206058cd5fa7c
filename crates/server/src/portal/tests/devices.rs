//! The pages of devices.

use latchkey_directory::access::NewRole;
use latchkey_wire::DeviceState;
use serde_json::json;

use super::fleet::Machine;
use super::people::Person;
use crate::api::tests::world::World;

const LIST: &str = "/o/acme/connector/devices";

async fn machine(world: &World, org: &Person, id: &str, host: &str, state: DeviceState) -> String {
    Machine { id, host, user: "anna", state, token: None }.put(world, &org.org).await
}

#[tokio::test]
async fn an_empty_list_teaches_where_devices_come_from() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let page = admin.get(&world, LIST).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("No device yet") && page.text.contains("/connector/deploy"), "{}", page.text);
}

#[tokio::test]
async fn the_list_shows_what_the_filter_finds_and_keeps_markup_inert() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    machine(&world, &admin, "d1", "<script>alert(1)</script>", DeviceState::Registered).await;
    machine(&world, &admin, "d2", "berlin-2", DeviceState::Pending).await;
    let all = admin.get(&world, LIST).await.text;
    assert!(all.contains("berlin-2") && all.contains("SN-d1") && all.contains("anna@acme.example"));
    assert!(!all.contains("<script>alert") && all.contains("alert(1)"), "stored markup is text");
    let waiting = admin.get(&world, &format!("{LIST}?state=pending&platform=linux")).await.text;
    assert!(waiting.contains("berlin-2") && !waiting.contains("SN-d1"));
    let nothing = admin.get(&world, &format!("{LIST}?silent=30")).await.text;
    assert!(nothing.contains("No device fits"), "{nothing}");
    assert!(nothing.contains("latchkey device list --last-seen-before 30d"), "the command says the same");
}

#[tokio::test]
async fn the_export_has_what_the_filter_finds_as_a_file() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    machine(&world, &admin, "d1", "=cmd()", DeviceState::Registered).await;
    machine(&world, &admin, "d2", "berlin-2", DeviceState::Pending).await;
    let file = admin.get(&world, &format!("{LIST}/export?state=registered")).await;
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"devices.csv\"");
    assert!(file.text.contains(",'=cmd(),SN-d1,") && !file.text.contains("berlin-2"), "{}", file.text);
}

#[tokio::test]
async fn a_device_says_why_it_waits_and_an_approval_lets_it_and_its_person_in() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let binding = machine(&world, &admin, "d1", "berlin-1", DeviceState::Pending).await;
    let page = admin.get(&world, &format!("{LIST}/d1")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for text in ["every device waits for approval", "In hardware, says the connector", "192.0.2.7", "LK-ENROLL-032"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let ask = admin.get(&world, &format!("{LIST}/d1/approve")).await;
    assert!(ask.status == 200 && ask.text.contains("Approve berlin-1?"), "{}", ask.text);
    assert_eq!(world.get("/api/v1/o/acme/devices/d1").await.good()["state"], "pending", "asking changes nothing");
    let done = admin.post(&world, &format!("{LIST}/d1/approve"), &[]).await;
    assert_eq!(done.headers["location"], "/o/acme/connector/devices/d1?said=device-approve");
    assert_eq!(world.get("/api/v1/o/acme/devices/d1").await.good()["state"], "registered");

    let bound = format!("/o/acme/connector/bindings/{binding}/approve");
    assert!(admin.get(&world, &bound).await.text.contains("anna@acme.example"));
    admin.post(&world, &bound, &[]).await;
    assert_eq!(world.get(&format!("/api/v1/o/acme/bindings/{binding}")).await.good()["state"], "active");
    let page = admin.get(&world, &format!("{LIST}/d1")).await.text;
    assert!(page.contains("device.approve") && page.contains("olga@acme.example"), "its history says who: {page}");
}

#[tokio::test]
async fn what_the_state_does_not_allow_is_refused_with_what_helps() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    machine(&world, &admin, "d1", "berlin-1", DeviceState::Registered).await;
    let refused = admin.get(&world, &format!("{LIST}/d1/resume")).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("does not allow to resume it"), "{}", refused.text);
    assert_eq!(admin.get(&world, &format!("{LIST}/d1/explode")).await.status, 404);
}

#[tokio::test]
async fn a_removal_is_soft_or_at_once_as_the_page_said() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("help-desk")).await;
    machine(&world, &admin, "d1", "berlin-1", DeviceState::Registered).await;
    admin.post(&world, &format!("{LIST}/d1/remove"), &[]).await;
    assert_eq!(world.get("/api/v1/o/acme/devices/d1").await.good()["state"], "removal_pending");
    let ask = admin.get(&world, &format!("{LIST}/d1/remove?force=1")).await.text;
    assert!(ask.contains("Remove berlin-1 now?") && ask.contains("--force --yes"), "{ask}");
    admin.post(&world, &format!("{LIST}/d1/remove"), &[("force", "1")]).await;
    assert_eq!(world.get("/api/v1/o/acme/devices/d1").await.good()["state"], "removed");
}

#[tokio::test]
async fn many_are_changed_by_filter_after_a_preview_that_counts() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    for (id, state) in [("d1", DeviceState::Pending), ("d2", DeviceState::Pending), ("d3", DeviceState::Registered)] {
        machine(&world, &admin, id, &format!("host-{id}"), state).await;
    }
    let bulk = format!("{LIST}/bulk");
    let would = admin.get(&world, &format!("{bulk}?platform=linux&action=approve")).await.text;
    assert!(would.contains("Do it to 2 devices") && would.contains("host-d1"), "{would}");
    assert_eq!(world.get("/api/v1/o/acme/devices/d1").await.good()["state"], "pending", "a preview changes nothing");
    let done = admin.post(&world, &bulk, &[("platform", "linux"), ("action", "approve")]).await;
    assert_eq!(done.status, 200, "{}", done.text);
    for id in ["d1", "d2"] {
        assert_eq!(world.get(&format!("/api/v1/o/acme/devices/{id}")).await.good()["state"], "registered");
    }
    let everything = admin.post(&world, &bulk, &[("action", "remove_now")]).await;
    assert_eq!(everything.status, 422, "no filter is not every device");
    assert_eq!(world.get("/api/v1/o/acme/devices/d3").await.good()["state"], "registered");
}

#[tokio::test]
async fn a_restricted_view_has_no_names_and_cannot_search_for_them() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("owner")).await;
    machine(&world, &admin, "d1", "berlin-1", DeviceState::Registered).await;
    let role: NewRole = serde_json::from_value(json!({"name": "glance", "rights": {"devices": "restricted"}})).unwrap();
    let intent = latchkey_directory::Intent {
        may_give: latchkey_directory::access::MayGive::Everything,
        ..latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system())
    };
    world.app.directory.create_role(&intent, &admin.org, role).await.unwrap();
    let guest = Person::with_role(&world, "gina", Some("glance")).await;
    for path in [
        LIST.to_owned(),
        format!("{LIST}/d1"),
        format!("{LIST}/export"),
        format!("{LIST}?q=nothing-like-it&serial=x&user=y"),
    ] {
        let page = guest.get(&world, &path).await;
        assert_eq!(page.status, 200, "{path}");
        for name in ["berlin-1", "SN-d1", "anna@acme.example", "192.0.2.7"] {
            assert!(!page.text.contains(name), "{name} on {path}");
        }
        assert!(page.text.contains("•••"), "{path}: what is searched for is not looked at");
    }
    assert!(
        !guest.get(&world, &format!("{LIST}/d1")).await.text.contains("/d1/suspend"),
        "no button without the right"
    );
}
