//! Who an API client is: `LATCHKEY_CLIENT_ID` with a secret or a private key, and the request for an access token.
//!
//! Owns the client-credentials grant as RFC 6749 4.4 and RFC 7523 have it. Knows no connection.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::secret;
use crate::code::Own;
use crate::exit::{Failure, Result};

/// For how long an assertion of ours counts, seconds.
const ASSERTION_LIFE: i64 = 60;

/// An API client's credentials.
pub(crate) struct Credentials {
    client_id: String,
    proof: Proof,
}

enum Proof {
    Secret(Zeroizing<String>),
    Key(Key),
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Credentials {
    /// Reads them from where the environment says.
    ///
    /// # Errors
    /// A variable is missing, or its file cannot be used.
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let missing = |what: &str| {
            Failure::usage(
                format!("--server needs {what}"),
                "set LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET_FILE or LATCHKEY_CLIENT_KEY_FILE; \
                 on the server, `latchkey api-client create NAME --scope S` makes a client",
            )
        };
        let client_id = variable("LATCHKEY_CLIENT_ID").ok_or_else(|| missing("LATCHKEY_CLIENT_ID"))?;
        let proof = match (variable("LATCHKEY_CLIENT_SECRET_FILE"), variable("LATCHKEY_CLIENT_KEY_FILE")) {
            (Some(_), Some(_)) => return Err(missing("one of secret and key, not both")),
            (Some(file), None) => Proof::Secret(secret::read("LATCHKEY_CLIENT_SECRET_FILE", &file)?),
            (None, Some(file)) => Proof::Key(Key::parse(&secret::read("LATCHKEY_CLIENT_KEY_FILE", &file)?)?),
            (None, None) => return Err(missing("LATCHKEY_CLIENT_SECRET_FILE or LATCHKEY_CLIENT_KEY_FILE")),
        };
        Ok(Credentials { client_id, proof })
    }

    /// The form of a token request to `endpoint`, and the `Authorization` header with it.
    ///
    /// # Errors
    /// The key does not sign.
    pub(super) fn token_request(&self, endpoint: &str, now: jiff::Timestamp) -> Result<(String, Option<String>)> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        match &self.proof {
            Proof::Secret(secret) => {
                // RFC 6749 2.3.1: both halves are form-encoded before they are joined.
                let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = Zeroizing::new(format!("{}:{}", encode(&self.client_id), encode(secret)));
                Ok((form.finish(), Some(format!("Basic {}", STANDARD.encode(pair.as_bytes())))))
            }
            Proof::Key(key) => {
                let assertion = self.assertion(key, endpoint, now)?;
                form.append_pair("client_id", &self.client_id)
                    .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append_pair("client_assertion", &assertion);
                Ok((form.finish(), None))
            }
        }
    }

    fn assertion(&self, key: &Key, endpoint: &str, now: jiff::Timestamp) -> Result<String> {
        let now = now.as_second();
        let header = json!({"alg": key.algorithm(), "typ": "JWT"});
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": endpoint,
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now,
            "exp": now + ASSERTION_LIFE,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Key {
    fn parse(pem: &str) -> Result<Self> {
        let unusable = || {
            Failure::new(
                Own::Cli004,
                "LATCHKEY_CLIENT_KEY_FILE has no key that can be used",
                "give a PKCS#8 key in PEM form: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            )
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable())?;
        let der = der.secret_pkcs8_der();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Key::Es256(pair));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Key::EdDsa(pair));
        }
        RsaKeyPair::from_pkcs8(der).map(Key::Rs256).map_err(|_| unusable())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Key::Es256(_) => "ES256",
            Key::EdDsa(_) => "EdDSA",
            Key::Rs256(_) => "RS256",
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Failure::new(Own::Cli003, "the client's key does not sign", "give another key");
        match self {
            Key::Es256(pair) => pair.sign(&SystemRandom::new(), message).map(|s| s.as_ref().to_vec()).map_err(failed),
            Key::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Key::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
