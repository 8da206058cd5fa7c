//! The pages of one token, and Deploy.

use latchkey_directory::audit::Actor;
use latchkey_directory::page::PageRequest;
use latchkey_directory::refusal::Remembered;
use latchkey_wire::{Code, DeviceState};
use serde_json::{Value, json};

use super::fleet::Machine;
use super::people::Person;
use crate::api::tests::world::World;

const PASSWORD: &str = "a long password 1";

async fn token(world: &World, sealed: bool) -> Value {
    let mut new = json!({"description": "Laptops, Berlin", "domains": ["acme.example"], "expires_at": world.ahead(86_400),
        "max_uses": 100, "expect": 50});
    match sealed {
        true => new["password"] = PASSWORD.into(),
        false => new["sealed_copy"] = false.into(),
    }
    world.post("/api/v1/o/acme/device-tokens", new).await.good()
}

fn page(token: &Value, part: &str) -> String {
    format!("/o/acme/connector/tokens/{}{part}", token["id"].as_str().unwrap())
}

async fn state(world: &World, token: &Value) -> String {
    let id = token["id"].as_str().unwrap();
    let view = world.get(&format!("/api/v1/o/acme/device-tokens/{id}")).await.good();
    view["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_shows_its_roll_out_who_used_it_and_what_stops_it() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    let id = token["id"].as_str();
    let put = |name, host, state| Machine { id: name, host, user: "anna", state, token: id };
    put("d1", "berlin-1", DeviceState::Registered).put(&world, &admin.org).await;
    put("d2", "berlin-2", DeviceState::Pending).put(&world, &admin.org).await;
    let shown = admin.get(&world, &page(&token, "")).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    for text in
        ["1 of 50", "data-fresh=\"5\"", "berlin-1", "/connector/devices/d2", "LK-ENROLL-020", "No device failed"]
    {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    assert!(!shown.text.contains(token["device_token"].as_str().unwrap()), "the secret is not on this page");
}

#[tokio::test]
async fn a_token_is_stopped_and_one_word_resumes_it() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    assert!(admin.get(&world, &page(&token, "/disable")).await.text.contains("Disable Laptops, Berlin?"));
    assert_eq!(state(&world, &token).await, "active", "asking changes nothing");
    admin.post(&world, &page(&token, "/disable"), &[]).await;
    assert_eq!(state(&world, &token).await, "disabled");
    let shown = admin.get(&world, &page(&token, "")).await.text;
    assert!(shown.contains("Resume") && shown.contains("An administrator disabled it"), "{shown}");
    assert!(admin.get(&world, &page(&token, "/enable")).await.text.contains("Resume Laptops, Berlin?"));
    assert_eq!(state(&world, &token).await, "disabled", "asking changes nothing");
    admin.post(&world, &page(&token, "/enable"), &[]).await;
    assert_eq!(state(&world, &token).await, "active");
}

#[tokio::test]
async fn a_roll_out_that_goes_wrong_is_stopped_by_its_brake_says_so_and_goes_on_after_one_word() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    let id = token["id"].as_str().unwrap();
    world.patch(&format!("/api/v1/o/acme/device-tokens/{id}"), json!({"brake": 10})).await.good();
    for n in 0..20 {
        assert_eq!(state(&world, &token).await, "active", "{n} refusals are too few");
        let refused = Remembered {
            actor: Actor::system(),
            action: "device.enroll",
            code: Code::Enroll025.to_string(),
            subject: id.to_owned(),
            address: None,
            detail: "the user is not known".to_owned(),
            proven: true,
        };
        world.app.directory.remember_enrollment_refusal(&admin.org, refused).await;
    }
    assert_eq!(state(&world, &token).await, "disabled");
    let shown = admin.get(&world, &page(&token, "")).await.text;
    for text in ["The brake stopped this token", "20 of 20", "more than 10%", "LK-ENROLL-025", "Resume"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    admin.post(&world, &page(&token, "/enable"), &[]).await;
    assert_eq!(state(&world, &token).await, "active");
    let shown = admin.get(&world, &page(&token, "")).await.text;
    assert!(!shown.contains("The brake stopped this token"), "{shown}");
}

#[tokio::test]
async fn revoking_says_how_many_devices_go_along_and_takes_them() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    let machine = Machine {
        id: "d1",
        host: "berlin-1",
        user: "anna",
        state: DeviceState::Registered,
        token: token["id"].as_str(),
    };
    machine.put(&world, &admin.org).await;
    let without = admin.get(&world, &page(&token, "/revoke")).await.text;
    assert!(without.contains("<strong>0</strong><span>devices that will be quarantined"), "{without}");
    let with = admin.get(&world, &page(&token, "/revoke?since=24")).await.text;
    assert!(with.contains("<strong>1</strong><span>devices that will be quarantined"), "{with}");
    assert_eq!(state(&world, &token).await, "active");
    admin.post(&world, &page(&token, "/revoke"), &[("since", "24")]).await;
    assert_eq!(state(&world, &token).await, "revoked");
    assert_eq!(world.get("/api/v1/o/acme/devices/d1").await.good()["state"], "quarantined");
}

