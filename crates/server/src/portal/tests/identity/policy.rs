//! Device token policy, domains and settings.

use serde_json::json;

use super::super::people::Person;
use super::{hidden, owned, to};

const POLICY: &str = "/o/acme/admin/policy";
const CHANGE: &str = "/o/acme/admin/policy/change";

#[tokio::test]
async fn the_policy_says_which_tokens_begin_to_be_accepted_before_it_is_saved() {
    let (world, owner) = owned().await;
    let verify = json!({"operator_word": "lab"});
    world.post("/api/v1/o/acme/domains/acme.example/verify", verify).await.good();
    let token = world.token(&json!({"description": "Berlin <laptops>"}));
    world.post("/api/v1/o/acme/device-tokens", token).await.good();
    let page = owner.get(&world, POLICY).await.text;
    assert!(page.contains("Not accepted") && page.contains("Berlin &#60;laptops&#62;"), "{page}");
    let form = owner.get(&world, CHANGE).await;
    let version = hidden(&form, "version");
    let fields = [
        ("version", version.as_str()),
        ("enabled", "on"),
        ("scope", "some"),
        ("domains", "acme.example"),
        ("jit", "on"),
    ];
    let review = owner.post(&world, CHANGE, &fields).await;
    assert_eq!(review.status, 200, "{}", review.text);
    assert!(
        review
            .text
            .contains("<strong>1</strong><span>device tokens begin to be accepted. <span class=\"muted\">Berlin"),
        "{}",
        review.text
    );
    assert!(!world.app.directory.policy(&owner.org).await.unwrap().enabled, "a look changes nothing");
    let saved = owner.post(&world, CHANGE, &[&fields[..], &[("save", "on")]].concat()).await;
    assert_eq!(to(&saved), format!("{POLICY}?said=policy-saved"));
    let policy = world.app.directory.policy(&owner.org).await.unwrap();
    assert_eq!(
        (policy.enabled, policy.jit, policy.all_domains, policy.domains),
        (true, true, false, vec!["acme.example".to_owned()])
    );
    let off = [("version", hidden(&owner.get(&world, CHANGE).await, "version")), ("scope", "some".to_owned())];
    let off: Vec<_> = off.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let review = owner.post(&world, CHANGE, &off).await.text;
    assert!(review.contains("<strong>1</strong><span>device tokens are accepted no more."), "{review}");
}

#[tokio::test]
async fn two_administrators_do_not_write_over_each_others_policy() {
    let (world, owner) = owned().await;
    let version = hidden(&owner.get(&world, CHANGE).await, "version");
    let fields = [("version", version.as_str()), ("enabled", "on"), ("scope", "all"), ("save", "on")];
    assert_eq!(owner.post(&world, CHANGE, &fields).await.status, 303);
    world.clock.advance(std::time::Duration::from_secs(1));
    let late = owner.post(&world, CHANGE, &[("version", version.as_str()), ("scope", "some"), ("save", "on")]).await;
    assert_eq!(late.status, 422);
    assert!(late.text.contains("LK-API-009") && late.text.contains("Somebody else changed it"), "{}", late.text);
    assert!(world.app.directory.policy(&owner.org).await.unwrap().enabled);
}

#[tokio::test]
async fn a_policy_for_no_domain_comes_back_as_it_was_chosen() {
    let (world, owner) = owned().await;
    let version = hidden(&owner.get(&world, CHANGE).await, "version");
    let answer =
        owner.post(&world, CHANGE, &[("version", version.as_str()), ("enabled", "on"), ("scope", "some")]).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.text.contains("Choose at least one domain")
            && answer.text.contains("name=\"enabled\" value=\"on\" checked")
    );
}

