//! What must not lead to a sign-in: states that forbid it, and whatever is missing.

use latchkey_directory::Timestamp;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{Binding, Cloud, Device, DeviceTokenPolicy, Domain, Entitlement, Key, Service, User};
use latchkey_directory::services::Entitled;
use latchkey_directory::value::{Blob, Json, JsonText};
use latchkey_directory::values::{DomainState, KeyState, KeyUse, UserStatus};
use latchkey_directory::{Bytes, Intent};
use latchkey_wire::{BindingState, DeviceState, Level};

use super::world::{ACS, World};

#[tokio::test]
async fn r17_a24_every_state_that_forbids_it_stops_the_very_next_sign_in() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let all = Filter::all;
    assert_eq!(world.sign_in(&anna).await.code(), "ok");

    for status in [UserStatus::Disabled, UserStatus::Deleted] {
        world.set::<User>(all(), vec![User::status.set(&status)]).await;
        assert_eq!(world.sign_in(&anna).await.code(), "LK-PROOF-020", "{status}");
    }
    world.set::<User>(all(), vec![User::status.set(&UserStatus::Active)]).await;

    for state in DeviceState::ALL {
        world.set::<Device>(all(), vec![Device::state.set(state)]).await;
        let answer = world.sign_in(&anna).await;
        let expected = match state {
            DeviceState::Registered => "ok",
            DeviceState::Removed | DeviceState::RemovalPending => "LK-DEVICE-410",
            _ => "LK-PROOF-022",
        };
        assert_eq!(answer.code(), expected, "{state}");
        if *state != DeviceState::Registered {
            assert!(answer.json()["signed"].is_string(), "{state}: told in signed form");
        }
        if *state == DeviceState::RemovalPending {
            break; // its removal took effect, and its binding ended with it
        }
    }
    let ben = world.person("ben", Level::Asserted).await;
    for state in [BindingState::Pending, BindingState::Ended] {
        world.set::<Binding>(Binding::id.eq(&ben.binding), vec![Binding::state.set(&state)]).await;
        assert_eq!(world.sign_in(&ben).await.code(), "LK-PROOF-022", "{state}");
    }
    world.set::<Binding>(Binding::id.eq(&ben.binding), vec![Binding::state.set(&BindingState::Active)]).await;

    for (change, back) in [
        (DeviceTokenPolicy::enabled.set(&false), DeviceTokenPolicy::enabled.set(&true)),
        (
            DeviceTokenPolicy::domains.set(&Json(Vec::new())),
            DeviceTokenPolicy::domains.set(&Json(vec!["acme.example".to_owned()])),
        ),
    ] {
        world.set::<DeviceTokenPolicy>(all(), vec![change]).await;
        assert_eq!(world.sign_in(&ben).await.code(), "LK-PROOF-020");
        world.set::<DeviceTokenPolicy>(all(), vec![back]).await;
        assert_eq!(world.sign_in(&ben).await.code(), "ok", "and heals when it is put back");
    }

    // A domain whose record DNS lost goes on; one that was never verified, or taken away, does not.
    for state in DomainState::ALL {
        world.set::<Domain>(all(), vec![Domain::verification.set(state)]).await;
        let expected = if *state == DomainState::Pending { "LK-PROOF-020" } else { "ok" };
        assert_eq!(world.sign_in(&ben).await.code(), expected, "{state}");
    }
    let before = world.sessions().await.len();
    world.delete::<Domain>(all()).await;
    assert_eq!(world.sign_in(&ben).await.code(), "LK-PROOF-020");
    assert_eq!(world.sessions().await.len(), before);
}

#[tokio::test]
async fn entitlements_decide_who_may() {
    let world = World::new().await;
    let (anna, ben) = (world.person("anna", Level::Asserted).await, world.person("ben", Level::Asserted).await);
    world.group("staff", false, &anna).await;
    let intent = Intent::of(&latchkey_directory::audit::Actor::system());
    let directory = &world.app.directory;

    world.delete::<Entitlement>(Filter::all()).await;
    assert_eq!(world.sign_in(&anna).await.code(), "LK-PROOF-020");
    let staff = Entitled::Group("staff".into());
    let line = directory.add_entitlement(&intent, &world.org, "wiki", staff).await.unwrap();
    assert_eq!(world.sign_in(&anna).await.code(), "ok");
    let no = world.sign_in(&ben).await;
    assert_eq!(no.code(), "LK-PROOF-020");
    assert_eq!(world.reason(&no).await, "ben@acme.example is not entitled to wiki");
    assert!(!no.text().contains("ben@"), "the full reason is the administrator's");
    directory.remove_entitlement(&intent, &world.org, "wiki", &line.id).await.unwrap();
    directory.add_entitlement(&intent, &world.org, "wiki", Entitled::User(ben.user.clone())).await.unwrap();
    assert_eq!(
        (world.sign_in(&anna).await.code().as_str(), world.sign_in(&ben).await.code().as_str()),
        ("LK-PROOF-020", "ok")
    );
}

