//! Services, and where their metadata is taken from.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::routing::get;
use data_encoding::BASE64;
use latchkey_saml::SignatureAlgorithm;
use latchkey_saml::keys::GeneratedKey;
use latchkey_saml::metadata::HttpPolicy;
use serde_json::{Value, json};

use super::world::World;

const SERVICES: &str = "/api/v1/o/acme/services";

fn by_hand(name: &str) -> Value {
    json!({"name": name, "entity_id": format!("https://{name}.example"), "acs": [format!("https://{name}.example/acs")]})
}

#[tokio::test]
async fn a_service_is_described_by_hand_by_text_or_by_address() {
    let world = World::with_acme().await;
    let made = world.post(SERVICES, by_hand("wiki")).await.good();
    for (field, value) in [
        ("name_id", json!("email")),
        ("attributes", json!("basic")),
        ("sign", json!("assertion")),
        ("algorithm", json!("rsa-sha256")),
        ("min_evidence", json!(0)),
        ("idp_initiated", json!(false)),
        ("allow_http", json!(false)),
        ("entitle", json!(["everyone"])),
        ("acs", json!(["https://wiki.example/acs"])),
        ("protocol", json!("saml")),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let text = "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://shop.example\">\
        <SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><AssertionConsumerService index=\"0\" \
        Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://shop.example/acs\"/></SPSSODescriptor>\
        </EntityDescriptor>";
    let made = world.post(SERVICES, json!({"name": "shop", "metadata": text, "name_id": "persistent"})).await.good();
    assert_eq!((&made["entity_id"], &made["name_id"]), (&json!("https://shop.example"), &json!("persistent")));
    let listed = world.get(SERVICES).await.good();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert!(names.contains(&json!("wiki")) && names.contains(&json!("shop")));
    assert_eq!(world.post(SERVICES, by_hand("wiki")).await.refusal(), (409, "LK-API-007".into()));
    // By name and by id alike.
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("{SERVICES}/{id}")).await.good(),
        world.get(&format!("{SERVICES}/shop")).await.good()
    );
    assert_eq!(world.delete(&format!("{SERVICES}/shop")).await.status, 204);
    assert_eq!(world.get(&format!("{SERVICES}/shop")).await.refusal(), (404, "LK-API-004".into()));
}

#[tokio::test]
async fn what_is_wrong_with_a_service_is_told_at_once() {
    let world = World::with_acme().await;
    let wrong = json!({"name_id": "mail", "attributes": [{"name": "x"}], "entitle": ["everyone", "staff"]});
    let answer = world.post(SERVICES, wrong).await;
    assert_eq!(answer.refusal(), (422, "LK-API-010".into()));
    let mut pointers = answer.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/attributes", "/entitle/1", "/name", "/name_id"]);
    let both = json!({"name": "x", "metadata": "<x/>", "entity_id": "x", "acs": ["https://x.example"]});
    assert_eq!(world.post(SERVICES, both).await.pointers(), ["/metadata"]);
    assert_eq!(world.post(SERVICES, json!({"name": "x", "entity_id": "x"})).await.pointers(), ["/acs"]);
    assert_eq!(world.post(SERVICES, json!({"name": "x"})).await.pointers(), ["/metadata"]);
    assert_eq!(world.post(SERVICES, json!({"name": "x", "metadata": "<x/>"})).await.pointers(), ["/metadata"]);
    assert_eq!(world.post(SERVICES, json!({"nam": "x"})).await.refusal(), (400, "LK-API-003".into()));
    // One limit, with one code, however much the quoting adds.
    let long = json!({"name": "x", "metadata": "\"".repeat(1024 * 1024 + 1)});
    let answer = world.post(SERVICES, long).await;
    assert_eq!(answer.pointers(), ["/metadata"]);
    assert!(answer.text.contains("LK-SAML-030"), "{}", answer.text);
}

#[tokio::test]
async fn a31_a_consumer_address_is_https_and_nothing_else() {
    let world = World::with_acme().await;
    let with = |acs: &str| json!({"name": "wiki", "entity_id": "https://wiki.example", "acs": [acs]});
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://wiki.example/acs",
        "http://wiki.example/acs",
        "https://a:b@wiki.example/acs",
        "https://wiki.example/acs#x",
        "//wiki.example/acs",
        "https://wiki.example/ acs",
    ] {
        let answer = world.post(SERVICES, with(bad)).await;
        assert_eq!((answer.refusal().0, answer.pointers()), (422, vec!["/acs".to_owned()]), "{bad}");
    }
    let mut allowed = with("http://wiki.example/acs");
    allowed["allow_http"] = true.into();
    world.post(SERVICES, allowed).await.good();
    let back = world.patch(&format!("{SERVICES}/wiki"), json!({"allow_http": false})).await;
    assert_eq!(back.pointers(), ["/allow_http"], "what is stored would not be good any more");
    world.post(SERVICES, json!({"name": "lab", "entity_id": "lab", "acs": ["http://127.0.0.1:9000/acs"]})).await.good();
}

