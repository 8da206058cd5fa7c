//! The pages of services: what they show, what their forms do, and what comes back.

use http::StatusCode;

use super::people::Person;
use crate::api::tests::world::World;

const LIST: &str = "/o/acme/admin/services";

/// A world whose organization has keys, and its owner.
async fn with_keys() -> (World, Person) {
    let world = World::new().await;
    let intent = latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system());
    world.app.create_organization(&intent, "acme".into(), "Acme".into()).await.unwrap();
    world.post("/api/v1/o/acme/domains", serde_json::json!({"name": "acme.example"})).await.good();
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    (world, owner)
}

/// Adds `wiki` by hand, and answers the address of its page.
async fn wiki(world: &World, owner: &Person) -> String {
    let fields = [
        ("name", "wiki"),
        ("entity_id", "https://wiki.example/<script>"),
        ("acs", "https://wiki.example/acs"),
        ("entitle", "nobody"),
    ];
    let made = owner.post(world, "/o/acme/admin/services/new", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let to = made.headers["location"].to_str().unwrap();
    to.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_service_is_added_by_hand_and_its_page_hands_our_side_over() {
    let (world, owner) = with_keys().await;
    let empty = owner.get(&world, LIST).await;
    assert!(empty.text.contains("No service yet") && empty.text.contains("/admin/services/new"), "{}", empty.text);
    let place = wiki(&world, &owner).await;
    let list = owner.get(&world, LIST).await;
    assert!(list.text.contains("wiki") && list.text.contains("Nobody"), "{}", list.text);
    let page = owner.get(&world, &format!("{place}?for=mellon")).await;
    assert!(
        page.text.contains("https://wiki.example/acs") && page.text.contains("MellonIdPMetadataFile"),
        "{}",
        page.text
    );
    assert!(page.text.contains("BEGIN CERTIFICATE"));
    for answer in [list, page] {
        assert!(!answer.text.contains("<script>"), "markup of a service's own stays inert");
    }
}

#[tokio::test]
async fn broken_metadata_comes_back_as_typed_with_line_and_element() {
    let (world, owner) = with_keys().await;
    let typed = "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\"\n entityID=\"https://a.example\"/>";
    let fields = [("name", "wiki"), ("metadata", typed), ("name_id", "unspecified"), ("attributes", "basic")];
    let answer = owner.post(&world, "/o/acme/admin/services/new", &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert!(answer.text.contains("href=\"#f-name_id\""), "every wrong field at once: {}", answer.text);
    let fields = [("name", "wiki"), ("metadata", typed)];
    let answer = owner.post(&world, "/o/acme/admin/services/new", &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert!(answer.text.contains("SPSSODescriptor") && answer.text.contains("id=\"e-metadata\""), "{}", answer.text);
    assert!(answer.text.contains("https://a.example"), "what was typed is still there");
    let broken =
        owner.post(&world, "/o/acme/admin/services/new", &[("name", "wiki"), ("metadata", "<a>\n<b></a>")]).await;
    assert!(broken.text.contains("Line 2"), "{}", broken.text);
}

#[tokio::test]
async fn somebody_is_let_in_and_out_again_and_a_wrong_name_comes_back() {
    let (world, owner) = with_keys().await;
    let place = wiki(&world, &owner).await;
    let wrong = owner.post(&world, &format!("{place}/entitle"), &[("kind", "group"), ("who", "nobodies")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.text);
    assert!(wrong.text.contains("There is no group:nobodies") && wrong.text.contains("value=\"nobodies\""));
    let who = [("kind", "user"), ("who", "olga@acme.example")];
    assert_eq!(owner.post(&world, &format!("{place}/entitle"), &who).await.status, StatusCode::SEE_OTHER);
    let lines = world.app.directory.service_entitlements(&owner.org, "wiki").await.unwrap();
    assert_eq!(lines[0].subject_name.as_deref(), Some("olga@acme.example"));
    let which = [("entitlement", lines[0].id.as_str())];
    assert_eq!(owner.post(&world, &format!("{place}/disentitle"), &which).await.status, StatusCode::SEE_OTHER);
    assert!(world.app.directory.service_entitlements(&owner.org, "wiki").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_preview_shows_every_value_and_is_no_key_to_an_account() {
    let (world, owner) = with_keys().await;
    let place = wiki(&world, &owner).await;
    let page = owner.get(&world, &format!("{place}/preview?user=olga@acme.example")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("AuthnStatement") && page.text.contains("olga@acme.example"), "{}", page.text);
    assert!(!page.text.contains("SignatureValue") && !page.text.contains("X509Certificate"), "{}", page.text);
    assert!(page.text.contains("may not use the service"), "she is not entitled");
    let nobody = owner.get(&world, &format!("{place}/preview?user=nobody@acme.example")).await;
    assert!(nobody.text.contains("There is no user nobody@acme.example"), "{}", nobody.text);
    // Who may see services and no users does not learn who somebody is.
    let role = serde_json::json!({"name": "keeper", "rights": {"services": "view"}});
    world.post("/api/v1/o/acme/roles", role).await.good();
    let keeper = Person::with_role(&world, "dora", Some("keeper")).await;
    let page = keeper.get(&world, &place).await;
    assert!(page.status == StatusCode::OK && !page.text.contains("/preview"), "{}", page.text);
    let refused = keeper.get(&world, &format!("{place}/preview?user=olga@acme.example")).await;
    assert!(refused.status == StatusCode::FORBIDDEN && refused.text.contains("users:read"), "{}", refused.text);
}

#[tokio::test]
async fn a_test_sign_in_says_which_step_stands_in_the_way() {
    let (world, owner) = with_keys().await;
    let place = wiki(&world, &owner).await;
    let stopped = owner.get(&world, &format!("{place}/test")).await;
    assert!(stopped.text.contains("would be refused now") && stopped.text.contains("not entitled"), "{}", stopped.text);
    owner.post(&world, &format!("{place}/entitle"), &[("kind", "everyone")]).await;
    let clear = owner.get(&world, &format!("{place}/test?user=olga@acme.example")).await;
    assert!(clear.text.contains("stands in the way") && clear.text.contains("No registered device"), "{}", clear.text);
    assert!(clear.text.contains("https://wiki.example/acs"), "where the answer goes");
}

#[tokio::test]
async fn settings_are_changed_and_a_service_is_deleted_after_a_look_at_what_goes_with_it() {
    let (world, owner) = with_keys().await;
    let place = wiki(&world, &owner).await;
    let form = owner.get(&world, &format!("{place}/settings")).await;
    assert!(form.text.contains("value=\"wiki\""), "{}", form.text);
    let rules = "mail mail mail basic\nuid login";
    let fields = [
        ("name", "wiki2"),
        ("name_id", "persistent"),
        ("attributes", "rules"),
        ("rules", rules),
        ("sign", "both"),
        ("algorithm", "ecdsa-p256"),
        ("min_evidence", "2"),
        ("idp_initiated", "on"),
    ];
    let saved = owner.post(&world, &format!("{place}/settings"), &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let view = world.app.directory.service(&owner.org, "wiki2").await.unwrap();
    assert_eq!((view.name_id.as_str(), view.min_evidence.number(), view.idp_initiated), ("persistent", 2, true));
    assert_eq!(view.attributes[1]["name"], "login");
    assert_eq!(view.acs, ["https://wiki.example/acs"], "what was not given stays");
    let confirm = owner.get(&world, &format!("{place}/delete")).await;
    assert!(confirm.text.contains("cannot be undone"), "{}", confirm.text);
    assert_eq!(owner.post(&world, &format!("{place}/delete"), &[]).await.status, StatusCode::SEE_OTHER);
    assert!(world.app.directory.services(&owner.org).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_real_test_speaks_of_the_administrator_alone_and_is_posted_where_the_metadata_says() {
    let (world, owner) = with_keys().await;
    let place = wiki(&world, &owner).await;
    let at = format!("{place}/try");
    // A service that takes no sign-ins from here gets none by a test either.
    assert!(owner.get(&world, &at).await.text.contains("Watch a sign-in"));
    let refused = owner.post(&world, &at, &[]).await;
    assert!(!refused.status.is_success() && !refused.text.contains("SAMLResponse"), "{}", refused.text);

    world.patch("/api/v1/o/acme/services/wiki", serde_json::json!({"idp_initiated": true})).await.good();
    // Nor does somebody who is not entitled, and the reason is told.
    let refused = owner.post(&world, &at, &[]).await;
    assert!(refused.status == StatusCode::FORBIDDEN && !refused.text.contains("SAMLResponse"), "{}", refused.text);
    let who = [("kind", "user"), ("who", "olga@acme.example")];
    assert_eq!(owner.post(&world, &format!("{place}/entitle"), &who).await.status, StatusCode::SEE_OTHER);

    // Whoever is named in the form, the answer is about whose session it is.
    Person::with_role(&world, "otto", None).await;
    let made = owner.post(&world, &at, &[("user", "otto@acme.example"), ("login_name", "otto@acme.example")]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert!(made.text.contains("action=\"https://wiki.example/acs\"") && made.text.contains("name=\"SAMLResponse\""));
    assert!(made.text.contains("SignatureValue") && !made.text.contains("otto@"), "{}", made.text);
    let policy = made.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https:;") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(made.headers["cache-control"], "no-store");
    let session = world.get("/api/v1/o/acme/sessions").await.good();
    assert_eq!(session["items"].as_array().unwrap().len(), 1, "{session}");
}

#[tokio::test]
async fn a_sign_in_that_begins_elsewhere_is_waited_for_and_then_shown() {
    let (world, owner) = with_keys().await;
    let place = wiki(&world, &owner).await;
    let to = owner.get(&world, &format!("{place}/watch")).await;
    let at = to.headers["location"].to_str().unwrap().to_owned();
    let waiting = owner.get(&world, &at).await;
    assert_eq!(waiting.headers["refresh"], "3");
    assert!(waiting.text.contains("Nothing has happened yet"), "{}", waiting.text);

    world.patch("/api/v1/o/acme/services/wiki", serde_json::json!({"idp_initiated": true})).await.good();
    let try_it = format!("{place}/try");
    owner.post(&world, &try_it, &[]).await;
    let refused = owner.get(&world, &at).await;
    assert!(refused.text.contains("LK-") && !refused.headers.contains_key("refresh"), "{}", refused.text);
    let who = [("kind", "user"), ("who", "olga@acme.example")];
    owner.post(&world, &format!("{place}/entitle"), &who).await;
    assert_eq!(owner.post(&world, &try_it, &[]).await.status, StatusCode::OK);
    let shown = owner.get(&world, &at).await;
    assert!(shown.text.contains("The service was sent an answer"), "{}", shown.text);
    // Another person's sign-ins are not shown.
    let other = Person::with_role(&world, "otto", Some("owner")).await;
    assert!(!other.get(&world, &at).await.text.contains("The service was sent an answer"));
}