#[tokio::test]
async fn r25_a25_each_thing_that_is_missing_means_no_sign_in() {
    type Set = Vec<(&'static str, latchkey_directory::value::Value)>;
    enum Missing {
        Key(KeyUse),
        Row(&'static str),
        Value(&'static str, Set),
        Cloud(Set),
    }
    let retired = |usage| Missing::Key(usage);
    let missing = [
        ("challenge key", retired(KeyUse::Challenge)),
        ("assertion key", retired(KeyUse::Assertion)),
        ("metadata key", retired(KeyUse::Metadata)),
        ("device CA", retired(KeyUse::Ca)),
        ("policy", Missing::Row("policy")),
        ("domain", Missing::Row("domain")),
        ("user", Missing::Row("user")),
        ("device", Missing::Row("device")),
        ("binding", Missing::Row("binding")),
        ("service", Missing::Row("service")),
        ("entitlement", Missing::Row("entitlement")),
        (
            "the service's metadata",
            Missing::Value(
                "service",
                vec![Service::metadata.set(&Blob(Vec::new())), Service::metadata_sha256.set(&Bytes([0; 32]))],
            ),
        ),
        (
            "the service's settings",
            Missing::Value(
                "service",
                vec![Service::settings.set(&JsonText::of(&[("name_id".into(), 7.into())].into()))],
            ),
        ),
        ("the device's certificate", Missing::Value("device", vec![Device::certificate_expires_at.set(&None)])),
        (
            "the operator's word after a restore",
            Missing::Cloud(vec![Cloud::restored_at.set(&Some(Timestamp::default()))]),
        ),
    ];
    let whole = World::new().await;
    let anna = whole.person("anna", Level::Asserted).await;
    for (what, missing) in missing {
        let world = whole.fork().await;
        let started = world.start(&world.request()).await;
        let proof = world.proof(&anna, &started, |_, _| ()).await;
        match missing {
            Missing::Key(usage) => {
                world.set::<Key>(Key::usage.eq(&usage), vec![Key::state.set(&KeyState::Retired)]).await;
                world.app.keys.forget(&world.org);
            }
            Missing::Row("policy") => world.delete::<DeviceTokenPolicy>(Filter::all()).await,
            Missing::Row("domain") => world.delete::<Domain>(Filter::all()).await,
            Missing::Row("user") => world.delete::<User>(Filter::all()).await,
            Missing::Row("device") => world.delete::<Device>(Filter::all()).await,
            Missing::Row("binding") => world.delete::<Binding>(Filter::all()).await,
            Missing::Row("service") => world.delete::<Service>(Filter::all()).await,
            Missing::Row(_) => world.delete::<Entitlement>(Filter::all()).await,
            Missing::Value("service", set) => world.set::<Service>(Filter::all(), set).await,
            Missing::Value(_, set) => world.set::<Device>(Filter::all(), set).await,
            Missing::Cloud(set) => world.set_cloud(set).await,
        }
        let finished = world.finish(&started, &proof).await;
        assert!(!finished.status.is_success(), "{what}: {}", finished.text());
        assert!(finished.json()["code"].is_string() && finished.json()["ref"].is_string(), "{what}: a clear reason");
        assert!(world.sessions().await.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn r25_a_service_whose_metadata_expired_gets_nothing() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let until = world.now().plus(std::time::Duration::from_secs(30));
    let metadata = format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://wiki.example/sp\" validUntil=\"{until}\">\
         <SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><AssertionConsumerService index=\"0\" \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{ACS}\"/></SPSSODescriptor></EntityDescriptor>"
    );
    let hash = latchkey_directory::sha256(metadata.as_bytes());
    let set = vec![Service::metadata.set(&Blob(metadata.into_bytes())), Service::metadata_sha256.set(&hash)];
    world.set::<Service>(Filter::all(), set).await;
    assert_eq!(world.sign_in(&anna).await.code(), "ok");
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    world.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(world.finish(&started, &proof).await.code(), "LK-SAML-015");
    let request = world.request();
    assert_eq!(world.post_request(true, &request.xml(), None).await.code(), "LK-SAML-015");
}

#[tokio::test]
async fn r22_a_consumer_address_that_left_the_metadata_meanwhile_gets_nothing() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    let https = latchkey_server::saml::known::http_policy(false);
    let other = latchkey_server::saml::known::by_hand(super::world::SP, &["https://wiki.example/new".into()], https);
    let other = other.unwrap().into_bytes();
    let hash = latchkey_directory::sha256(&other);
    let set = vec![Service::metadata.set(&Blob(other)), Service::metadata_sha256.set(&hash)];
    world.set::<Service>(Filter::all(), set).await;
    assert_eq!(world.finish(&started, &proof).await.code(), "LK-SAML-011");
    assert!(world.sessions().await.is_empty());
}

#[tokio::test]
async fn an_organization_that_does_not_exist_has_no_routes() {
    let world = World::new().await;
    for path in [
        "/o/nobody/saml/sso?SAMLRequest=x",
        "/o/nobody/saml/metadata",
        "/o/cloud/saml/metadata",
        "/o/acme/saml/metadata",
    ] {
        let answer = world.send(http::Request::get(path).body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}
