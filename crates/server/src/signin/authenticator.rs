//! An authenticator for tests: makes passkeys and answers as a browser with one would.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use latchkey_wire::bytes::{from_base64url, sha256, to_base64url};
use serde_json::{Value, json};

/// One person's authenticator in one browser.
#[derive(Clone)]
pub(crate) struct Authenticator {
    /// The page's origin, as the browser says it.
    pub(crate) origin: String,
    /// Whether it looks at a finger first.
    pub(crate) verifies: bool,
    /// Passkeys: by credential id the private key and the user it is of.
    keys: BTreeMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
    count: u32,
}

impl Authenticator {
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), verifies: true, keys: BTreeMap::new(), count: 0 }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["challenge"].as_str().unwrap();
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn authenticator_data(&mut self, rp: &str, with_key: bool) -> Vec<u8> {
        self.count += 1;
        let mut data = sha256(rp.as_bytes()).0.to_vec();
        data.push(0x01 | if self.verifies { 0x04 } else { 0 } | if with_key { 0x40 } else { 0 });
        data.extend(self.count.to_be_bytes());
        data
    }

    /// `navigator.credentials.create`.
    pub(crate) fn create(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).unwrap();
        let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref()).unwrap();
        let id = latchkey_wire::sign::random_bytes::<32>().to_vec();
        let mut data = self.authenticator_data(options["rp"]["id"].as_str().unwrap(), true);
        data.extend([0; 16]);
        data.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        data.extend(&id);
        // COSE: {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        let point = pair.public_key().as_ref();
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..65]);
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(&data);
        let user = from_base64url(options["user"]["id"].as_str().unwrap()).unwrap();
        self.keys.insert(id.clone(), (private.as_ref().to_vec(), user));
        let id = to_base64url(&id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "attestationObject": to_base64url(&object),
                "clientDataJSON": to_base64url(&self.client_data("webauthn.create", &options)),
            },
        })
        .to_string()
    }

    /// `navigator.credentials.get`, with the first passkey there is.
    pub(crate) fn get(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).unwrap();
        let data = self.authenticator_data(options["rpId"].as_str().unwrap(), false);
        let client = self.client_data("webauthn.get", &options);
        let (id, (private, user)) = self.keys.first_key_value().expect("a passkey");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private).unwrap();
        let signed = [data.as_slice(), &sha256(&client).0].concat();
        let signature = pair.sign(&SystemRandom::new(), &signed).unwrap();
        let id = to_base64url(id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "authenticatorData": to_base64url(&data),
                "clientDataJSON": to_base64url(&client),
                "signature": to_base64url(signature.as_ref()),
                "userHandle": to_base64url(user),
            },
        })
        .to_string()
    }
}
