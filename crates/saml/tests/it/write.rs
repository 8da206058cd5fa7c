//! Documents that we write, judged by others.

use latchkey_saml::attributes::{Facts, Mapping, NameFormat, ReleasedAttribute};
use latchkey_saml::keys::{self, KeyError, SignatureAlgorithm};
use latchkey_saml::metadata::{IdpMetadata, Published};
use latchkey_saml::name_id::{NameId, NameIdFormat};
use latchkey_saml::names::StatusCode;
use latchkey_saml::post_form::PostForm;
use latchkey_saml::response::{ErrorResponse, Reply, ResponseSpec};
use latchkey_saml::{Metadata, Signer, WriteError};
use proptest::prelude::*;

use crate::fixture::{self, IDP, P256, RSA, SSO, STRANGER, now, signer};
use crate::outside::{python, schema_accepts, signxml_accepts, xmlsec1_accepts};
use crate::sign::fill;

const PROTOCOL_SCHEMA: &str = "saml-schema-protocol-2.0.xsd";
const METADATA_SCHEMA: &str = "saml-schema-metadata-2.0.xsd";

#[test]
fn xmlsec1_and_signxml_accept_what_we_sign_with_either_algorithm() {
    let facts = fixture::facts();
    let name_id = fixture::email();
    for key in [&*RSA, &*P256] {
        let mut spec = fixture::spec(&facts, &name_id);
        spec.sign_response = true;
        let signed = spec.sign(&signer(key)).unwrap();
        for parent in ["Assertion", "Response"] {
            assert!(xmlsec1_accepts(signed.xml(), parent, key), "{:?} {parent}", key.algorithm);
            signxml_accepts(signed.xml(), parent, key).unwrap();
        }
        assert!(!xmlsec1_accepts(signed.xml(), "Assertion", &STRANGER), "another key must not do");
        let altered = String::from_utf8(signed.xml().to_vec()).unwrap().replace("ada@acme", "eve@acme");
        assert!(!xmlsec1_accepts(altered.as_bytes(), "Assertion", key), "an altered one must not do");
    }
}

#[test]
fn our_metadata_is_accepted_and_lists_every_key() {
    let key = keys::generate(SignatureAlgorithm::RsaSha256, "metadata", now(), 10).unwrap();
    let metadata_signer: Signer<Metadata> = Signer::from_generated(&key).unwrap();
    let (one, two) = (signer(&RSA), signer(&P256));
    let xml = IdpMetadata {
        id: "_md1",
        entity_id: IDP,
        sso_redirect: SSO,
        sso_post: SSO,
        assertion_keys: &[Published { certificate: one.certificate() }, Published { certificate: two.certificate() }],
        display_names: &[("en", "Acme & Söhne <IdP>")],
        logo: Some(("https://idp.example/logo.svg", 80, 60)),
        want_authn_requests_signed: false,
        valid_until: "2026-12-08T12:00:00Z".parse().unwrap(),
        cache_seconds: 86_400,
    }
    .sign(&metadata_signer)
    .unwrap();
    assert!(xmlsec1_accepts(&xml, "EntityDescriptor", &key));
    schema_accepts(&xml, METADATA_SCHEMA).unwrap();
    signxml_accepts(&xml, "EntityDescriptor", &key).unwrap();
    let text = String::from_utf8(xml).unwrap();
    assert!(text.contains(&one.certificate().base64()) && text.contains(&two.certificate().base64()));
    // The first one named is the one that services take.
    let first = text.find("<alg:SigningMethod").unwrap();
    assert!(text[first..].starts_with(
        r#"<alg:SigningMethod xmlns:alg="urn:oasis:names:tc:SAML:metadata:algsupport" Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256">"#
    ));
}

/// Our assertion with its signature emptied, signed again by bergshamra, must give our bytes (RSA is deterministic).
#[test]
fn our_bytes_are_those_that_a_general_library_signs() {
    let facts = fixture::facts();
    let name_id = fixture::email();
    let mut attributes = Mapping::basic().release(&people());
    attributes[0].values.push("tab\there, lf\nhere, cr\rhere, ]]> & \"quotes\" 'too'".to_owned());
    let mut spec = fixture::spec(&facts, &name_id);
    spec.attributes = &attributes;
    for sign_response in [false, true] {
        spec.sign_response = sign_response;
        let ours = String::from_utf8(spec.sign(&signer(&RSA)).unwrap().xml().to_vec()).unwrap();
        // bergshamra fills the first signature it finds; the response's own stands before the assertion's.
        let theirs = fill(&emptied_first(&ours), &RSA);
        assert_eq!(theirs, ours);
    }
}

