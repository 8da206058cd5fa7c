//! Hand-over sheets say what a service needs, and quote what they say.

use latchkey_saml::attributes::Mapping;
use latchkey_saml::handover::{Sheet, Target};
use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use latchkey_saml::name_id::NameIdFormat;

use crate::fixture::{IDP, RSA, SSO, signer};

fn sheet(entity_id: &str, target: Target) -> String {
    let service =
        ServiceMetadata::by_hand(entity_id, &["https://sp.example/a?x='\"&y"], HttpPolicy::HttpsOnly).unwrap();
    let key = signer(&RSA);
    Sheet {
        entity_id: IDP,
        metadata_url: IDP,
        sso_url: SSO,
        certificate: key.certificate(),
        service: &service,
        name_id: NameIdFormat::Email,
        attributes: &Mapping::basic(),
    }
    .text(target)
}

#[test]
fn every_sheet_names_both_sides_and_the_fingerprint() {
    for target in Target::ALL {
        let text = sheet("https://sp.example/md", target);
        let fingerprint = signer(&RSA).certificate().fingerprint_sha256();
        for needed in [IDP, SSO, "https://sp.example/md", &fingerprint, "urn:oid:2.5.4.4", "BEGIN CERTIFICATE"] {
            assert!(text.contains(needed), "{target:?} lacks {needed}");
        }
        assert_eq!(Target::from_name(target.name()), Some(target));
    }
}

#[test]
fn a_quote_in_a_value_does_not_end_its_string() {
    assert!(sheet("urn:it's", Target::SimpleSamlPhp).contains(r"'entityID' => 'urn:it\'s'"));
    let python = sheet("urn:it\"s", Target::Python3Saml);
    let json = &python[python.find('{').unwrap()..];
    let settings: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(settings["sp"]["entityId"], "urn:it\"s");
}
