//! The agent's channel: what a good sign-in gives, and that a proof is good for one transaction once.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{Binding, Device, Entitlement, Membership, Service};
use latchkey_directory::services::ServiceSettings;
use latchkey_directory::value::Blob;
use latchkey_directory::values::{SignAlgorithm, SignWhat};
use latchkey_wire::{Bytes, Channel, Level, epoch};

use super::world::{ACS, ORIGIN, SP, World};

#[tokio::test]
async fn r23_an_assertion_is_short_exact_and_answers_its_request() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Inventory).await;
    let answer = world.sign_in(&anna).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let said = answer.json();
    assert_eq!((said["destination"].as_str(), said["relay_state"].as_str()), (Some(ACS), Some("/page?x=1")));
    let xml = answer.saml();
    let entity_id = world.app.directory.organization("acme").await.unwrap().entity_id;
    for wanted in [
        format!("<saml:Audience>{SP}</saml:Audience>"),
        format!("Recipient=\"{ACS}\""),
        format!("Destination=\"{ACS}\""),
        format!("<saml:Issuer>{entity_id}</saml:Issuer>"),
        "urn:latchkey:ac:evidence:2".into(),
        "emailAddress\">anna@acme.example</saml:NameID>".into(),
        "status:Success".into(),
    ] {
        assert!(xml.contains(&wanted), "{wanted} in {xml}");
    }
    assert_eq!(xml.matches("InResponseTo=\"_request1\"").count(), 2, "response and confirmation");
    assert_eq!(xml.matches("<ds:Signature ").count(), 1);
    let time = |name: &str| {
        let at = xml.find(&format!("<saml:Conditions {name}=")).or_else(|| xml.find(&format!(" {name}="))).unwrap();
        let text = xml[at..].split('"').nth(1).unwrap();
        text.parse::<jiff::Timestamp>().unwrap()
    };
    let (from, to) = (time("NotBefore"), time("NotOnOrAfter"));
    assert!(to.duration_since(from).as_secs() <= 300 + 30);

    let [session] = &world.sessions().await[..] else { panic!() };
    assert!(xml.contains(&format!("ID=\"{}\"", session.assertion_id)));
    assert!(xml.contains(&format!("SessionIndex=\"{}\"", session.id)));
    assert_eq!((session.level, session.channel.as_str()), (Level::Inventory, "agent"));
    assert_eq!(world.events("signin.saml", "ok").await, 1);
}

#[tokio::test]
async fn r13_a_challenge_is_bound_to_transaction_cookie_origin_and_service() {
    let world = World::new().await;
    let started = world.start(&world.request()).await;
    let (common, challenge) = world.challenge(&started).await;
    assert_eq!((common.org.as_str(), common.iss.as_str()), (world.org.as_str(), ORIGIN));
    assert_eq!(challenge.txn_sha256, epoch::txn_sha256(&started.txn));
    assert_eq!(challenge.cb, epoch::cookie_binding(&started.cookie));
    assert_eq!((challenge.origin.as_str(), challenge.service.as_str()), (ORIGIN, "wiki"));
    assert_eq!((challenge.channel, challenge.exp), (Channel::Agent, world.now().seconds() + 60));
}

#[tokio::test]
async fn r13_a07_a_proof_is_good_once() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    assert_eq!(world.finish(&started, &proof).await.code(), "ok");
    let again = world.finish(&started, &proof).await;
    assert_eq!(again.code(), "LK-PROOF-010");
    assert_eq!(world.sessions().await.len(), 1);
    // A fresh signature over the same transaction gives no second session either.
    let other = world.proof(&anna, &started, |common, _| common.iat += 1).await;
    assert_eq!(world.finish(&started, &other).await.code(), "LK-PROOF-010");
    assert_eq!(world.sessions().await.len(), 1);
}

#[tokio::test]
async fn r13_a_hundred_at_once_give_one_session() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    let tries = (0..100).map(|_| world.finish(&started, &proof));
    let codes: Vec<_> = futures_util::future::join_all(tries).await.iter().map(super::world::Answer::code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 1);
    assert!(codes.iter().all(|code| code == "ok" || code == "LK-PROOF-010"), "{codes:?}");
    assert_eq!(world.sessions().await.len(), 1);
}

