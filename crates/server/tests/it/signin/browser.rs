//! Requests as services and attackers send them, and what a browser gets.

use axum::body::Body;
use http::Request;
use latchkey_directory::audit::AuditEvent;
use latchkey_directory::services::ServiceSettings;
use latchkey_wire::Level;

use super::request::AuthnRequest;
use super::world::{ACS, SP, World, decode};

/// The form of the page that posts to a service: where, and its fields.
fn form(page: &str) -> (String, Vec<(String, String)>) {
    let value = |text: &str, name: &str| {
        text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let action = value(page, "action");
    let fields = page.split("<input ").skip(1).map(|input| (value(input, "name"), value(input, "value"))).collect();
    (action, fields)
}

#[tokio::test]
async fn a_person_without_a_connector_is_asked_who_it_is_and_sees_for_which_service() {
    let world = World::new().await;
    let answer = world.post_request(false, &world.request().xml(), None).await;
    assert_eq!(answer.status, 200);
    let page = answer.text();
    assert!(page.contains("to go on to wiki") && page.contains("name=\"login_name\"") && page.contains("lang=\"en\""));
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn is_passive_gets_no_passive_and_never_a_page() {
    let world = World::new().await;
    let request = world.request().with("IsPassive=\"true\"");
    let answer = world.post_request(false, &request.xml(), Some("a\"><script>b")).await;
    assert_eq!(answer.status, 200);
    let page = answer.text();
    let (action, fields) = form(&page);
    assert_eq!(action, ACS);
    let xml = decode(&fields[0].1);
    assert!(xml.contains("status:NoPassive") && xml.contains("InResponseTo=\"_request1\""));
    assert!(!xml.contains("<saml:Assertion") && !xml.contains("<ds:Signature "));
    assert_eq!(fields[1], ("RelayState".into(), "a&quot;&gt;&lt;script&gt;b".into()), "echoed, inert");
    // The same for an agent whose person may not.
    let anna = world.person("anna", Level::Asserted).await;
    world.delete::<latchkey_directory::records::Entitlement>(latchkey_directory::query::Filter::all()).await;
    let answer = world.sign_in_with(&anna, &request).await;
    assert_eq!(answer.json()["refused"]["code"], "LK-PROOF-020");
    let xml = answer.saml();
    assert!(xml.contains("status:NoPassive") && !xml.contains("<saml:Assertion"));
    assert_eq!(world.events("signin.saml", "refused").await, 2);
}

#[tokio::test]
async fn is_passive_is_satisfied_by_a_silent_proof_and_force_authn_is_not() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    assert!(world.sign_in_with(&anna, &world.request().with("IsPassive=\"true\"")).await.saml().contains("Success"));
    let force = world.request().with("ForceAuthn=\"true\"");
    assert_eq!(world.sign_in_with(&anna, &force).await.code(), "LK-PROOF-014");
    let started = world.start(&force).await;
    let present = world.proof(&anna, &started, |_, proof| proof.presence = true).await;
    assert_eq!(world.finish(&started, &present).await.code(), "ok");
}

#[tokio::test]
async fn the_posting_page_works_without_script_and_allows_only_its_own() {
    let world = World::new().await;
    let answer = world.post_request(false, &world.request().with("IsPassive=\"true\"").xml(), None).await;
    let page = answer.text();
    assert!(page.contains("<button type=\"submit\">"));
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(page.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(!policy.contains("unsafe"));
}

#[tokio::test]
async fn r22_a14_an_answer_goes_only_to_an_address_from_metadata() {
    let world = World::new().await;
    for evil in
        ["https://evil.example/acs", "https://wiki.example/acs/", "https://wiki.example/ACS", "javascript:alert(1)", ""]
    {
        let request = AuthnRequest { acs: Some(evil.into()), ..world.request() };
        for agent in [true, false] {
            let answer = world.post_request(agent, &request.xml(), None).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "LK-SAML-011"), "{evil} {agent}");
            assert!(!answer.headers.contains_key("location") && !answer.text().contains("SAMLResponse"));
        }
    }
    let elsewhere = AuthnRequest { destination: "https://other.example/sso".into(), ..world.request() };
    assert_eq!(world.post_request(true, &elsewhere.xml(), None).await.code(), "LK-SAML-013");
    let stranger = AuthnRequest { issuer: "https://stranger.example".into(), ..world.request() };
    assert_eq!(world.post_request(true, &stranger.xml(), None).await.code(), "LK-SAML-010");
}