#[tokio::test]
async fn a_token_is_shown_again_with_its_password_and_only_with_it() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    let secret = token["device_token"].as_str().unwrap();
    let wrong = admin.post(&world, &page(&token, "/reveal"), &[("password", "another password 1")]).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    assert!(!wrong.text.contains(secret) && wrong.text.contains("is not the password"), "{}", wrong.text);
    assert!(!wrong.text.contains("another password 1"), "a password never comes back");
    let right = admin.post(&world, &page(&token, "/reveal"), &[("password", PASSWORD)]).await;
    assert_eq!(right.status, 200);
    assert!(right.text.contains(secret) && right.headers["cache-control"] == "no-store");
    let kept = admin.get(&world, &page(&self::token(&world, false).await, "/reveal")).await.text;
    assert!(kept.contains("cannot be shown again") && !kept.contains("type=\"password\""), "{kept}");
}

#[tokio::test]
async fn rotation_gives_a_successor_beside_the_old_one() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    let differ = [("overlap", "7"), ("copy", "keep"), ("password", PASSWORD), ("password_again", "another one 12")];
    let refused = admin.post(&world, &page(&token, "/rotate"), &differ).await;
    assert!(refused.status == 422 && refused.text.contains("The two passwords are not the same"), "{}", refused.text);
    let done = admin.post(&world, &page(&token, "/rotate"), &[("overlap", "7"), ("copy", "none")]).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.text.contains("lkdt1_") && !done.text.contains(token["device_token"].as_str().unwrap()));
    assert_eq!(state(&world, &token).await, "active", "the old one counts for seven days");
    let all = world.app.directory.tokens(&admin.org, Vec::new(), PageRequest::default()).await.unwrap();
    assert_eq!(all.items.len(), 2);
}

#[tokio::test]
async fn looser_limits_have_to_be_confirmed_and_tighter_ones_count_at_once() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    let token = token(&world, true).await;
    let form = admin.get(&world, &page(&token, "/limits")).await.text;
    assert!(form.contains("value=\"100\"") && form.contains("Laptops, Berlin") && !form.contains("name=\"loosen\""));
    let ends = token["expires_at"].as_str().unwrap()[..10].to_owned();
    let fields = |uses| {
        vec![
            ("description", "Laptops"),
            ("domains", "acme.example"),
            ("ends", ends.as_str()),
            ("max_uses", uses),
            ("uses_per_minute", "600"),
            ("min_evidence", "0"),
            ("expect", "50"),
        ]
    };
    let uses = async || {
        let id = token["id"].as_str().unwrap();
        world.get(&format!("/api/v1/o/acme/device-tokens/{id}")).await.good()["max_uses"].as_u64().unwrap()
    };
    let tighter = admin.post(&world, &page(&token, "/limits"), &fields("80")).await;
    assert_eq!(tighter.status, 303, "{}", tighter.text);
    assert_eq!(uses().await, 80);
    let looser = admin.post(&world, &page(&token, "/limits"), &fields("90")).await;
    assert!(looser.status == 422 && looser.text.contains("name=\"loosen\""), "{}", looser.text);
    assert_eq!(uses().await, 80);
    let mut confirmed = fields("90");
    confirmed.push(("loosen", "on"));
    assert_eq!(admin.post(&world, &page(&token, "/limits"), &confirmed).await.status, 303);
    assert_eq!(uses().await, 90);
}