#[tokio::test]
async fn r13_another_cookie_transaction_origin_or_channel_is_refused() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let (one, other) = (world.start(&world.request()).await, world.start(&world.request()).await);
    let proof = world.proof(&anna, &one, |_, _| ()).await;
    let code = |answer: super::world::Answer| answer.code();
    let origin = Some(ORIGIN);
    assert_eq!(code(world.finish_with(&one.txn, &other.cookie, origin, &proof).await), "LK-PROOF-011");
    assert_eq!(code(world.finish_with(&one.txn, "", origin, &proof).await), "LK-PROOF-011");
    assert_eq!(code(world.finish_with(&other.txn, &other.cookie, origin, &proof).await), "LK-PROOF-010");
    let evil = Some("https://evil.example");
    assert_eq!(code(world.finish_with(&one.txn, &one.cookie, evil, &proof).await), "LK-PROOF-012");
    assert_eq!(code(world.finish_with(&one.txn, &one.cookie, Some("null"), &proof).await), "LK-PROOF-012");
    let loopback = world.proof(&anna, &one, |_, proof| proof.channel = Channel::Loopback).await;
    assert_eq!(code(world.finish(&one, &loopback).await), "LK-PROOF-013");
    let nonce = world.proof(&anna, &one, |common, _| common.nonce = Bytes([9; 16]).to_string()).await;
    assert_eq!(code(world.finish(&one, &nonce).await), "LK-PROOF-010");
    assert!(world.sessions().await.is_empty());
    assert_eq!(code(world.finish(&one, &proof).await), "ok");
}

#[tokio::test]
async fn r13_after_sixty_one_seconds_it_is_too_late() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.finish(&started, &proof).await.code(), "LK-PROOF-010");
    assert!(world.sessions().await.is_empty());
}

#[tokio::test]
async fn a05_a_proof_for_another_organization_cloud_or_root_is_refused() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    for alter in ["org", "iss", "rk"] {
        let started = world.start(&world.request()).await;
        let proof = world
            .proof(&anna, &started, |common, _| match alter {
                "org" => common.org = "other".into(),
                "iss" => common.iss = "https://other.example".into(),
                _ => common.rk = Bytes([7; 32]),
            })
            .await;
        assert_eq!(world.finish(&started, &proof).await.code(), "LK-ENROLL-010", "{alter}");
    }
    // A transaction of another organization does not open here, and the person's binding is not found there.
    let intent = latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system());
    let other = world.app.create_organization(&intent, "other".into(), "Other".into()).await.unwrap().id;
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    let path = format!("/o/{other}/signin/finish");
    let body = serde_json::json!({"txn": started.txn, "proof": proof}).to_string();
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .header("latchkey-agent", "1")
        .header("cookie", format!("__Host-lk-b={}", started.cookie));
    let answer = world.send(request.body(axum::body::Body::from(body)).unwrap()).await;
    assert_eq!(answer.code(), "LK-PROOF-010");
    assert!(world.sessions().await.is_empty());
}

