//! Honest requests and metadata of many shapes, and bombs.

use latchkey_saml::attributes::{Facts, Mapping};
use latchkey_saml::authn_context::Comparison;
use latchkey_saml::keys::Certificate;
use latchkey_saml::metadata::{AcsUrlError, HttpPolicy, MetadataError, ServiceMetadata, SignaturePolicy};
use latchkey_saml::name_id::NameIdFormat;
use latchkey_saml::names::StatusCode;
use latchkey_saml::request::{Answer, CODES, IncomingRequest, RequestError, RequestFacts, RequestPolicy};
use proptest::prelude::*;

use crate::attack::signing_service;
use crate::fixture::{
    ACS, HERE, P256, SERVICE, SP, SSO, authn_request, base64, deflated, now, redirect_query, service, url_encoded,
};

pub(crate) fn redirect(query: &str, service: &ServiceMetadata) -> Result<RequestFacts, RequestError> {
    IncomingRequest::from_redirect(query)?
        .verify(service, &HERE, now(), &RequestPolicy::default())
        .map(latchkey_saml::request::VerifiedRequest::into_facts)
}

fn ask(attributes: &str, inside: &str) -> Result<RequestFacts, RequestError> {
    redirect(&redirect_query(&authn_request(attributes, inside)), &service())
}

fn metadata(inside: &str, attributes: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><!-- honest files have comments --><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{SP}" ID="_req1" {attributes}><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="1">{inside}</md:SPSSODescriptor></md:EntityDescriptor>"#
    )
}

fn acs(index: u16, location: &str) -> String {
    format!(
        r#"<md:AssertionConsumerService index="{index}" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{location}"/>"#
    )
}

fn parse(xml: &str) -> Result<ServiceMetadata, MetadataError> {
    ServiceMetadata::parse(xml.as_bytes(), now(), HttpPolicy::HttpsOnly)
}

#[test]
fn every_field_of_a_request_is_understood() {
    let facts = ask(
        &format!(
            r#"Destination="{SSO}" ForceAuthn="1" IsPassive="true" ProviderName="The Service" AttributeConsumingServiceIndex="3" AssertionConsumerServiceURL="https://sp.example/other" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST""#
        ),
        r#"<samlp:Extensions><x xmlns="urn:x:y">anything</x></samlp:Extensions><saml:Subject><saml:NameID>ada@acme.example</saml:NameID></saml:Subject><samlp:NameIDPolicy AllowCreate="true" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" SPNameQualifier="urn:group"/><samlp:RequestedAuthnContext Comparison="minimum"><saml:AuthnContextClassRef>urn:latchkey:ac:evidence:3</saml:AuthnContextClassRef></samlp:RequestedAuthnContext><samlp:Scoping ProxyCount="0"><samlp:RequesterID>urn:r</samlp:RequesterID></samlp:Scoping>"#,
    )
    .unwrap();
    assert!(facts.force_authn && facts.is_passive && !facts.signed);
    assert_eq!(facts.acs.as_str(), "https://sp.example/other");
    assert_eq!(facts.name_id_format, Some(NameIdFormat::Persistent));
    assert_eq!(facts.sp_name_qualifier.as_deref(), Some("urn:group"));
    assert_eq!(facts.subject.as_ref().unwrap().value, "ada@acme.example");
    assert_eq!(facts.authn_context.as_ref().unwrap().comparison, Comparison::Minimum);
    assert_eq!(facts.provider_name.as_deref(), Some("The Service"));

    let sealed = serde_json::to_string(&facts).unwrap();
    assert!(sealed.len() < 1024, "{}", sealed.len());
    assert_eq!(serde_json::from_str::<RequestFacts>(&sealed).unwrap(), facts);
}