/// Takes digest and value out of the first signature of the document.
fn emptied_first(xml: &str) -> String {
    let mut out = xml.to_owned();
    for element in ["ds:DigestValue", "ds:SignatureValue"] {
        let start = out.find(&format!("<{element}>")).unwrap() + element.len() + 2;
        let end = out.find(&format!("</{element}>")).unwrap();
        out.replace_range(start..end, "");
    }
    out
}

fn people() -> Facts {
    Facts::from([
        ("mail".to_owned(), vec!["ada@acme.example".to_owned()]),
        ("displayName".to_owned(), vec!["Ada <Countess> & Co".to_owned()]),
        ("givenName".to_owned(), vec!["Ada".to_owned()]),
        ("sn".to_owned(), vec!["Lovelace".to_owned(), "Byron".to_owned()]),
    ])
}

#[test]
fn r23_the_response_is_the_golden_one() {
    let facts = fixture::facts();
    let name_id = NameId { format: NameIdFormat::Persistent, value: "pairwise-1".to_owned() };
    let attributes = Mapping::basic().release(&people());
    let mut spec = fixture::spec(&facts, &name_id);
    spec.attributes = &attributes;
    spec.session_not_on_or_after = Some(now() + jiff::SignedDuration::from_hours(8));
    let signed = spec.sign(&signer(&RSA)).unwrap();
    schema_accepts(signed.xml(), PROTOCOL_SCHEMA).unwrap();
    let mut text = String::from_utf8(signed.xml().to_vec()).unwrap();
    for element in ["ds:DigestValue", "ds:SignatureValue", "ds:X509Certificate"] {
        let start = text.find(&format!("<{element}>")).unwrap() + element.len() + 2;
        let end = text.find(&format!("</{element}>")).unwrap();
        text.replace_range(start..end, "…");
    }
    insta::assert_snapshot!(text.replace("><", ">\n<"));
}