/// The other organization's own transaction, answered by a person whom only this one knows, who says that they are of the other.
#[tokio::test]
async fn a05_nobody_of_one_organization_proves_anything_at_another() {
    let mut world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let intent = latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system());
    world.org = world.app.create_organization(&intent, "other".into(), "Other".into()).await.unwrap().id;
    world.service("wiki", SP, ACS, ServiceSettings::default(), Level::Asserted).await;
    let started = world.start(&world.request()).await;
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    assert_eq!(world.finish(&started, &proof).await.code(), "LK-DEVICE-404");
    // Not even the key was looked up across: to the other organization the sender is somebody who proved nothing.
    let remembered = world.all::<latchkey_directory::records::RefusalCount>().await;
    assert!(remembered.len() == 1 && !remembered[0].proven, "{remembered:?}");
    assert!(world.sessions().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_a_proof_is_good_once_over_all_nodes() {
    let postgres = crate::private_postgres::PrivatePostgres::start();
    postgres.sql("postgres", "CREATE DATABASE cloud");
    let one = World::node(&postgres.url("cloud")).await;
    one.furnish().await;
    let other = World::node(&postgres.url("cloud")).await;
    assert_eq!(one.org, other.org);
    let anna = one.person("anna", Level::Asserted).await;
    // What one node began another one ends, and then it is over on both.
    let started = one.start(&one.request()).await;
    let proof = one.proof(&anna, &started, |_, _| ()).await;
    let granted = other.finish(&started, &proof).await;
    assert_eq!(granted.code(), "ok", "{}", granted.text());
    for node in [&one, &other] {
        assert_eq!(node.finish(&started, &proof).await.code(), "LK-PROOF-010");
    }
    // At the same time on both: one session.
    let started = other.start(&other.request()).await;
    let proof = other.proof(&anna, &started, |_, _| ()).await;
    let tries = (0..20).map(|n| if n % 2 == 0 { &one } else { &other }.finish(&started, &proof));
    let codes: Vec<_> = futures_util::future::join_all(tries).await.iter().map(super::world::Answer::code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 1, "{codes:?}");
    assert_eq!(one.sessions().await.len(), 2);
    for world in [one, other] {
        world.app.directory.close().await;
    }
}

#[tokio::test]
async fn a20_nobody_signs_for_somebody_else() {
    let world = World::new().await;
    let (anna, ben) = (world.person("anna", Level::Asserted).await, world.person("ben", Level::Asserted).await);
    let started = world.start(&world.request()).await;
    let stolen = world.proof(&ben, &started, |_, proof| proof.binding_id.clone_from(&anna.binding)).await;
    assert_eq!(world.finish(&started, &stolen).await.code(), "LK-ENROLL-010");
    let crossed = world.proof(&ben, &started, |_, proof| proof.device_id.clone_from(&anna.device)).await;
    assert_eq!(world.finish(&started, &crossed).await.code(), "LK-DEVICE-404");
    let unknown = world.proof(&ben, &started, |_, proof| proof.binding_id = "nobody".into()).await;
    assert_eq!(world.finish(&started, &unknown).await.code(), "LK-DEVICE-404");
    let rubbish = world.finish(&started, "a.b.c").await;
    assert_eq!((rubbish.status.as_u16(), rubbish.code().as_str()), (401, "LK-ENROLL-010"));
    assert!(world.sessions().await.is_empty());
}

/// Who proved to be one device could otherwise write events about any other, and as many as it can think of names.
#[tokio::test]
async fn a_refused_proof_names_the_device_of_its_key_and_no_other() {
    let world = World::new().await;
    let ben = world.person("ben", Level::Asserted).await;
    let started = world.start(&world.request()).await;
    for invented in 0..20 {
        let name = format!("{invented}{}", "x".repeat(300));
        let proof = world.proof(&ben, &started, |_, proof| proof.device_id.clone_from(&name)).await;
        assert_eq!(world.finish(&started, &proof).await.code(), "LK-DEVICE-404");
    }
    let events = world.all::<latchkey_directory::audit::AuditEvent>().await;
    let refused: Vec<_> = events.iter().filter(|event| event.action == "signin.saml").collect();
    assert_eq!(refused.len(), 1, "one a minute, whatever was named");
    assert!(!format!("{refused:?}").contains("xxx"), "{refused:?}");
    // What the binding's device is refused for stands under its name.
    world.set::<Device>(Device::id.eq(&ben.device), vec![Device::cur.set(&7)]).await;
    assert_eq!(world.sign_in(&ben).await.code(), "LK-PROOF-021");
    let events = world.all::<latchkey_directory::audit::AuditEvent>().await;
    assert_eq!(events.iter().filter(|event| event.actor == ben.device).count(), 1);
}

#[tokio::test]
async fn an_old_epoch_renews_first_and_the_one_before_counts_while_it_lives() {
    let world = World::new().await;
    let mut anna = world.person("anna", Level::Asserted).await;
    let before = anna.e.commitment();
    let next = latchkey_wire::EpochSecret::generate();
    world
        .set::<Device>(
            Device::id.eq(&anna.device),
            vec![
                Device::cur.set(&1),
                Device::v_cur.set(&next.commitment()),
                Device::v_prev.set(&Some(before)),
                Device::prev_alive.set(&true),
            ],
        )
        .await;
    assert_eq!(world.sign_in(&anna).await.code(), "ok", "the epoch before, alive");
    let old = anna.e.clone();
    (anna.e, anna.n) = (next, 1);
    assert_eq!(world.sign_in(&anna).await.code(), "ok", "the current one");
    (anna.e, anna.n) = (old, 0);
    let late = world.sign_in(&anna).await;
    assert_eq!(late.code(), "LK-PROOF-021", "the first use of the current one ended the one before");
    assert!(late.json()["signed"].is_string(), "a device that proved itself is told in signed form");
    assert_eq!(world.all::<Device>().await[0].state.to_string(), "registered", "never quarantine");
}

#[tokio::test]
async fn r10_the_level_is_stated_and_a_services_minimum_holds() {
    let world = World::new().await;
    for level in Level::ALL {
        let person = world.person("anna", level).await;
        for min in Level::ALL {
            let set = vec![latchkey_directory::records::Service::min_evidence.set(&min)];
            world.set::<latchkey_directory::records::Service>(latchkey_directory::query::Filter::all(), set).await;
            let answer = world.sign_in(&person).await;
            if level < min {
                assert_eq!(answer.code(), "LK-PROOF-014", "{level} at {min}");
                continue;
            }
            let xml = answer.saml();
            assert!(xml.contains(&format!("urn:latchkey:ac:evidence:{level}<")), "{level} at {min}");
            let attribute = xml.split("urn:latchkey:attribute:evidence-level").nth(1).unwrap();
            assert!(attribute.contains(&format!(">{level}</saml:AttributeValue>")));
        }
    }
}

#[tokio::test]
async fn r11_a_protected_user_needs_level_three_at_each_issuance() {
    let world = World::new().await;
    for level in Level::ALL {
        let person = world.person("boss", level).await;
        let expected = if level < Level::MdmSigned { "LK-PROOF-014" } else { "ok" };
        assert_eq!(world.sign_in(&person).await.code(), "ok");
        if level == Level::Asserted {
            world.group("admins", true, &person).await;
        } else {
            let row = world.all::<Membership>().await.remove(0);
            world.put(Membership { user_id: person.user.clone(), ..row }).await;
        }
        assert_eq!(world.sign_in(&person).await.code(), expected, "{level}");
    }
}

#[tokio::test]
async fn the_settings_of_a_service_are_kept() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    world.group("staff", false, &anna).await;
    let settings = ServiceSettings {
        name_id: "persistent".into(),
        attributes: serde_json::json!([{"name": "groups", "format": "basic", "source": "groups"}]),
        sign: SignWhat::Both,
        algorithm: SignAlgorithm::EcdsaP256,
        ..ServiceSettings::default()
    };
    world.service("shop", "https://shop.example", "https://shop.example/acs", settings, Level::Asserted).await;
    let request = super::request::AuthnRequest { issuer: "https://shop.example".into(), acs: None, ..world.request() };
    let xml = world.sign_in_with(&anna, &request).await.saml();
    assert_eq!(xml.matches("<ds:Signature ").count(), 2, "assertion and response");
    assert!(xml.contains("ecdsa-sha256") && !xml.contains("rsa-sha256"));
    assert!(xml.contains("nameid-format:persistent") && !xml.contains("anna@acme.example"));
    assert!(xml.contains(">staff</saml:AttributeValue>"));
    let again = world.sign_in_with(&anna, &request).await.saml();
    let name_id = |xml: &str| xml.split("</saml:NameID>").next().unwrap().rsplit('>').next().unwrap().to_owned();
    assert_eq!(name_id(&xml), name_id(&again));
}

