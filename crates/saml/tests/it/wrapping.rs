//! The corpus of signature attacks (A9, A10, R21): a genuine signature in every wrong place, and every wrong signature.

use latchkey_saml::keys::{Certificate, GeneratedKey};
use latchkey_saml::request::{IncomingRequest, RequestError, RequestPolicy};
use proptest::prelude::*;

use crate::attack::{post, signing_service};
use crate::fixture::{HERE, SERVICE, SSO, STRANGER, authn_request, now};
use crate::sign::{C14N, ENVELOPED, SHA256, enveloped, fill, method, template, with_template};

const REFUSED: [&str; 4] = ["LK-SAML-002", "LK-SAML-003", "LK-SAML-021", "LK-SAML-022"];

fn request() -> String {
    authn_request(&format!(r#"Destination="{SSO}""#), "")
}

fn signed() -> String {
    enveloped(&request(), &SERVICE)
}

fn signature_of(xml: &str) -> String {
    let start = xml.find("<ds:Signature ").unwrap();
    let end = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    xml[start..end].to_owned()
}

/// The attacker's request: it asks for another consumer address under another id.
fn evil(inside: &str) -> String {
    authn_request(&format!(r#"Destination="{SSO}" AssertionConsumerServiceURL="https://sp.example/other""#), inside)
        .replace("_req1", "_evil")
}

fn refused(xml: &str, among: &[&str], name: &str) {
    match post(xml, &signing_service()) {
        Ok(facts) => panic!("{name} was accepted: {facts:?}"),
        Err(e) => assert!(among.contains(&e.code()), "{name}: {e}"),
    }
}

#[test]
fn a09_no_wrapping_of_a_genuine_signature_is_accepted() {
    let good = signed();
    assert!(post(&good, &signing_service()).is_ok());
    let signature = signature_of(&good);
    let original = good.replace(&signature, "");
    let with_object = |content: &str| {
        signature.replace("</ds:Signature>", &format!("<ds:Object>{content}</ds:Object></ds:Signature>"))
    };
    let in_extensions = |content: &str| format!("<samlp:Extensions>{content}</samlp:Extensions>");
    let corpus = [
        ("xsw1: the original in the signature of the evil root", evil(&with_object(&original))),
        ("xsw2: signature detached, original beside it", evil(&format!("{signature}{original}"))),
        ("xsw3: the signed original as child of the evil root", evil(&good)),
        ("xsw4: the signed original in Extensions", evil(&in_extensions(&good))),
        (
            "xsw5: signature at the evil root, original in Extensions",
            evil(&format!("{signature}{}", in_extensions(&original))),
        ),
        ("xsw6: original inside the signature inside Extensions", evil(&in_extensions(&with_object(&original)))),
        (
            "xsw7: signature first in Extensions with the original",
            evil(&in_extensions(&format!("{signature}{original}"))),
        ),
        ("xsw8: the evil one inside an Object of the genuine one", good.replace(&signature, &with_object(&evil("")))),
        (
            "the evil root takes the id of the original",
            evil(&format!("{signature}{}", in_extensions(&original))).replace("_evil", "_req1"),
        ),
        ("the evil root takes the id, original in the Object", evil(&with_object(&original)).replace("_evil", "_req1")),
        (
            "the id in another spelling elsewhere",
            good.replace(
                "</samlp:AuthnRequest>",
                r#"<samlp:Extensions><x Id="_req1"/></samlp:Extensions></samlp:AuthnRequest>"#,
            ),
        ),
    ];
    for (name, xml) in corpus {
        refused(&xml, &REFUSED, name);
    }
}

#[test]
fn a09_a_comment_cannot_cut_a_value() {
    let good = signed();
    refused(
        &good.replace("https://sp.example/metadata<", "https://sp.example/metadata<!-- -->.evil.example<"),
        &["LK-SAML-002"],
        "comment",
    );
    refused(
        &good.replace("https://sp.example/metadata<", "https://sp.example/metadata<?x y?><"),
        &["LK-SAML-002"],
        "pi",
    );
}

#[test]
fn a09_a_second_signature_or_one_elsewhere_is_refused() {
    let good = signed();
    let signature = signature_of(&good);
    refused(&good.replace(&signature, &format!("{signature}{signature}")), &["LK-SAML-022"], "twice");
    let inside = good.replace(&signature, &format!("<samlp:Extensions>{signature}</samlp:Extensions>"));
    refused(&inside, &["LK-SAML-022"], "in Extensions");
    refused(&good.replace(&signature, ""), &["LK-SAML-020"], "none");
}

fn keyed(key: &GeneratedKey) -> String {
    format!(
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
        Certificate::from_der(&key.certificate).unwrap().base64()
    )
}

#[test]
fn a09_a_key_in_the_message_is_never_used() {
    let info = keyed(&STRANGER);
    let theirs = template("_req1", method(&STRANGER), SHA256, &[ENVELOPED, C14N], &info);
    refused(&with_template(&request(), &theirs, &STRANGER), &["LK-SAML-021"], "the attacker's key in KeyInfo");
    // The right certificate named, the wrong key used.
    let named = template("_req1", method(&STRANGER), SHA256, &[ENVELOPED, C14N], &keyed(&SERVICE));
    refused(&with_template(&request(), &named, &STRANGER), &["LK-SAML-021"], "the service's certificate as a label");
}

#[test]
fn a09_algorithms_off_the_list_are_refused() {
    let good = signed();
    let swap = |from: &str, to: &str| good.replacen(from, to, 1);
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    for (from, to) in [
        (rsa, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        (rsa, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        (rsa, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        (rsa, ""),
        (SHA256, "http://www.w3.org/2000/09/xmldsig#sha1"),
        (C14N, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        (C14N, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
        (ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
    ] {
        refused(&swap(from, to), &["LK-SAML-023"], to);
    }
    for steps in [&[ENVELOPED][..], &[C14N], &[ENVELOPED, C14N, C14N], &[]] {
        let broken = template("_req1", rsa, SHA256, steps, "");
        let xml = request().replacen("</saml:Issuer>", &format!("</saml:Issuer>{broken}"), 1);
        refused(&xml, &["LK-SAML-022"], "transforms");
    }
    // Genuinely signed with the service's key, and still SHA-1.
    let sha1 = template("_req1", rsa, "http://www.w3.org/2000/09/xmldsig#sha1", &[ENVELOPED, C14N], "");
    let xml = request().replacen("</saml:Issuer>", &format!("</saml:Issuer>{sha1}"), 1);
    refused(&xml, &["LK-SAML-023"], "sha-1 digest");
}

#[test]
fn a09_references_elsewhere_are_refused() {
    let good = signed();
    for uri in ["", "#_other", "http://evil.example/", "#xpointer(/)", "#"] {
        refused(&good.replacen("URI=\"#_req1\"", &format!("URI=\"{uri}\""), 1), &["LK-SAML-022"], uri);
    }
    let start = good.find("<ds:Reference").unwrap();
    let end = good.find("</ds:Reference>").unwrap() + "</ds:Reference>".len();
    let twice = format!("{}{}{}", &good[..end], &good[start..end], &good[end..]);
    refused(&twice, &["LK-SAML-022"], "two references");
}

#[test]
fn a10_void_canonicalization_is_refused() {
    let relative = request().replacen("ID=", r#"xmlns:r="relative/uri" ID="#, 1);
    refused(&relative, &["LK-SAML-002"], "relative namespace, unsigned");
    refused(
        &fill(&signed(), &SERVICE).replacen("ID=", r#"xmlns:r="1" ID="#, 1),
        &["LK-SAML-002"],
        "relative namespace",
    );
    refused(&request().replacen("ID=", r#"xmlns:r="" ID="#, 1), &["LK-SAML-002"], "empty prefixed namespace");
    // The digest of the empty string, which a failed canonicalization would have matched.
    let good = signed();
    let start = good.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
    let end = good.find("</ds:DigestValue>").unwrap();
    let void = format!("{}47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU={}", &good[..start], &good[end..]);
    refused(&void, &["LK-SAML-021"], "digest of nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn r21_no_small_change_of_a_signed_request_changes_what_we_read(
        place in any::<prop::sample::Index>(),
        change in prop_oneof![
            any::<u8>().prop_map(|b| vec![b]),
            Just(Vec::new()),
            Just(b"<!---->".to_vec()),
            Just(b"<![CDATA[]]>".to_vec()),
            Just(b"&#32;".to_vec()),
            Just(b" ID=\"_req1\"".to_vec()),
        ],
        replace in any::<bool>(),
    ) {
        static GOOD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| signed().into_bytes());
        let honest = post(std::str::from_utf8(&GOOD).unwrap(), &signing_service()).unwrap();
        let at = place.index(GOOD.len());
        let mut bytes = GOOD.clone();
        bytes.splice(at..at + usize::from(replace), change);
        let read = IncomingRequest::from_post(&crate::fixture::base64(&bytes), None)
            .map_err(RequestError::from)
            .and_then(|r| r.verify(&signing_service(), &HERE, now(), &RequestPolicy::default()));
        // White space between elements of the signature, say, may change; what was signed may not.
        if let Ok(read) = read {
            prop_assert_eq!(read.facts(), &honest);
        }
    }
}