#[tokio::test]
async fn r22_a14_relay_state_is_opaque() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    for relay_state in ["https://evil.example/", "//evil.example", "javascript:alert(1)", "'\"<&>"] {
        let answer = world.post_request(true, &world.request().xml(), Some(relay_state)).await;
        let said = answer.json();
        let started = super::world::Started {
            txn: said["txn"].as_str().unwrap().into(),
            challenge: said["challenge"].as_str().unwrap().into(),
            cookie: answer.cookie(),
        };
        let proof = world.proof(&anna, &started, |_, _| ()).await;
        let finished = world.finish(&started, &proof).await;
        assert_eq!(finished.json()["relay_state"], relay_state);
        assert_eq!(finished.json()["destination"], ACS);
    }
    let long = world.post_request(true, &world.request().xml(), Some(&"x".repeat(2049))).await;
    assert_eq!(long.code(), "LK-SAML-004");
    let full = world.post_request(true, &world.request().xml(), Some(&"x".repeat(2048))).await;
    assert_eq!(full.code(), "ok");
}

#[tokio::test]
async fn r22_a13_a_sign_in_begins_here_only_where_the_service_allows_it() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let get = |service: &str| {
        let path = format!("{}?service={service}&RelayState=home", world.path("saml/sso"));
        Request::get(path).header("latchkey-agent", "1").body(Body::empty()).unwrap()
    };
    assert_eq!(world.send(get("wiki")).await.code(), "LK-SIGNIN-003", "off by default");
    assert_eq!(world.send(get("nothing")).await.status, 404);
    let settings = ServiceSettings { idp_initiated: true, ..ServiceSettings::default() };
    world.service("shop", "https://shop.example", "https://shop.example/acs", settings, Level::Asserted).await;
    let answer = world.send(get("shop")).await;
    let started = super::world::Started {
        txn: answer.json()["txn"].as_str().unwrap().into(),
        challenge: answer.json()["challenge"].as_str().unwrap().into(),
        cookie: answer.cookie(),
    };
    let proof = world.proof(&anna, &started, |_, _| ()).await;
    let finished = world.finish(&started, &proof).await;
    let xml = finished.saml();
    assert!(!xml.contains("InResponseTo") && xml.contains("Recipient=\"https://shop.example/acs\""));
    assert_eq!(finished.json()["relay_state"], "home");
}