#[tokio::test]
async fn a_domain_is_added_looked_for_and_removed() {
    let (world, owner) = owned().await;
    let wrong = owner.post(&world, "/o/acme/admin/domains/new", &[("name", "no dot")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("value=\"no dot\"") && wrong.text.contains("id=\"e-name\""), "{}", wrong.text);
    let added = owner.post(&world, "/o/acme/admin/domains/new", &[("name", "Bücher.Example.")]).await;
    assert_eq!(to(&added), "/o/acme/admin/domains/xn--bcher-kva.example?said=domain-added");
    // Nobody can verify a name under example: that is told without a look.
    let page = owner.get(&world, "/o/acme/admin/domains/xn--bcher-kva.example").await.text;
    assert!(page.contains("Nobody can verify a name under example") && page.contains("--operator-word"), "{page}");
    let real = owner.post(&world, "/o/acme/admin/domains/new", &[("name", "corp.invalid-tld-of-nobody")]).await;
    let page = owner.get(&world, to(&real).split('?').next().unwrap()).await.text;
    assert!(page.contains("_latchkey-challenge.corp.") && page.contains("latchkey-domain-verification="), "{page}");
    let looked = owner.post(&world, "/o/acme/admin/domains/xn--bcher-kva.example/verify", &[]).await;
    assert_eq!(looked.status, 422);
    assert!(looked.text.contains("LK-DOMAIN-003"), "{}", looked.text);
    let list = owner.get(&world, "/o/acme/admin/domains").await.text;
    assert!(list.contains("xn--bcher-kva.example") && list.contains("acme.example"));
    let ask = owner.get(&world, "/o/acme/admin/domains/xn--bcher-kva.example/remove").await.text;
    assert!(ask.contains("Nothing has happened yet"), "{ask}");
    let removed = owner.post(&world, "/o/acme/admin/domains/xn--bcher-kva.example/remove", &[]).await;
    assert_eq!(to(&removed), "/o/acme/admin/domains?said=domain-removed");
}

#[tokio::test]
async fn a_domain_that_a_token_covers_says_what_stands_in_the_way() {
    let (world, owner) = owned().await;
    world.post("/api/v1/o/acme/device-tokens", world.token(&json!({}))).await.good();
    let ask = owner.get(&world, "/o/acme/admin/domains/acme.example/remove").await.text;
    assert!(ask.contains("cannot be removed yet") && ask.contains("covers acme.example"), "{ask}");
}

#[tokio::test]
async fn settings_are_shown_in_units_and_saved_to_the_second() {
    let (world, owner) = owned().await;
    let path = "/o/acme/admin/settings";
    let page = owner.get(&world, path).await;
    assert!(page.text.contains("value=\"168\"") && page.text.contains("value=\"90\""), "{}", page.text);
    let version = hidden(&page, "version");
    let fields = |hours: &'static str| {
        vec![
            ("version", version.clone()),
            ("name", "Acme & Sons".to_owned()),
            ("certificate_lifetime_s", hours.to_owned()),
            ("asleep_limit_s", "30".to_owned()),
            ("retire_after_s", "90".to_owned()),
            ("devices_per_user", "4".to_owned()),
            ("max_tokens", "16".to_owned()),
        ]
    };
    let send = async |hours| {
        let fields = fields(hours);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        owner.post(&world, path, &fields).await
    };
    for wrong in ["x", "169"] {
        let answer = send(wrong).await;
        assert_eq!(answer.status, 422, "{wrong}");
        assert!(
            answer.text.contains("id=\"e-certificate_lifetime_s\"") && answer.text.contains("Acme &#38; Sons"),
            "{}",
            answer.text
        );
    }
    assert_eq!(to(&send("1.5").await), format!("{path}?said=settings-saved"));
    let now = world.app.directory.organization("acme").await.unwrap();
    assert_eq!(
        (now.name.as_str(), now.certificate_lifetime_s, now.devices_per_user, now.retire_after_s),
        ("Acme & Sons", 5_400, 4, 7_776_000)
    );
    let auditor = Person::with_role(&world, "ada", Some("auditor")).await;
    assert!(!auditor.get(&world, path).await.text.contains("<button class=\"button\">Save"));
}
