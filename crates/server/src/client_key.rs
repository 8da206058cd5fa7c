//! `private_key_jwt` (RFC 7523, OpenID Connect Core 9): an API client proves itself by an assertion that its key signed.
//!
//! Owns the kinds of keys, and reading an assertion strictly: the key decides the algorithm, not the header. Must not know whether an
//! assertion was used before: it answers what identifies one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_directory::Timestamp;
use latchkey_wire::Bytes;
use latchkey_wire::bytes::sha256;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Map, Value};

/// An assertion counts for at most so long, seconds.
const LONGEST: i64 = 600;
/// So far may the clocks differ, seconds.
const SKEW: i64 = 60;
/// No assertion is longer, bytes.
const MOST_BYTES: usize = 16 * 1024;

/// A client's public key.
pub(crate) struct ClientKey {
    algorithm: &'static str,
    key: ParsedPublicKey,
}

impl ClientKey {
    /// Reads a key in PEM form (`BEGIN PUBLIC KEY`): P-256, Ed25519 or RSA of 2048 bits or more.
    pub(crate) fn parse(pem: &str) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
        let kinds: [(&str, &'static dyn VerificationAlgorithm); 3] =
            [("ES256", &ECDSA_P256_SHA256_FIXED), ("EdDSA", &ED25519), ("RS256", &RSA_PKCS1_2048_8192_SHA256)];
        kinds.into_iter().find_map(|(algorithm, kind)| {
            let key = ParsedPublicKey::new(kind, der.as_ref()).ok()?;
            Some(Self { algorithm, key })
        })
    }
}

/// What identifies an assertion, and until when it would count.
pub(crate) type Used = (Bytes<16>, Timestamp);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    jti: String,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Who an assertion says it is of, before anything of it is believed.
pub(crate) fn claimed(assertion: &str) -> Option<String> {
    let (_, rest) = assertion.split_once('.')?;
    let (claims, _) = rest.split_once('.')?;
    decode::<Claims>(claims).map(|claims| claims.sub)
}

/// Verifies an assertion of this client for one of these audiences. The error says what is wrong with it.
pub(crate) fn verify(
    key: &ClientKey,
    client_id: &str,
    assertion: &str,
    audiences: &[String],
    now: Timestamp,
) -> Result<Used, &'static str> {
    if assertion.len() > MOST_BYTES {
        return Err("the assertion is too long");
    }
    let (signed, signature) = assertion.rsplit_once('.').ok_or("the assertion is not a signed JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("the assertion is not a signed JWT")?;
    let header: Map<String, Value> = decode(header).ok_or("the assertion's header is not JSON")?;
    if header.contains_key("crit") {
        return Err("the assertion has a critical extension");
    }
    if header.get("alg").and_then(Value::as_str) != Some(key.algorithm) {
        return Err("the assertion's algorithm is not the one of the client's key");
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the assertion's signature is not base64url")?;
    key.key.verify_sig(signed.as_bytes(), &signature).map_err(|_| "the assertion's signature does not verify")?;
    let claims: Claims = decode(claims).ok_or("the assertion lacks one of iss, sub, aud, jti, exp")?;
    if claims.iss != client_id || claims.sub != client_id {
        return Err("iss and sub are the client id");
    }
    let meant = match &claims.aud {
        Audience::One(audience) => audiences.contains(audience),
        Audience::Many(list) => list.iter().any(|audience| audiences.contains(audience)),
    };
    if !meant {
        return Err("aud is not this token endpoint");
    }
    let seconds = now.millis().div_euclid(1000);
    if claims.exp <= seconds - SKEW {
        return Err("the assertion has expired");
    }
    if claims.exp > seconds.saturating_add(LONGEST + SKEW) {
        return Err("the assertion counts for more than ten minutes");
    }
    if claims.iat.into_iter().chain(claims.nbf).any(|time| time > seconds + SKEW) {
        return Err("the assertion is of the future");
    }
    if claims.jti.is_empty() {
        return Err("jti is empty");
    }
    let hash = sha256(format!("client-assertion\n{client_id}\n{}", claims.jti).as_bytes());
    let mut value = [0; 16];
    value.copy_from_slice(&hash.0[..16]);
    // Remembered until even a clock that is late takes it for expired.
    Ok((Bytes(value), Timestamp::from_millis((claims.exp + 2 * SKEW).saturating_mul(1000))))
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    fn pair() -> (EcdsaKeyPair, ClientKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let body = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let key = ClientKey::parse(&format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")).unwrap();
        (pair, key)
    }

    fn signed(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
        let text =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_good_assertion_counts_and_every_changed_one_does_not() {
        let (pair, key) = pair();
        let now = Timestamp::from_seconds(1_000_000);
        let header = json!({"alg": "ES256", "typ": "JWT"});
        let good = json!({"iss": "c", "sub": "c", "aud": "https://x/token", "jti": "1", "exp": 1_000_060});
        let audiences = ["https://x/token".to_owned()];
        let judge = |header: &Value, claims: &Value| verify(&key, "c", &signed(&pair, header, claims), &audiences, now);
        assert!(judge(&header, &good).is_ok());
        for (name, value) in [
            ("iss", json!("d")),
            ("sub", json!("d")),
            ("aud", json!("https://y/token")),
            ("aud", json!([])),
            ("jti", json!("")),
            ("jti", json!(null)),
            ("exp", json!(999_000)),
            ("exp", json!(1_010_000)),
            ("iat", json!(1_000_500)),
            ("nbf", json!(1_000_500)),
        ] {
            let mut claims = good.clone();
            claims[name] = value;
            assert!(judge(&header, &claims).is_err(), "{claims}");
        }
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS256"}),
            json!({"alg": "RS256"}),
            json!({"alg": "ES256", "crit": ["x"]}),
        ] {
            assert!(judge(&header, &good).is_err(), "{header}");
        }
        let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        assert!(verify(&key, "c", &signed(&other, &header, &good), &audiences, now).is_err());
        assert_eq!(claimed(&signed(&pair, &header, &good)).as_deref(), Some("c"));
        for rubbish in ["", ".", "..", "a.b.c", "a.b"] {
            assert!(verify(&key, "c", rubbish, &audiences, now).is_err());
        }
    }

    #[test]
    fn an_assertion_is_known_by_client_and_jti() {
        let (pair, key) = pair();
        let now = Timestamp::from_seconds(1_000_000);
        let audiences = ["a".to_owned()];
        let of = |jti: &str| {
            let claims = json!({"iss": "c", "sub": "c", "aud": ["b", "a"], "jti": jti, "exp": 1_000_060});
            verify(&key, "c", &signed(&pair, &json!({"alg": "ES256"}), &claims), &audiences, now).unwrap().0
        };
        assert_eq!(of("1"), of("1"));
        assert_ne!(of("1"), of("2"));
    }
}