/// A server on loopback that answers with this service's metadata.
async fn publisher(acs: &'static str) -> String {
    let text =
        crate::saml::known::by_hand("https://wiki.example", &[acs.to_owned()], crate::saml::known::http_policy(false));
    let text = text.unwrap();
    serves(move || text.clone()).await
}

/// A server on loopback that answers with this.
async fn serves(text: impl Fn() -> String + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metadata", listener.local_addr().unwrap());
    let app = Router::new().route("/metadata", get(move || async move { text() }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn a31_metadata_on_this_machine_is_fetched_for_the_operator_only() {
    let world = World::with_acme().await;
    let url = publisher("https://wiki.example/acs").await;
    let body = json!({"name": "wiki", "metadata_url": url});
    let bearer = world.access_token("acme", &["services:write"]).await;
    let client = world.ask("POST", SERVICES).public().header("authorization", &format!("Bearer {bearer}"));
    let refused = client.json(&body).send().await;
    assert!(refused.refusal().1.starts_with("LK-FETCH-"), "{}", refused.text);
    assert_eq!(refused.pointers(), ["/metadata_url"]);
    let made = world.post(SERVICES, body).await.good();
    assert_eq!((&made["metadata_url"], &made["acs"]), (&json!(url), &json!(["https://wiki.example/acs"])));
}

#[tokio::test]
async fn a_refresh_waits_until_it_is_approved() {
    let world = World::with_acme().await;
    let (old, new) = (publisher("https://wiki.example/acs").await, publisher("https://wiki.example/new").await);
    world.post(SERVICES, json!({"name": "wiki", "metadata_url": old})).await.good();
    let refresh = format!("{SERVICES}/wiki/refresh");
    assert_eq!(world.post(&refresh, json!({})).await.good()["refresh"], "unchanged");
    // The publisher moves, as far as the store knows, and what it publishes differs.
    world.patch(&format!("{SERVICES}/wiki"), json!({"metadata_url": old})).await.good();
    let org = world.app.directory.organization("acme").await.unwrap().id;
    let change = move |tx: &mut dyn latchkey_directory::store::WriteTx| {
        use latchkey_directory::records::Service;
        let set = [Service::metadata_url.set(&Some(new.clone()))];
        latchkey_directory::Org::of(tx, &org).update::<Service>(latchkey_directory::query::Filter::all(), &set)
    };
    world.app.directory.write::<_, latchkey_directory::store::StoreError>(change).await.unwrap();
    let found = world.post(&refresh, json!({})).await.good();
    assert_eq!((&found["refresh"], &found["found"]["acs"]), (&json!("pending"), &json!(["https://wiki.example/new"])));
    assert_eq!(found["acs"], json!(["https://wiki.example/acs"]), "not yet");
    let seen = found["metadata_pending_sha256"].clone();
    let other = "00".repeat(32);
    assert_eq!(world.post(&refresh, json!({"approve": other})).await.refusal(), (409, "LK-API-008".into()));
    assert_eq!(world.post(&refresh, json!({"approve": "x"})).await.pointers(), ["/approve"]);
    let applied = world.post(&refresh, json!({"approve": seen})).await.good();
    assert_eq!((&applied["refresh"], &applied["acs"]), (&json!("applied"), &json!(["https://wiki.example/new"])));
    world.post(SERVICES, by_hand("shop")).await.good();
    assert_eq!(world.post(&format!("{SERVICES}/shop/refresh"), json!({})).await.refusal(), (409, "LK-API-008".into()));
}

/// Metadata with an honest signature. It is written as canonicalization would write it, so that its bytes are what is signed.
fn signed(entity_id: &str, acs: &str, key: &GeneratedKey) -> String {
    let head = format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_m\" entityID=\"{entity_id}\">"
    );
    let rest = format!(
        "<md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:AssertionConsumerService \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{acs}\" index=\"0\"></md:AssertionConsumerService>\
         </md:SPSSODescriptor></md:EntityDescriptor>"
    );
    let digest = BASE64.encode(&latchkey_directory::sha256(format!("{head}{rest}").as_bytes()).0);
    let (dsig, c14n) = ("http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/10/xml-exc-c14n#");
    let algorithm = |element: &str, uri: &str| format!("<ds:{element} Algorithm=\"{uri}\"></ds:{element}>");
    let info = format!(
        "<ds:SignedInfo xmlns:ds=\"{dsig}\">{}{}<ds:Reference URI=\"#_m\"><ds:Transforms>{}{}</ds:Transforms>{}\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        algorithm("CanonicalizationMethod", c14n),
        algorithm("SignatureMethod", key.algorithm.uri()),
        algorithm("Transform", &format!("{dsig}enveloped-signature")),
        algorithm("Transform", c14n),
        algorithm("DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256"),
    );
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.pkcs8).unwrap();
    let value = BASE64.encode(pair.sign(&SystemRandom::new(), info.as_bytes()).unwrap().as_ref());
    format!(
        "{head}<ds:Signature xmlns:ds=\"{dsig}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>{rest}"
    )
}

#[tokio::test]
async fn metadata_must_be_signed_where_a_certificate_is_set_and_then_a_refresh_needs_no_approval() {
    let world = World::with_acme().await;
    let now = crate::saml::jiff_time(world.app.directory.now());
    let make = || latchkey_saml::keys::generate(SignatureAlgorithm::EcdsaP256, "federation", now, 5).unwrap();
    let (federation, stranger) = (make(), make());
    let certificate = BASE64.encode(&federation.certificate);
    let (sp, acs, new) = ("https://wiki.example", "https://wiki.example/acs", "https://wiki.example/new");
    let published = Arc::new(Mutex::new(signed(sp, acs, &federation)));
    let publish = |text: String| *published.lock().unwrap() = text;
    let url = serves({
        let published = Arc::clone(&published);
        move || published.lock().unwrap().clone()
    })
    .await;
    let wiki = |text: String| json!({"name": "wiki", "metadata": text, "metadata_certificate": certificate});

    // At the first look.
    for (what, text) in [
        ("unsigned", crate::saml::known::by_hand(sp, &[acs.to_owned()], HttpPolicy::HttpsOnly).unwrap()),
        ("by another", signed(sp, acs, &stranger)),
        ("altered", signed(sp, acs, &federation).replace("/acs", "/evil")),
    ] {
        let answer = world.post(SERVICES, wiki(text)).await;
        assert_eq!((answer.refusal().0, answer.pointers()), (422, vec!["/metadata".to_owned()]), "{what}");
        assert!(answer.text.contains("LK-SAML-034"), "{what}: {}", answer.text);
    }
    let mut hand = by_hand("wiki");
    hand["metadata_certificate"] = certificate.clone().into();
    assert_eq!(world.post(SERVICES, hand).await.pointers(), ["/metadata_certificate"]);
    let mut rubbish = by_hand("wiki");
    rubbish["metadata_certificate"] = "rubbish".into();
    assert_eq!(world.post(SERVICES, rubbish).await.pointers(), ["/metadata_certificate"]);
    let mut body = wiki(String::new());
    body.as_object_mut().unwrap().remove("metadata");
    body["metadata_url"] = url.into();
    let made = world.post(SERVICES, body).await.good();
    let fingerprint = data_encoding::HEXLOWER.encode(&latchkey_directory::sha256(&federation.certificate).0);
    assert_eq!(made["metadata_certificate_sha256"], fingerprint);

    // At each refresh: what does not verify is not even kept to be approved.
    let refresh = format!("{SERVICES}/wiki/refresh");
    for text in [signed(sp, new, &stranger), signed(sp, acs, &federation).replace("/acs", "/evil")] {
        publish(text);
        assert_eq!(world.post(&refresh, json!({})).await.refusal(), (400, "LK-SAML-034".into()));
    }
    let wiki = format!("{SERVICES}/wiki");
    assert_eq!(world.get(&wiki).await.good()["metadata_pending_sha256"], Value::Null);
    // What does, is taken; but not another service of the same federation in this one's place.
    publish(signed(sp, new, &federation));
    let applied = world.post(&refresh, json!({})).await.good();
    assert_eq!((&applied["refresh"], &applied["acs"]), (&json!("applied"), &json!([new])));
    publish(signed("https://other.example", "https://other.example/acs", &federation));
    assert_eq!(world.post(&refresh, json!({})).await.good()["refresh"], "pending");

    // Other changes keep it; taken away, a change waits again.
    let kept = world.patch(&wiki, json!({"min_evidence": 1})).await.good();
    assert_eq!(kept["metadata_certificate_sha256"], fingerprint);
    let without = world.patch(&wiki, json!({"metadata_certificate": null})).await.good();
    assert_eq!(without["metadata_certificate_sha256"], Value::Null);
    publish(signed(sp, acs, &stranger));
    assert_eq!(world.post(&refresh, json!({})).await.good()["refresh"], "pending");
}

#[tokio::test]
async fn entitlements_are_listed_added_and_taken_back() {
    let world = World::with_acme().await;
    world.post("/api/v1/o/acme/domains/acme.example/verify", json!({"operator_word": "lab"})).await.good();
    world.post("/api/v1/o/acme/groups", json!({"name": "staff"})).await.good();
    world.post("/api/v1/o/acme/users", json!({"login_name": "anna@acme.example"})).await.good();
    world.post(SERVICES, by_hand("wiki")).await.good();
    let lines = format!("{SERVICES}/wiki/entitlements");
    let made = world.post(&lines, json!({"entitle": "group:staff"})).await.good();
    assert_eq!((&made["kind"], &made["subject_name"]), (&json!("group"), &json!("staff")));
    assert_eq!(world.post(&lines, json!({"entitle": "group:staff"})).await.refusal(), (409, "LK-API-007".into()));
    assert_eq!(world.post(&lines, json!({"entitle": "group:none"})).await.refusal().0, 422);
    world.post(&lines, json!({"entitle": "user:Anna@acme.example"})).await.good();
    assert_eq!(world.get(&lines).await.good()["items"].as_array().unwrap().len(), 3);
    let shown = world.get(&format!("{SERVICES}/wiki")).await.good();
    let mut words: Vec<_> =
        shown["entitle"].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect();
    words.sort();
    assert_eq!(words, ["everyone", "group:staff", "user:anna@acme.example"]);
    let line = format!("{lines}/{}", made["id"].as_str().unwrap());
    assert_eq!(world.delete(&line).await.status, 204);
    assert_eq!(world.delete(&line).await.refusal().0, 404);
    let replaced =
        world.patch(&format!("{SERVICES}/wiki"), json!({"entitle": ["user:anna@acme.example"]})).await.good();
    assert_eq!(replaced["entitle"], json!(["user:anna@acme.example"]));
}

#[tokio::test]
async fn a_preview_and_a_hand_over_say_what_a_sign_in_would() {
    let world = World::new().await;
    let intent = latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system());
    world.app.create_organization(&intent, "acme".into(), "Acme".into()).await.unwrap();
    world.post("/api/v1/o/acme/domains", json!({"name": "acme.example"})).await.good();
    world.post("/api/v1/o/acme/domains/acme.example/verify", json!({"operator_word": "lab"})).await.good();
    let anna = json!({"login_name": "anna@acme.example", "display_name": "Anna Berg"});
    world.post("/api/v1/o/acme/users", anna).await.good();
    world.post(SERVICES, by_hand("wiki")).await.good();
    let preview = format!("{SERVICES}/wiki/preview");
    let told = world.post(&preview, json!({"user": "anna@acme.example"})).await.good();
    assert_eq!(told["name_id"], json!({"format": "email", "value": "anna@acme.example"}));
    assert_eq!((&told["entitled"], &told["attributes"][1]["values"]), (&json!(true), &json!(["Anna Berg"])));
    assert_eq!(world.post(&preview, json!({})).await.pointers(), ["/user"]);
    // It answers who somebody is: the right to read services is not enough.
    for (scopes, status) in [(&["services:read"][..], 403), (&["services:read", "users:read"], 200)] {
        let token = world.access_token("acme", scopes).await;
        let ask = world.ask("POST", &preview).bearer(&token).json(&json!({"user": "anna@acme.example"}));
        assert_eq!(ask.send().await.status, status, "{scopes:?}");
    }
    let nobody = world.post(&preview, json!({"user": "nobody@acme.example"})).await;
    assert_eq!(nobody.refusal(), (404, "LK-API-004".into()));
    assert!(nobody.text.contains("latchkey user create nobody@acme.example"), "{}", nobody.text);
    let sheet = world.get(&format!("{SERVICES}/wiki/handover?for=mellon")).await.good();
    let text = sheet["text"].as_str().unwrap();
    assert!(text.contains("Mellon") && text.contains("https://wiki.example/acs") && text.contains("BEGIN CERTIFICATE"));
    assert_eq!(world.get(&format!("{SERVICES}/wiki/handover?for=netscape")).await.pointers(), ["/for"]);
    let metadata = world.get("/api/v1/o/acme/idp-metadata").await;
    assert_eq!(metadata.headers["content-type"], "application/samlmetadata+xml");
    assert!(metadata.text.contains("IDPSSODescriptor"));
}