#[test]
fn a_bare_request_goes_to_the_default_consumer() {
    assert_eq!(ask("", "").unwrap().acs.as_str(), ACS);
    assert_eq!(ask(r#"AssertionConsumerServiceIndex="1""#, "").unwrap().acs.as_str(), "https://sp.example/other");
    assert_eq!(ask(r#"AssertionConsumerServiceIndex="7""#, "").unwrap_err().code(), "LK-SAML-012");
}

#[test]
fn faults_a_service_can_act_on_are_answered_to_its_own_address() {
    let answered = |attributes: &str, inside: &str| match ask(attributes, inside).unwrap_err() {
        RequestError { answer: Answer::Respond { acs, in_response_to, top, second, .. }, .. } => {
            assert_eq!((acs.as_str(), in_response_to.as_str(), top), (ACS, "_req1", StatusCode::Requester));
            second.unwrap()
        }
        other => panic!("{other:?}"),
    };
    let artifact = r#"ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact""#;
    assert_eq!(answered(artifact, ""), StatusCode::UnsupportedBinding);
    let kerberos = r#"<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"/>"#;
    assert_eq!(answered("", kerberos), StatusCode::InvalidNameIdPolicy);
    assert_eq!(answered("", "<saml:Conditions/>"), StatusCode::RequestUnsupported);
}

#[test]
fn a14_a_request_for_another_provider_or_another_time_is_refused() {
    assert_eq!(ask(r#"Destination="https://other.example/sso""#, "").unwrap_err().code(), "LK-SAML-013");
    let at = |instant: &str| {
        let xml = authn_request("", "").replace("2026-11-24T11:59:50Z", instant);
        redirect(&redirect_query(&xml), &service()).map_err(|e| e.code())
    };
    for good in [
        "2026-11-24T11:52:00Z",
        "2026-11-24T12:03:00.5Z",
        "2026-11-24T12:02:59.9999999Z",
        "2026-11-24T13:00:00+01:00",
        "2026-11-24T12:00:00",
    ] {
        let result = at(good);
        assert_eq!(result.is_ok(), good != "2026-11-24T12:03:00.5Z", "{good}");
    }
    for bad in ["2026-11-24T11:51:59Z", "2026-11-24T12:03:01Z", "2025-11-24T12:00:00Z"] {
        assert_eq!(at(bad).unwrap_err(), "LK-SAML-014", "{bad}");
    }
    for broken in ["yesterday", "", "2026-11-24", "2026-13-24T12:00:00Z"] {
        assert_eq!(at(broken).unwrap_err(), "LK-SAML-003", "{broken}");
    }
}

#[test]
fn r22_a_response_goes_only_where_metadata_says_whatever_the_request_says() {
    let registered: Vec<String> = service().consumers.into_iter().map(|c| c.location).collect();
    for (url, accepted) in [
        (ACS.to_owned(), true),
        ("https://sp.example/other".to_owned(), true),
        (format!("{ACS}&z=3"), false),
        (ACS.to_uppercase(), false),
        (ACS.replace("https:", "http:"), false),
        (ACS.replace("sp.example", "sp.example:443"), false),
        (ACS.replace("/acs", "/%61cs"), false),
        (ACS.replace("/acs", "/x/../acs"), false),
        (format!("{ACS}#"), false),
        (format!(" {ACS}"), false),
    ] {
        let escaped = url.replace('&', "&amp;");
        match ask(&format!(r#"AssertionConsumerServiceURL="{escaped}""#), "") {
            Ok(facts) => assert!(accepted && registered.iter().any(|r| r == facts.acs.as_str()), "{url}"),
            Err(e) => assert!(!accepted && e.answer == Answer::Page && e.code() == "LK-SAML-011", "{url}: {e}"),
        }
    }
}

#[test]
fn a14_relay_state_is_opaque_bounded_and_never_used_as_an_address() {
    let with = |state: &str| format!("{}&RelayState={}", redirect_query(&authn_request("", "")), url_encoded(state));
    let state = "https://evil.example/?a=b&c=<script>";
    let facts = redirect(&with(state), &service()).unwrap();
    assert_eq!((facts.relay_state.as_deref(), facts.acs.as_str()), (Some(state), ACS));
    assert!(redirect(&with(&"x".repeat(2048)), &service()).is_ok());
    assert_eq!(redirect(&with(&"x".repeat(2049)), &service()).unwrap_err().code(), "LK-SAML-004");
    assert_eq!(redirect(&with("a\r\nb"), &service()).unwrap_err().code(), "LK-SAML-004");
}

/// Signs a query as a service does.
fn sign_query(query: &str, key: &latchkey_saml::keys::GeneratedKey) -> String {
    use aws_lc_rs::{rand::SystemRandom, rsa, signature};
    let key = rsa::KeyPair::from_pkcs8(&key.pkcs8).unwrap();
    let to_sign = format!("{query}&SigAlg={}", url_encoded("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"));
    let mut out = vec![0; key.public_modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), to_sign.as_bytes(), &mut out).unwrap();
    format!("{to_sign}&Signature={}", url_encoded(&base64(out)))
}

#[test]
fn a_redirect_signature_covers_the_raw_bytes() {
    let xml = authn_request(&format!(r#"Destination="{SSO}""#), "");
    // Lower-case escapes, which a re-encoding would change.
    let query = format!("{}&RelayState=a%2fb", redirect_query(&xml));
    let signed = sign_query(&query, &SERVICE);
    assert!(redirect(&signed, &signing_service()).unwrap().signed);
    let code = |q: &str| redirect(q, &signing_service()).unwrap_err().code();
    assert_eq!(code(&signed.replace("a%2fb", "a%2Fb")), "LK-SAML-021");
    assert_eq!(code(&signed.replace("a%2fb", "evil")), "LK-SAML-021");
    assert_eq!(code(&signed.replace("rsa-sha256", "rsa-sha512")), "LK-SAML-021");
    assert_eq!(code(&signed.replace("xmldsig-more%23rsa-sha256", "xmldsig%23rsa-sha1")), "LK-SAML-023");
    assert_eq!(code(&query), "LK-SAML-020");
    assert_eq!(code(&format!("{signed}&RelayState=evil")), "LK-SAML-001");
    assert_eq!(code(signed.split("&Signature").next().unwrap()), "LK-SAML-001");
    let without = sign_query(&redirect_query(&authn_request("", "")), &SERVICE);
    assert_eq!(code(&without), "LK-SAML-013", "a signed request must say whom it is for");
}

#[test]
fn r25_an_expired_service_certificate_or_metadata_refuses() {
    let mut old = signing_service();
    old.valid_until = Some(now());
    let signed = sign_query(&redirect_query(&authn_request(&format!(r#"Destination="{SSO}""#), "")), &SERVICE);
    assert_eq!(redirect(&signed, &old).unwrap_err().code(), "LK-SAML-015");
    let later = now() + jiff::SignedDuration::from_hours(24 * 366 * 11);
    let error = IncomingRequest::from_redirect(&signed)
        .unwrap()
        .verify(&signing_service(), &HERE, later, &RequestPolicy::default())
        .unwrap_err();
    assert_eq!(error.code(), "LK-SAML-024");
}

#[test]
fn a15_bombs_are_refused_before_the_library_sees_them() {
    let code = |xml: &str| IncomingRequest::from_post(&base64(xml), None).unwrap_err().code();
    let entity = r#"<!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;">]>"#;
    assert_eq!(code(&format!("{entity}{}", authn_request("", "&y;"))), "LK-SAML-002");
    assert_eq!(code(&format!("<!DOCTYPE a>{}", authn_request("", ""))), "LK-SAML-002");
    let xxe = r#"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>"#;
    assert_eq!(code(&format!("{xxe}{}", authn_request("", "&x;"))), "LK-SAML-002");
    assert_eq!(code(&authn_request("", "&unknown;")), "LK-SAML-002");
    assert_eq!(code(&authn_request("", "<!-- -->")), "LK-SAML-002");
    assert_eq!(code(&authn_request("", "<?php x?>")), "LK-SAML-002");
    assert_eq!(code(&authn_request("", &format!("{}{}", "<a>".repeat(33), "</a>".repeat(33)))), "LK-SAML-002");
    assert_eq!(code(&authn_request("", &"<a/>".repeat(2001))), "LK-SAML-002");
    assert_eq!(code(&authn_request(r#"a="1" a="2""#, "")), "LK-SAML-002");
    assert_eq!(code(&authn_request("", "&#0;")), "LK-SAML-002");
    assert_eq!(code(&"<a>".repeat(20_000)), "LK-SAML-002");

    let many = (0..6_000).fold(String::new(), |s, i| format!("{s} a{i}=\"\""));
    let started = std::time::Instant::now();
    assert_eq!(code(&authn_request(&many, "")), "LK-SAML-002");
    assert!(started.elapsed().as_millis() < 500, "the time grows too fast: {:?}", started.elapsed());
}

#[test]
fn a_posted_request_may_be_deflated_as_node_saml_does() {
    let read = |form: &str| {
        let verified =
            IncomingRequest::from_post(form, None)?.verify(&service(), &HERE, now(), &RequestPolicy::default());
        verified.map(latchkey_saml::request::VerifiedRequest::into_facts)
    };
    let xml = authn_request("", "");
    assert_eq!(read(&deflated(&xml)).unwrap(), read(&base64(&xml)).unwrap());
    let bomb = deflated(vec![b' '; 30 * 1024 * 1024]);
    assert_eq!(read(&bomb).unwrap_err().code(), "LK-SAML-001");
}

#[test]
fn a15_a_deflate_bomb_stops_at_64_kib() {
    let packed = deflated(vec![b' '; 30 * 1024 * 1024]);
    assert!(packed.len() < 64 * 1024, "the bomb itself has to be small to test the second limit");
    let error = IncomingRequest::from_redirect(&format!("SAMLRequest={}", url_encoded(&packed))).unwrap_err();
    assert_eq!(error.code(), "LK-SAML-001");
    assert!(error.to_string().contains("64 KiB"), "{error}");
    assert_eq!(IncomingRequest::from_redirect("SAMLRequest=%ff").unwrap_err().code(), "LK-SAML-001");
    assert_eq!(IncomingRequest::from_redirect("").unwrap_err().code(), "LK-SAML-001");
}

#[test]
fn metadata_keeps_what_it_says() {
    let certificate = Certificate::from_der(&SERVICE.certificate).unwrap();
    let inside = format!(
        r#"<md:Extensions><mdui:UIInfo xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui"><mdui:DisplayName xml:lang="de">Dienst</mdui:DisplayName></mdui:UIInfo></md:Extensions><md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
        {}
        </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>{}{}<md:AttributeConsumingService index="2"><md:ServiceName xml:lang="en">S</md:ServiceName><md:RequestedAttribute Name="urn:oid:2.5.4.4" isRequired="true"/></md:AttributeConsumingService>"#,
        certificate.base64(),
        acs(4, "https://sp.example/4"),
        acs(5, "https://sp.example/5?a=1&amp;b=2").replace("index", r#"isDefault="true" index"#),
    );
    let service = parse(&metadata(&inside, r#"validUntil="2027-01-01T00:00:00Z" cacheDuration="PT1H""#)).unwrap();
    assert!(service.authn_requests_signed);
    assert_eq!(service.signing_keys, [certificate]);
    assert_eq!(service.encryption_keys.as_slice(), std::slice::from_ref(&SERVICE.certificate));
    assert_eq!(service.default_consumer().unwrap().location, "https://sp.example/5?a=1&b=2");
    assert_eq!((service.display_name("de"), service.cache_duration), (Some("Dienst"), Some(3600)));
    assert!(service.attribute_services[0].requested[0].required);
}

#[test]
fn broken_metadata_is_told_where_and_what() {
    let code = |xml: &str| parse(xml).unwrap_err().code();
    let good = metadata(&acs(0, ACS.replace('&', "&amp;").as_str()), "");
    assert!(parse(&good).is_ok());
    let error = parse(&good.replace("<md:Assertion", "\n  <md:Assertion").replace("index=\"0\"", "")).unwrap_err();
    assert_eq!(error.code(), "LK-SAML-031");
    assert!(
        error.to_string().starts_with("line 2, column 3, <AssertionConsumerService>: expected the attribute index"),
        "{error}"
    );
    assert_eq!(code("not xml"), "LK-SAML-030");
    assert_eq!(code(&"<a/>".repeat(300_000)), "LK-SAML-030");
    assert_eq!(code(&format!("<!DOCTYPE a>{good}")), "LK-SAML-030");
    assert_eq!(code("<html/>"), "LK-SAML-031");
    assert_eq!(code(&good.replace("EntityDescriptor", "EntitiesDescriptor")), "LK-SAML-032");
    assert_eq!(code(&good.replace("SPSSODescriptor", "IDPSSODescriptor")), "LK-SAML-032");
    assert_eq!(code(&good.replace("ID=\"_req1\"", "validUntil=\"2026-11-24T12:00:00Z\"")), "LK-SAML-033");
    assert_eq!(code(&metadata("", "")), "LK-SAML-031");
    assert_eq!(
        code(&metadata(&format!("{}{}", acs(1, "https://a.example"), acs(1, "https://b.example")), "")),
        "LK-SAML-031"
    );
    assert_eq!(code(&metadata(&acs(0, "javascript:alert(1)"), "")), "LK-SAML-035");
}

#[test]
fn a31_consumer_addresses_are_https_and_nothing_else() {
    let check = |url: &str| ServiceMetadata::by_hand(SP, &[url], HttpPolicy::HttpsOnly).map(drop);
    for good in ["https://sp.example/acs", "http://127.0.0.1:8080/acs", "http://[::1]/acs", "http://localhost/acs"] {
        assert!(check(good).is_ok(), "{good}");
    }
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://sp.example/",
        "https://u@sp.example/",
        "https://@sp.example/",
        "https://sp.example/#x",
        "//sp.example/",
        "https://sp.example/a b",
        "https:\\\\sp.example",
        " https://sp.example",
        "file:///etc/passwd",
        "http://localhost.evil.example/",
    ] {
        assert_eq!(check(bad).unwrap_err().code(), "LK-SAML-035", "{bad}");
    }
    assert_eq!(
        latchkey_saml::metadata::address::check_acs_url("http://sp.example/", HttpPolicy::AllowHttp),
        Ok::<(), AcsUrlError>(())
    );
}

#[test]
fn signed_metadata_is_checked_when_a_key_is_configured() {
    let plain = metadata(&acs(0, "https://sp.example/acs"), "");
    let template = crate::sign::template(
        "_req1",
        crate::sign::method(&SERVICE),
        crate::sign::SHA256,
        &[crate::sign::ENVELOPED, crate::sign::C14N],
        "",
    );
    let placed = plain.replacen("<md:SPSSO", &format!("{template}<md:SPSSO"), 1);
    let signed = crate::sign::fill(&placed, &SERVICE);
    let (ours, other) =
        (Certificate::from_der(&SERVICE.certificate).unwrap(), Certificate::from_der(&P256.certificate).unwrap());
    let read = |xml: &str, key: &Certificate| {
        ServiceMetadata::parse_signed(
            xml.as_bytes(),
            SignaturePolicy::SignedBy(key.public_key()),
            now(),
            HttpPolicy::HttpsOnly,
        )
        .map(drop)
        .map_err(|e| e.code())
    };
    assert_eq!(read(&signed, &ours), Ok(()));
    for (xml, key) in
        [(&signed, &other), (&plain, &ours), (&signed.replace("sp.example/acs", "evil.example/acs"), &ours)]
    {
        assert_eq!(read(xml, key), Err("LK-SAML-034"));
    }
}

#[test]
fn every_code_has_its_sentences_and_is_listed_once() {
    for (at, entry) in CODES.iter().enumerate() {
        assert!(entry.code.starts_with("LK-SAML-") && !entry.person.is_empty() && !entry.administrator.is_empty());
        assert!(CODES[..at].iter().all(|e| e.code < entry.code), "{} is out of order", entry.code);
    }
}

#[test]
fn only_what_is_mapped_is_released() {
    let facts = Facts::from([
        ("mail".to_owned(), vec!["a@x".to_owned(), "b@x".to_owned()]),
        ("sn".to_owned(), vec![String::new()]),
        ("secret".to_owned(), vec!["s".to_owned()]),
    ]);
    let released = Mapping::basic().release(&facts);
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].values, ["a@x", "b@x"]);
    assert!(Mapping::none().release(&facts).is_empty());
    let mapping = Mapping::parse(r#"[{"name":"g","format":"basic","source":"secret"}]"#).unwrap();
    assert_eq!(mapping.release(&facts)[0].values, ["s"]);
    for wrong in [
        "basics",
        "[{}]",
        r#"[{"name":"a","source":"b","x":1}]"#,
        r#"[{"name":"a","source":"b"},{"name":"a","format":"basic","source":"c"}]"#,
        r#"[{"name":"urn:latchkey:attribute:evidence-level","source":"b"}]"#,
    ] {
        assert!(Mapping::parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_relay_state_and_id_come_back_as_they_were(state in "[ -~äß€]{1,80}", id in "[A-Za-z_][A-Za-z0-9_.-]{0,60}") {
        let xml = authn_request("", "").replace("_req1", &id);
        let query = format!("{}&RelayState={}", redirect_query(&xml), url_encoded(&state));
        let facts = redirect(&query, &service()).unwrap();
        prop_assert_eq!(facts.relay_state.as_deref(), Some(state.as_str()));
        prop_assert_eq!(&facts.id, &id);
        let body = format!("SAMLRequest={}&RelayState={}", url_encoded(&base64(&xml)), url_encoded(&state));
        let posted = IncomingRequest::from_post_body(body.as_bytes()).unwrap()
            .verify(&service(), &HERE, now(), &RequestPolicy::default()).unwrap().into_facts();
        prop_assert_eq!(posted, facts);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in ".{0,200}") {
        let _ = IncomingRequest::from_post(&base64(&bytes), Some(&text));
        let _ = IncomingRequest::from_redirect(&text);
        let _ = IncomingRequest::from_redirect(&format!("SAMLRequest={}", url_encoded(&base64(&bytes))));
        let _ = ServiceMetadata::parse(&bytes, now(), HttpPolicy::HttpsOnly);
    }
}