const DEPLOY: &str = "/o/acme/connector/deploy";

#[tokio::test]
async fn deploy_gives_the_block_with_the_token_by_its_password_and_never_in_an_address() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("device-administrator")).await;
    assert!(admin.get(&world, DEPLOY).await.text.contains("No device token to deploy"));
    let token = token(&world, true).await;
    let (id, secret) = (token["id"].as_str().unwrap(), token["device_token"].as_str().unwrap());
    let form = admin.get(&world, &format!("{DEPLOY}?token={id}")).await;
    assert!(form.text.contains("action=\"/o/acme/connector/deploy\"") && !form.text.contains(secret), "{}", form.text);
    let fields = |kind, from| vec![("token", id), ("domain", "acme.example"), ("kind", kind), ("from", from)];
    let mut with = fields("shell", "password");
    with.push(("password", PASSWORD));
    let made = admin.post(&world, DEPLOY, &with).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(made.text.contains(secret) && made.text.contains("--device-token-file"), "{}", made.text);
    with[4].1 = "not the password 1";
    let wrong = admin.post(&world, DEPLOY, &with).await;
    assert!(wrong.status == 422 && !wrong.text.contains(secret) && !wrong.text.contains("not the password 1"));

    let mut pasted = fields("managed-json", "paste");
    pasted.push(("device_token", secret));
    let file = admin.post(&world, &format!("{DEPLOY}/file"), &pasted).await;
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"managed.json\"");
    assert_eq!((&file.json()["deviceToken"], &file.json()["userDomain"]), (&json!(secret), &json!("acme.example")));
    let other = self::token(&world, false).await;
    pasted[4].1 = other["device_token"].as_str().unwrap();
    assert_eq!(admin.post(&world, DEPLOY, &pasted).await.status, 422, "another token's secret is not this token");

    let later = admin.post(&world, DEPLOY, &fields("windows", "placeholder")).await.text;
    assert!(later.contains("DEVICETOKEN") && later.contains("@@DEVICE_TOKEN@@"), "{later}");
    assert!(later.contains("There is no ready-made file"), "{later}");
}

#[tokio::test]
async fn the_api_makes_artifacts_and_says_what_is_missing() {
    let world = World::with_acme().await;
    let token = token(&world, true).await;
    let path = format!("/api/v1/o/acme/device-tokens/{}/artifacts", token["id"].as_str().unwrap());
    let good = json!({"target": "linux", "domain": "acme.example", "password": PASSWORD});
    let made = world.post(&path, good).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.good();
    assert!(made["content"].as_str().unwrap().contains(token["device_token"].as_str().unwrap()));
    assert_eq!((&made["file_name"], &made["placeholder"]), (&json!("latchkey-setup.sh"), &json!(false)));
    for (body, pointer) in [
        (json!({"target": "msi", "domain": "acme.example", "placeholder": true}), "/target"),
        (json!({"target": "shell", "domain": "other.example", "placeholder": true}), "/domain"),
        (json!({"target": "shell", "domain": "acme.example"}), "/password"),
        (json!({"target": "shell", "domain": "acme.example", "placeholder": true, "password": PASSWORD}), "/password"),
        (json!({"target": "shell", "domain": "acme.example", "device_token": "lkdt1_x"}), "/device_token"),
    ] {
        assert_eq!(world.post(&path, body.clone()).await.pointers(), [pointer], "{body}");
    }
}
