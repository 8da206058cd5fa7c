//! API clients over HTTPS: who is let in, by secret and by key, and who is not.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stranger::{Cloud, Stranger};

const SECRET: &str = "LATCHKEY_CLIENT_SECRET_FILE";
const KEY: &str = "LATCHKEY_CLIENT_KEY_FILE";

fn cloud() -> Cloud {
    let cloud = Cloud::start(&["--tls", "own"]);
    let operator = cloud.operator(None);
    for org in ["acme", "bits"] {
        operator.document(&format!("org create {org} --name X"));
    }
    cloud
}

/// Makes a client whose secret is in the file `name`, and answers its id.
fn make(cloud: &Cloud, at: &Stranger, name: &str, scopes: &str) -> String {
    let made = at.document(&format!("api-client create {name} {scopes}"));
    cloud.file(name, made["client_secret"].as_str().unwrap());
    made["client_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_secret_opens_what_its_scopes_say_and_nothing_else() {
    let cloud = cloud();
    let operator = cloud.operator(Some("acme"));
    let id = make(&cloud, &operator, "reader", "--scope users:read");
    let reader = cloud.client("acme", &id, SECRET, "reader");
    assert!(reader.list("user list").is_empty());
    reader.refused("user create anna@acme.example", 4, "LK-AUTH-002");
    reader.refused("device list", 4, "LK-AUTH-002");
    // Of another organization this client is nobody, and so it hears.
    cloud.client("bits", &id, SECRET, "reader").refused("user list", 4, "LK-AUTH-003");
    cloud.client("none", &id, SECRET, "reader").refused("user list", 4, "LK-AUTH-003");

    cloud.file("wrong", "lkcs1_wrong");
    let wrong = cloud.client("acme", &id, SECRET, "wrong").refused("user list", 4, "LK-AUTH-003");
    // The administrator finds why under the reference that was given out.
    let reference = wrong.last().rsplit(' ').next().unwrap().to_owned();
    let told = operator.document(&format!("explain {reference}"));
    assert!(told.to_string().contains(&id), "{told}");
    assert_eq!(
        operator.list("audit list --action api-client.token --outcome refused").len(),
        1,
        "the first of a minute"
    );

    // Nobody gives away more than they have.
    let id = make(&cloud, &operator, "maker", "--scope api-clients:write --scope api-clients:read");
    let maker = cloud.client("acme", &id, SECRET, "maker");
    maker.refused("api-client create more --scope users:write", 2, "LK-API-010");
    maker.refused("api-client rotate reader", 4, "LK-AUTH-002");

    // A new secret ends the old one at once, and so does the end of the client.
    let rotated = operator.document("api-client rotate reader");
    reader.refused("user list", 4, "LK-AUTH-003");
    cloud.file("reader", rotated["client_secret"].as_str().unwrap());
    reader.list("user list");
    operator.document("api-client disable reader");
    reader.refused("user list", 4, "LK-AUTH-003");
    operator.document("api-client enable reader");
    reader.list("user list");
    operator.document("api-client delete reader --yes");
    reader.refused("user list", 4, "LK-AUTH-003");
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A key of each kind: its name, PKCS#8 and public half in PEM.
fn keys() -> Vec<(&'static str, String, String)> {
    let private = |der: &[u8]| pem("PRIVATE KEY", der);
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let p256_public = AsDer::<PublicKeyX509Der<'_>>::as_der(p256.public_key()).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let ed_public = AsDer::<PublicKeyX509Der<'_>>::as_der(ed.public_key()).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa_public = AsDer::<PublicKeyX509Der<'_>>::as_der(rsa.public_key()).unwrap();
    vec![
        ("es256", private(p256.to_pkcs8v1().unwrap().as_ref()), pem("PUBLIC KEY", p256_public.as_ref())),
        ("eddsa", private(ed.to_pkcs8().unwrap().as_ref()), pem("PUBLIC KEY", ed_public.as_ref())),
        (
            "rs256",
            private(AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref()),
            pem("PUBLIC KEY", rsa_public.as_ref()),
        ),
    ]
}

#[test]
fn a_key_of_each_kind_opens_as_well_and_only_its_own_client() {
    let cloud = cloud();
    let operator = cloud.operator(Some("acme"));
    for (name, private, public) in keys() {
        cloud.file(&format!("{name}.pem"), &private);
        cloud.file(&format!("{name}.pub"), &public);
        let made = operator.document(&format!("api-client create {name} --scope users:read --public-key {name}.pub"));
        assert!(made.get("client_secret").is_none(), "a client with a key has no secret: {made}");
        let id = made["client_id"].as_str().unwrap();
        cloud.client("acme", id, KEY, &format!("{name}.pem")).list("user list");
        if name != "es256" {
            cloud.client("acme", id, KEY, "es256.pem").refused("user list", 4, "LK-AUTH-003");
        }
    }
    operator.refused("api-client create bad --scope users:read --public-key es256.pem", 2, "LK-API-010");
}

#[test]
fn what_is_missing_or_not_trusted_is_said() {
    let cloud = cloud();
    let id = make(&cloud, &cloud.operator(Some("acme")), "reader", "--scope users:read");
    let (url, ca) = (cloud.said("url"), cloud.said("ca_file"));
    // Without credentials.
    let nobody = cloud.operator(Some("acme"));
    nobody.refused(&format!("user list --server {url} --ca-file {ca}"), 2, "LK-CLI-001");
    nobody.refused(&format!("user list --ca-file {ca}"), 2, "LK-CLI-001");
    let reader = cloud.client("acme", &id, SECRET, "reader");
    reader.list("user list");
    // A server that nobody vouches for, that is not there, or that is not asked by its name.
    reader.with(&["--server", &url]).refused("user list", 6, "LK-CLI-002");
    reader.with(&["--server", "https://localhost:1", "--ca-file", &ca]).refused("user list", 6, "LK-CLI-002");
    reader.with(&["--server", "http://id.corp.example"]).refused("user list", 2, "LK-CLI-001");
    cloud.client("acme", &id, SECRET, "nothing").refused("user list", 2, "LK-CLI-004");
}