#[tokio::test]
async fn a_cookie_is_one_for_a_browser_and_secure() {
    let world = World::new().await;
    let first = world.post_request(true, &world.request().xml(), None).await;
    let header = first.headers["set-cookie"].to_str().unwrap();
    for part in ["__Host-lk-b=", "Path=/", "Secure", "HttpOnly", "SameSite=None"] {
        assert!(header.contains(part), "{part}");
    }
    assert!(!header.contains("Domain"));
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair(
            "SAMLRequest",
            &base64::Engine::encode(&base64::engine::general_purpose::STANDARD, world.request().xml()),
        )
        .finish();
    let again = Request::post(world.path("saml/sso"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("latchkey-agent", "1")
        .header("cookie", format!("other=1; __Host-lk-b={}", first.cookie()));
    let again = world.send(again.body(Body::from(form)).unwrap()).await;
    assert_eq!(again.status, 200);
    assert!(!again.headers.contains_key("set-cookie"), "it has one already");
}

#[tokio::test]
async fn a15_bombs_and_other_documents_are_refused_early() {
    let world = World::new().await;
    let dtd = format!("<!DOCTYPE x [<!ENTITY a \"aaaa\">]>{}", world.request().xml());
    let external = format!("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">{}", world.request().xml());
    let comment = world.request().containing("<!-- c -->").xml();
    let instruction = format!("<?evil x?>{}", world.request().xml());
    let deep = world.request().containing(&format!("{}{}", "<a>".repeat(40), "</a>".repeat(40))).xml();
    let wide = world.request().containing(&"<a/>".repeat(2001)).xml();
    for (what, xml) in [
        ("entities", dtd),
        ("external", external),
        ("comment", comment),
        ("instruction", instruction),
        ("deep", deep),
        ("wide", wide),
    ] {
        let answer = world.post_request(true, &xml, None).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "LK-SAML-002"), "{what}");
    }
    let large = world.request().containing(&format!("<a>{}</a>", "x".repeat(70_000))).xml();
    assert_eq!(world.post_request(true, &large, None).await.status, 400);
    assert_eq!(world.post_form(true, format!("SAMLRequest={}", "A".repeat(300_000))).await.status, 413);
    let twice = world.post_form(true, "SAMLRequest=AA%3D%3D&SAMLRequest=AA%3D%3D".into()).await;
    assert_eq!(twice.code(), "LK-SAML-001");
    // "<" and 200,000 spaces, deflated.
    let bomb = "7cGxAAAAAAIwlUDy54qhf1sDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAANwG";
    let path = format!("{}?SAMLRequest={bomb}", world.path("saml/sso"));
    let answer = world.send(Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.code(), "LK-SAML-001");
    assert!(world.sessions().await.is_empty());
}

#[tokio::test]
async fn a09_a_wrapped_or_forged_signature_is_refused() {
    let world = World::new().await;
    let signature = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
        <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
        <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
        <ds:Reference URI=\"#_request1\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
        </ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>AAAA</ds:DigestValue>\
        </ds:Reference></ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue></ds:Signature>";
    let forged = world.request().containing(signature);
    let answer = world.post_request(true, &forged.xml(), None).await;
    assert_eq!(answer.code(), "LK-SAML-024", "no key is stored, so no signature counts");
    let wrapped = world.request().containing(&format!("<samlp:Extensions>{}</samlp:Extensions>", forged.xml()));
    let answer = world.post_request(true, &wrapped.xml(), None).await;
    assert!(!answer.status.is_success() && answer.code().starts_with("LK-SAML-02"), "{}", answer.text());
}

#[tokio::test]
async fn what_a_service_asks_for_and_cannot_have_it_is_told() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Inventory).await;
    let smartcard = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI";
    for agent in [true, false] {
        let request = world.request().context("exact", smartcard);
        let answer = world.post_request(agent, &request.xml(), None).await;
        let xml = if agent { answer.saml() } else { decode(&form(&answer.text()).1[0].1) };
        assert!(xml.contains("status:NoAuthnContext") && xml.contains("LK-SAML-028"), "{xml}");
    }
    let exact = world.request().context("exact", "urn:latchkey:ac:evidence:1");
    let xml = world.sign_in_with(&anna, &exact).await.saml();
    assert!(xml.contains("status:Responder") && xml.contains("status:NoAuthnContext") && xml.contains("LK-SAML-028"));
    let minimum = world.request().context("minimum", "urn:latchkey:ac:evidence:3");
    assert_eq!(world.sign_in_with(&anna, &minimum).await.code(), "LK-PROOF-014");
    let password = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    let stated = world.sign_in_with(&anna, &world.request().context("exact", password)).await.saml();
    assert!(stated.contains(&format!("<saml:AuthnContextClassRef>{password}<")));

    let kerberos = "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos\"/>";
    let xml = world.post_request(true, &world.request().containing(kerberos).xml(), None).await.saml();
    assert!(xml.contains("status:InvalidNameIDPolicy"));
    let transient =
        "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\" AllowCreate=\"true\"/>";
    let xml = world.sign_in_with(&anna, &world.request().containing(transient)).await.saml();
    assert!(xml.contains("nameid-format:transient") && !xml.contains(">anna@acme.example</saml:NameID>"));
    let ben = "<saml:Subject><saml:NameID>ben@acme.example</saml:NameID></saml:Subject>";
    let xml = world.sign_in_with(&anna, &world.request().containing(ben)).await.saml();
    assert!(xml.contains("status:Requester") && xml.contains("status:UnknownPrincipal") && xml.contains("LK-SAML-029"));
    let reference = xml.split("LK-SAML-029 ").nth(1).unwrap().split('<').next().unwrap();
    assert!(world.reason_of(reference).await.contains("somebody else"));

    let old = AuthnRequest { issued: "2020-01-01T00:00:00Z".into(), ..world.request() };
    let xml = world.post_request(true, &old.xml(), None).await.saml();
    assert!(xml.contains("status:RequestDenied") && xml.contains("LK-SAML-014"));
}