#[tokio::test]
async fn a_grant_that_took_too_long_is_not_given_out() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    assert_eq!(world.sign_in(&anna).await.code(), "ok");
    world.delay_ms.store(701, std::sync::atomic::Ordering::SeqCst);
    let late = world.sign_in(&anna).await;
    assert_eq!((late.status.as_u16(), late.code().as_str()), (503, "LK-CLOUD-503"));
    world.delay_ms.store(0, std::sync::atomic::Ordering::SeqCst);
    let ended: Vec<_> = world.sessions().await.into_iter().filter_map(|s| s.ended_reason).collect();
    assert_eq!(ended, ["not_delivered"]);
    world.delay_ms.store(699, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(world.sign_in(&anna).await.code(), "ok");
}

#[tokio::test]
async fn a_binding_says_when_it_was_last_used() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    world.sign_in(&anna).await;
    assert_eq!(world.all::<Binding>().await[0].last_used_at, Some(world.now()));
}

#[tokio::test]
async fn finish_takes_json_of_a_moderate_size_only() {
    let world = World::new().await;
    let path = world.path("signin/finish");
    let post = |kind: &str, body: String| {
        http::Request::post(path.clone()).header("content-type", kind).body(axum::body::Body::from(body)).unwrap()
    };
    assert_eq!(world.send(post("text/plain", "{}".into())).await.status, 415);
    assert_eq!(world.send(post("application/json", "{}".into())).await.status, 400);
    assert_eq!(world.send(post("application/json", "x".repeat(100_000))).await.status, 413);
    let rubbish = r#"{"txn":"x","proof":"y"}"#.to_owned();
    assert_eq!(world.send(post("application/json", rubbish)).await.code(), "LK-PROOF-010");
}