#[test]
fn a13_an_answer_names_its_request_its_receiver_and_its_short_life() {
    let facts = fixture::facts();
    let name_id = fixture::email();
    let mut spec = fixture::spec(&facts, &name_id);
    let text = |spec: &ResponseSpec<'_>| String::from_utf8(spec.sign(&signer(&P256)).unwrap().xml().to_vec()).unwrap();
    let answer = text(&spec);
    assert_eq!(answer.matches(r#"InResponseTo="_req1""#).count(), 2);
    assert!(answer.contains(r#"Recipient="https://sp.example/acs?x=1&amp;y=2""#));
    assert!(answer.contains(r#"NotBefore="2026-11-24T11:59:30Z" NotOnOrAfter="2026-11-24T12:04:30Z""#));
    assert!(!answer.contains("NameQualifier"), "qualifiers mean nothing on a mail address");

    let acs = fixture::service().default_acs().unwrap();
    spec.reply = Reply::Unsolicited(&acs);
    assert!(!text(&spec).contains("InResponseTo"));

    spec.lifetime = jiff::SignedDuration::from_secs(301);
    assert_eq!(spec.sign(&signer(&P256)), Err(WriteError::TooLong(301)));
    spec.lifetime = jiff::SignedDuration::from_secs(300);
    spec.assertion_id = "1starts-with-a-digit";
    assert!(matches!(spec.sign(&signer(&P256)), Err(WriteError::BadId(_))));
}

#[test]
fn an_error_response_carries_both_status_levels_and_is_signed_only_on_demand() {
    let acs = fixture::service().default_acs().unwrap();
    let refusal = ErrorResponse {
        response_id: "_resp1",
        issuer: IDP,
        acs: &acs,
        in_response_to: Some("_req1"),
        now: now(),
        top: StatusCode::Responder,
        second: Some(StatusCode::NoPassive),
        message: Some("LK-SAML-028 <ref>"),
    };
    let plain = refusal.write(None).unwrap();
    let text = std::str::from_utf8(plain.xml()).unwrap();
    assert!(
        text.contains("status:Responder\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:NoPassive\">")
    );
    assert!(!text.contains("Signature") && !text.contains("Assertion>"));
    let signed = refusal.write(Some(&signer(&RSA))).unwrap();
    assert!(xmlsec1_accepts(signed.xml(), "Response", &RSA));
    schema_accepts(signed.xml(), PROTOCOL_SCHEMA).unwrap();
    let disordered = String::from_utf8(signed.xml().to_vec()).unwrap().replace("samlp:Status>", "samlp:Stat>");
    assert!(schema_accepts(disordered.as_bytes(), PROTOCOL_SCHEMA).is_err(), "the schema must be able to refuse");
    let form = PostForm::new(&signed, Some("a&b"));
    assert_eq!(form.fields()[1], ("RelayState", "a&b"));
    assert_eq!(form.action, fixture::ACS);
}

#[test]
fn a_key_and_a_certificate_that_do_not_belong_together_are_refused() {
    let refused = Signer::<Metadata>::from_der(SignatureAlgorithm::RsaSha256, &RSA.pkcs8, &STRANGER.certificate);
    assert_eq!(refused.unwrap_err(), KeyError::Mismatch);
    let refused = Signer::<Metadata>::from_der(SignatureAlgorithm::EcdsaP256, &RSA.pkcs8, &RSA.certificate);
    assert!(matches!(refused.unwrap_err(), KeyError::PrivateKey(_)));
}

const READ_WITH_LXML: &str = r"
import sys, json
from lxml import etree
doc = etree.fromstring(sys.stdin.buffer.read())
print(json.dumps([[v.text or '' for v in doc.findall('.//{*}AttributeValue')][:-1], doc.find('.//{*}NameID').text]))
";

fn read_with_quick_xml(xml: &[u8]) -> (Vec<String>, String) {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(xml).unwrap());
    let (mut values, mut name_id, mut current) = (Vec::new(), String::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => current.clear(),
            Event::Text(t) => current.push_str(&t),
            Event::GeneralRef(r) => match &*r {
                "amp" => current.push('&'),
                "lt" => current.push('<'),
                "gt" => current.push('>'),
                other => current.push(char::from_u32(u32::from_str_radix(&other[2..], 16).unwrap()).unwrap()),
            },
            Event::End(e) if e.local_name().as_ref() == "AttributeValue" => values.push(std::mem::take(&mut current)),
            Event::End(e) if e.local_name().as_ref() == "NameID" => name_id = std::mem::take(&mut current),
            Event::Eof => break,
            _ => {}
        }
    }
    values.pop();
    (values, name_id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a11_hostile_attribute_values_are_read_back_as_they_were(
        values in proptest::collection::vec(
            prop_oneof![
                "[ -~\t\n\r\u{80}-\u{ff}\u{202e}\u{2066}\u{1F511}]{1,40}",
                Just("]]>".to_owned()), Just("<!--".to_owned()), Just("-->&amp;</saml:AttributeValue>".to_owned()),
                Just("a\r\nb\rc".to_owned()), Just("\u{202e}gnp.exe".to_owned()), Just("</saml:Assertion><saml:Assertion>".to_owned()),
            ], 1..6),
    ) {
        let attributes = [ReleasedAttribute { name: "n\"<&".to_owned(), friendly_name: None, format: NameFormat::Basic, values: values.clone() }];
        let facts = fixture::facts();
        let name_id = fixture::email();
        let mut spec = fixture::spec(&facts, &name_id);
        spec.attributes = &attributes;
        let signed = spec.sign(&signer(&P256)).unwrap();
        let (first, id) = read_with_quick_xml(signed.xml());
        prop_assert_eq!(&first, &values);
        prop_assert_eq!(&id, &name_id.value);
        let second: (Vec<String>, String) = serde_json::from_str(&python(READ_WITH_LXML, &[], signed.xml()).unwrap()).unwrap();
        prop_assert_eq!(&second.0, &values);
        prop_assert_eq!(&second.1, &name_id.value);
        prop_assert!(xmlsec1_accepts(signed.xml(), "Assertion", &P256));
    }
}

#[test]
fn a11_characters_that_xml_cannot_carry_are_refused() {
    let facts = fixture::facts();
    for bad in ['\0', '\u{1}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let name_id = NameId { format: NameIdFormat::Unspecified, value: format!("ada{bad}") };
        let refused = fixture::spec(&facts, &name_id).sign(&signer(&P256));
        assert_eq!(refused, Err(WriteError::IllegalCharacter { place: "NameID".to_owned(), character: bad.into() }));
    }
}

/// Not a benchmark: says when writing has stopped being negligible beside signing (in a dev build, so with room).
#[test]
fn writing_costs_less_than_an_rsa_signature() {
    let facts = fixture::facts();
    let name_id = fixture::email();
    let attributes = Mapping::basic().release(&people());
    let mut spec = fixture::spec(&facts, &name_id);
    spec.attributes = &attributes;
    let (rsa, p256) = (signer(&RSA), signer(&P256));
    let best = |key: &Signer<latchkey_saml::Assertion>| {
        (0..50)
            .map(|_| {
                let started = std::time::Instant::now();
                spec.sign(key).unwrap();
                started.elapsed()
            })
            .min()
            .unwrap()
    };
    let (with_rsa, with_p256) = (best(&rsa), best(&p256));
    println!("response: rsa {with_rsa:?}, p256 {with_p256:?}");
    // A P-256 signature is some 20 µs, so this difference is nearly the whole of an RSA signature.
    assert!(with_p256 * 2 < with_rsa, "writing takes {with_p256:?}, writing and an RSA signature {with_rsa:?}");
}
