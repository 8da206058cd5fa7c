//! Documents that we write, judged by others.

use latchkey_saml::keys::{self, SignatureAlgorithm};
use latchkey_saml::metadata::{IdpMetadata, Published};
use latchkey_saml::{Metadata, Signer};

use crate::fixture::{self, IDP, P256, RSA, SSO, STRANGER, now, signer};
use crate::outside::{signxml_accepts, xmlsec1_accepts};

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
        logo: None,
        want_authn_requests_signed: false,
        valid_until: "2026-12-08T12:00:00Z".parse().unwrap(),
        cache_seconds: 86_400,
    }
    .sign(&metadata_signer)
    .unwrap();
    assert!(xmlsec1_accepts(&xml, "EntityDescriptor", &key));
    signxml_accepts(&xml, "EntityDescriptor", &key).unwrap();
    let text = String::from_utf8(xml).unwrap();
    assert!(text.contains(&one.certificate().base64()) && text.contains(&two.certificate().base64()));
}