/// Sends the same from one address until it is not heard any more; `false` if that does not come.
async fn is_shut_out(world: &World, from: IpAddr, mut request: impl FnMut() -> http::Request<Body>) -> bool {
    for _ in 0..50 {
        let mut request = request();
        request.extensions_mut().insert(latchkey_server::serve::host::ClientAddr(from));
        let answer = world.send(request).await;
        if answer.status == 429 {
            return answer.headers.contains_key("retry-after");
        }
        assert_ne!(answer.code(), "ok");
    }
    false
}

#[tokio::test]
async fn a26_whatever_is_not_proven_counts_against_its_source() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let started = world.start(&world.request()).await;
    let good = world.proof(&anna, &started, |_, _| ()).await;
    let nobody = world.proof(&anna, &started, |_, proof| proof.binding_id = "nobody".into()).await;
    let finish = |org: &str, cookie: &str, body: String| {
        let request = http::Request::post(format!("/o/{org}/signin/finish"))
            .header("content-type", "application/json")
            .header("latchkey-agent", "1")
            .header("cookie", format!("__Host-lk-b={cookie}"));
        request.body(Body::from(body)).unwrap()
    };
    let said = |txn: &str, proof: &str| serde_json::json!({"txn": txn, "proof": proof}).to_string();
    let other = "c".repeat(43);
    let (org, cookie) = (world.org.as_str(), started.cookie.as_str());
    for (last, (what, org, cookie, body)) in (1..).zip([
        ("no transaction", org, cookie, said("garbage", &good)),
        ("no members", org, cookie, "{}".into()),
        ("no such organization", "0199c0de-0000-7000-8000-000000000000", cookie, said(&started.txn, &good)),
        ("another cookie", org, &other, said(&started.txn, &good)),
        ("nobody's binding", org, cookie, said(&started.txn, &nobody)),
    ]) {
        let from = IpAddr::from([192, 0, 2, last]);
        // All that is forgiven is used up.
        (0..300).for_each(|_| {
            let _ = world.app.limits.failed(from);
        });
        assert!(is_shut_out(&world, from, || finish(org, cookie, body.clone())).await, "{what}");
    }

    // A page is not a proof: it shuts nobody out, but a flood of them is answered by no more than that.
    let get = |path: String| http::Request::get(path).header("latchkey-agent", "1").body(Body::empty()).unwrap();
    world.set::<Service>(Filter::all(), vec![Service::metadata_sha256.set(&Bytes([0; 32]))]).await;
    world.set::<Service>(Filter::all(), vec![Service::metadata.set(&Blob(Vec::new()))]).await;
    for (what, path) in [
        ("no such service", world.path("saml/sso?service=nothere")),
        ("a service of no use", world.path("saml/sso?service=wiki")),
        ("no such organization", "/o/0199c0de-0000-7000-8000-000000000000/saml/sso?service=wiki".to_owned()),
        ("no request", world.path("saml/sso?SAMLRequest=x")),
    ] {
        let from = IpAddr::from([192, 0, 2, 99]);
        let request = || {
            while world.app.limits.unauthenticated(from).is_ok() {}
            get(path.clone())
        };
        assert!(is_shut_out(&world, from, request).await, "{what}");
        assert!(world.app.limits.admit(from).await.is_ok(), "{what}: what is proven still passes");
    }
}

