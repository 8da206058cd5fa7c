//! Signs requests as a service would, with bergshamra, so that our verifier meets a signer that is not our writer.

use std::fmt::Write as _;

use bergshamra_dsig::context::DsigContext;
use bergshamra_keys::{KeysManager, loader};
use latchkey_saml::keys::{GeneratedKey, SignatureAlgorithm};

pub(crate) const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// An unsigned template, to be filled by [`fill`].
pub(crate) fn template(id: &str, method: &str, digest: &str, transforms: &[&str], key_info: &str) -> String {
    let mut steps = String::new();
    for t in transforms {
        write!(steps, r#"<ds:Transform Algorithm="{t}"></ds:Transform>"#).unwrap();
    }
    format!(
        r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{C14N}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod><ds:Reference URI="#{id}"><ds:Transforms>{steps}</ds:Transforms><ds:DigestMethod Algorithm="{digest}"></ds:DigestMethod><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>{key_info}</ds:Signature>"##
    )
}

/// Has bergshamra compute digest and signature of the template in `xml`.
pub(crate) fn fill(xml: &str, key: &GeneratedKey) -> String {
    let pem = pem(&key.pkcs8);
    let key = match key.algorithm {
        SignatureAlgorithm::RsaSha256 => loader::load_rsa_private_pem(pem.as_bytes()),
        SignatureAlgorithm::EcdsaP256 => loader::load_ec_p256_private_pem(pem.as_bytes()),
    }
    .unwrap();
    let mut manager = KeysManager::new();
    manager.add_key(key);
    bergshamra_dsig::sign::sign(&DsigContext::new_permissive(manager), xml).unwrap()
}

fn pem(pkcs8: &[u8]) -> String {
    let base64 = crate::fixture::base64(pkcs8);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

pub(crate) fn method(key: &GeneratedKey) -> &'static str {
    key.algorithm.uri()
}

/// A request with an honest signature after its Issuer.
pub(crate) fn enveloped(xml: &str, key: &GeneratedKey) -> String {
    with_template(xml, &template("_req1", method(key), SHA256, &[ENVELOPED, C14N], ""), key)
}

pub(crate) fn with_template(xml: &str, template: &str, key: &GeneratedKey) -> String {
    let placed = xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{template}"), 1);
    fill(&placed, key)
}
