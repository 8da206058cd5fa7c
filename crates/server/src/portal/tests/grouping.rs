//! The pages of device groups and clean-up rules.

use latchkey_wire::DeviceState;
use serde_json::json;

use super::fleet::Machine;
use super::people::Person;
use crate::api::tests::world::World;

const GROUPS: &str = "/o/acme/connector/device-groups";
const RULES: &str = "/o/acme/connector/cleanup-rules";

async fn fleet() -> (World, Person) {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    for (id, host, state) in [("d1", "kiosk-<1>", DeviceState::Registered), ("d2", "berlin-2", DeviceState::Registered)]
    {
        Machine { id, host, user: "anna", state, token: None }.put(&world, &admin.org).await;
    }
    (world, admin)
}

fn to(answer: &crate::api::tests::world::Answer) -> String {
    assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
    answer.headers["location"].to_str().unwrap().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_group_is_made_filled_by_a_filter_used_as_a_filter_and_deleted() {
    let (world, admin) = fleet().await;
    assert!(admin.get(&world, GROUPS).await.text.contains("No device group yet"));
    let wrong = [("name", "Kiosks <b>"), ("description", "Shop floor"), ("users_per_device", "many")];
    let back = admin.post(&world, &format!("{GROUPS}/new"), &wrong).await;
    assert!(back.status == 422 && back.text.contains("value=\"many\""), "{}", back.text);
    let good = [("name", "Kiosks <b>"), ("description", "Shop floor"), ("users_per_device", "10")];
    let group = to(&admin.post(&world, &format!("{GROUPS}/new"), &good).await);
    let id = group.rsplit('/').next().unwrap();
    let list = admin.get(&world, GROUPS).await.text;
    assert!(list.contains("Kiosks &#60;b&#62;") && !list.contains("<b>"), "{list}");
    let add = format!("{GROUPS}/add");
    assert!(admin.get(&world, &add).await.text.contains("this would be every device"));
    let look = admin.get(&world, &format!("{add}?q=kiosk&into={id}")).await.text;
    assert!(look.contains("<strong>1</strong><span>devices join"), "{look}");
    assert!(!admin.get(&world, &group).await.text.contains("kiosk-"), "a look puts nothing in");
    assert_eq!(to(&admin.post(&world, &add, &[("q", "kiosk"), ("into", id)]).await), group);
    assert!(admin.get(&world, &group).await.text.contains("kiosk-&#60;1&#62;"));
    let found = admin.get(&world, &format!("/o/acme/connector/devices?group={id}")).await.text;
    assert!(found.contains("SN-d1") && !found.contains("SN-d2"), "{found}");
    assert!(found.contains(&format!("latchkey device list --group {id}")));
    admin.post(&world, &format!("{group}/members"), &[("leave", "d1")]).await;
    assert!(admin.get(&world, &group).await.text.contains("No device is in it yet"));
    assert_eq!(to(&admin.post(&world, &format!("{group}/delete"), &[]).await), GROUPS);
    let refused = admin.post(&world, &add, &[("q", ""), ("into", id)]).await;
    assert!(refused.status.is_client_error(), "a filter that says nothing puts nobody in");
}

#[tokio::test]
async fn a_rule_shows_what_it_would_touch_before_it_is_saved() {
    let (world, admin) = fleet().await;
    assert!(admin.get(&world, RULES).await.text.contains("No clean-up rule yet"));
    world.clock.advance(std::time::Duration::from_secs(40 * 86_400));
    let admin = Person::session_of(
        &world,
        &admin.org,
        &world.app.directory.user(&admin.org, "olga@acme.example").await.unwrap().id,
    )
    .await;
    let mut fields = vec![
        ("action", "suspend"),
        ("silent_days", "30"),
        ("device_group", ""),
        ("description", "Lost <i>"),
        ("enabled", "on"),
    ];
    let look = admin.post(&world, &format!("{RULES}/new"), &fields).await;
    assert_eq!(look.status, 200, "{}", look.text);
    assert!(look.text.contains("<strong>2</strong><span>devices fit this rule now"), "{}", look.text);
    assert!(look.text.contains("latchkey cleanup-rule create --action suspend --silent-days 30"));
    assert!(admin.get(&world, RULES).await.text.contains("No clean-up rule yet"), "a look saves nothing");
    fields.push(("save", "on"));
    assert_eq!(to(&admin.post(&world, &format!("{RULES}/new"), &fields).await), RULES);
    let list = admin.get(&world, RULES).await.text;
    assert!(list.contains("Lost &#60;i&#62;") && list.contains("30 days"), "{list}");
    let rule = world.get("/api/v1/o/acme/cleanup-rules").await.json()["items"][0].clone();
    assert_eq!((&rule["action"], &rule["enabled"]), (&json!("suspend"), &json!(true)));
    let page = format!("{RULES}/{}", rule["id"].as_str().unwrap());
    let shown = admin.get(&world, &page).await.text;
    let version = shown.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let wrong = [("version", version.as_str()), ("action", "suspend"), ("silent_days", "7"), ("save", "on")];
    let back = admin.post(&world, &page, &wrong).await;
    assert!(back.status == 422 && back.text.contains("30 to 180"), "{}", back.text);
    let off = [("version", version.as_str()), ("action", "remove"), ("silent_days", "180"), ("save", "on")];
    assert_eq!(to(&admin.post(&world, &page, &off).await), RULES);
    let late = admin.post(&world, &page, &off).await;
    assert_eq!(late.status, 422, "somebody else's older page does not write over it");
    assert_eq!(to(&admin.post(&world, &format!("{page}/delete"), &[]).await), RULES);
}

#[tokio::test]
async fn rest_speaks_of_the_same_groups_and_rules() {
    let (world, _) = fleet().await;
    let base = "/api/v1/o/acme";
    let group = json!({"name": "kiosks", "users_per_device": 10});
    let made = world.post(&format!("{base}/device-groups"), group.clone()).await;
    assert_eq!((made.status.as_u16(), &made.json()["devices"]), (201, &json!(0)));
    assert_eq!(world.post(&format!("{base}/device-groups"), group).await.status, 409);
    let joined = world.post(&format!("{base}/device-groups/kiosks/members"), json!({"filter": {"q": "kiosk"}})).await;
    assert_eq!((&joined.json()["joined"], &joined.json()["device_group"]["devices"]), (&json!(1), &json!(1)));
    let all = world.post(&format!("{base}/device-groups/kiosks/members"), json!({"filter": {}})).await;
    assert_eq!(all.status, 422, "an empty filter is every device");
    let found = world.get(&format!("{base}/devices?group=kiosks")).await;
    assert_eq!(found.json()["items"][0]["id"], "d1");
    let rule = json!({"action": "remove", "silent_days": 20, "device_group": "nobody"});
    let wrong = world.post(&format!("{base}/cleanup-rules"), rule).await;
    let wrong = wrong.json();
    let pointers: Vec<_> = wrong["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
    assert_eq!(pointers, [&json!("/silent_days"), &json!("/device_group")]);
    let rule = json!({"action": "remove", "silent_days": 90, "device_group": "kiosks", "platforms": ["linux"]});
    let made = world.post(&format!("{base}/cleanup-rules"), rule).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let look = world.get(&format!("{base}/cleanup-rules/{}/preview", made.json()["id"].as_str().unwrap())).await;
    assert_eq!(look.json()["devices"], 0, "they were heard of today");
}