#[tokio::test]
async fn a26_a_device_that_proves_itself_shuts_no_office_out_however_often_it_is_refused() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    world.delete::<Entitlement>(Filter::all()).await;
    let from = IpAddr::from([192, 0, 2, 1]);
    (0..300).for_each(|_| {
        let _ = world.app.limits.failed(from);
    });
    for _ in 0..5 {
        let started = world.start(&world.request()).await;
        let proof = world.proof(&anna, &started, |_, _| ()).await;
        let request = http::Request::post(world.path("signin/finish"))
            .header("content-type", "application/json")
            .header("latchkey-agent", "1")
            .header("cookie", format!("__Host-lk-b={}", started.cookie))
            .extension(latchkey_server::serve::host::ClientAddr(from));
        let body = serde_json::json!({"txn": started.txn, "proof": proof}).to_string();
        assert_eq!(world.send(request.body(Body::from(body)).unwrap()).await.code(), "LK-PROOF-020");
    }
}

#[tokio::test]
async fn a26_proofs_that_do_not_verify_shut_their_address_out_and_no_other() {
    let world = World::new().await;
    let started = world.start(&world.request()).await;
    let body = serde_json::json!({"txn": started.txn, "proof": "a.b.c"}).to_string();
    let from = |address: [u8; 4]| {
        http::Request::post(world.path("signin/finish"))
            .header("content-type", "application/json")
            .header("latchkey-agent", "1")
            .header("cookie", format!("__Host-lk-b={}", started.cookie))
            .extension(latchkey_server::serve::host::ClientAddr(address.into()))
            .body(axum::body::Body::from(body.clone()))
            .unwrap()
    };
    // 300 at once are forgiven, and five more each second that this takes.
    let mut tries = 0;
    let limited = loop {
        let answer = world.send(from([192, 0, 2, 1])).await;
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.code(), "LK-ENROLL-010");
        tries += 1;
        assert!(tries < 2_000, "never shut out");
    };
    assert!(tries >= 300, "{tries}");
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!(world.send(from([192, 0, 2, 2])).await.code(), "LK-ENROLL-010");
    assert_eq!(
        world.events("signin.saml", "refused").await,
        1,
        "a flood fills no disk: one event a network and minute"
    );
}

#[tokio::test]
async fn a26_who_proves_something_is_heard_also_from_an_address_that_is_shut_out() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let here = |request: http::request::Builder, body: String| {
        let client = latchkey_server::serve::host::ClientAddr([192, 0, 2, 1].into());
        world.send(request.extension(client).body(axum::body::Body::from(body)).unwrap())
    };
    let finish = |started: &super::world::Started, proof: &str| {
        let request = http::Request::post(world.path("signin/finish"))
            .header("content-type", "application/json")
            .header("latchkey-agent", "1")
            .header("cookie", format!("__Host-lk-b={}", started.cookie));
        here(request, serde_json::json!({"txn": started.txn, "proof": proof}).to_string())
    };
    let started = world.start(&world.request()).await;
    let mut tries = 0;
    while finish(&started, "a.b.c").await.status != 429 {
        tries += 1;
        assert!(tries < 2_000, "never shut out");
    }
    // A colleague behind the same address begins and ends a sign-in, and whoever goes on failing is told to stay away.
    for _ in 0..20 {
        let form = format!("SAMLRequest={}", super::world::encode(&world.request().xml()));
        let request = http::Request::post(world.path("saml/sso"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("latchkey-agent", "1");
        let begun = here(request, form).await;
        assert_eq!(begun.code(), "ok", "{}", begun.text());
        let said = begun.json();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let started = super::world::Started { txn: text("txn"), challenge: text("challenge"), cookie: begun.cookie() };
        let proof = world.proof(&anna, &started, |_, _| ()).await;
        let answer = finish(&started, &proof).await;
        assert_eq!(answer.code(), "ok", "{}", answer.text());
        while finish(&started, "a.b.c").await.status != 429 {}
    }
    assert_eq!(world.sessions().await.len(), 20);
}