#[tokio::test]
async fn a_service_is_told_what_it_asked_for_in_vain_and_the_log_knows_the_device() {
    let world = World::new().await;
    let anna = world.person("anna", Level::Asserted).await;
    let settings = ServiceSettings { name_id: "persistent".into(), ..ServiceSettings::default() };
    world.service("shop", "https://shop.example", "https://shop.example/acs", settings, Level::Asserted).await;
    let email = "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\"/>";
    let request = AuthnRequest {
        issuer: "https://shop.example".into(),
        acs: Some("https://shop.example/acs".into()),
        ..world.request().containing(email)
    };
    // IsPassive or not: what is wrong is not that nobody could be asked.
    for request in [request.clone().with("IsPassive=\"true\""), request] {
        let answer = world.sign_in_with(&anna, &request).await;
        assert_eq!(answer.json()["destination"], "https://shop.example/acs");
        let xml = answer.saml();
        assert!(xml.contains("status:Requester") && xml.contains("status:InvalidNameIDPolicy"), "{xml}");
        assert!(
            xml.contains("InResponseTo=\"_request1\"") && xml.contains("LK-SAML-026") && !xml.contains("Assertion>")
        );
        assert!(!xml.contains("NoPassive"));
        let refused = &answer.json()["refused"];
        assert_eq!(refused["code"], "LK-SAML-026", "the agent must not take it for a success");
        assert!(xml.contains(refused["ref"].as_str().unwrap()));
    }
    assert!(world.sign_in(&anna).await.json().get("refused").is_none());
    let events = world.all::<AuditEvent>().await;
    let event = events.iter().find(|event| event.outcome == "refused").unwrap();
    let shop = world.app.directory.service_record(&world.org, "shop").await.unwrap();
    assert_eq!((event.actor_kind.as_str(), &event.actor), ("device", &anna.device));
    assert_eq!(event.target, shop.id);
}

#[tokio::test]
async fn the_redirect_binding_is_read() {
    let world = World::new().await;
    // RFC 1951: one stored block, so that the test needs no compressor.
    let xml = world.request().xml();
    let length = u16::try_from(xml.len()).unwrap();
    let packed = [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes()[..], xml.as_bytes()].concat();
    let packed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, packed);
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("SAMLRequest", &packed).finish();
    let path = format!("{}?{query}", world.path("saml/sso"));
    let answer = world.send(Request::get(path).header("latchkey-agent", "1").body(Body::empty()).unwrap()).await;
    assert!(answer.json()["txn"].is_string());
}

#[tokio::test]
async fn our_metadata_is_signed_and_names_every_assertion_key() {
    let world = World::new().await;
    let get = || Request::get(world.path("saml/metadata")).body(Body::empty()).unwrap();
    let answer = world.send(get()).await;
    assert_eq!(answer.headers["content-type"], "application/samlmetadata+xml");
    let text = answer.text();
    assert_eq!((text.matches("<ds:Signature ").count(), text.matches("<md:KeyDescriptor ").count()), (1, 2));
    assert!(text.contains(&world.sso()));
    assert_eq!(world.send(get()).await.text(), text, "remembered");
    world.clock.advance(std::time::Duration::from_secs(1));
    let now = world.now();
    let org = world.org.clone();
    let new = latchkey_server::app::new_key(latchkey_directory::values::KeyUse::Assertion, "p-256", &org, "acme", now);
    let intent = latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system());
    let key = world.app.directory.add_key(&intent, &org, new.unwrap()).await.unwrap();
    world.app.keys.forget(&org);
    let three = world.send(get()).await.text();
    assert_eq!(three.matches("<md:KeyDescriptor ").count(), 3, "an upcoming key is published");
    world.app.directory.retire_key(&intent, &org, &key.id).await.unwrap();
    world.app.keys.forget(&org);
    assert_eq!(world.send(get()).await.text(), text, "and gone at once when it is retired");
    assert!(!text.contains(SP));
}
