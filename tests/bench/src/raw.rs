//! The protocol's own three operations by the same library, and writing a response, each alone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use latchkey_saml::attributes::{Facts, Mapping};
use latchkey_saml::authn_context::EvidenceLevel;
use latchkey_saml::keys;
use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use latchkey_saml::name_id::{NameId, NameIdFormat};
use latchkey_saml::response::{Reply, ResponseSpec};
use latchkey_saml::{Assertion, SignatureAlgorithm, Signer};
use latchkey_wire::{Ed25519Key, P256Key, Sign as _, Verify as _};

use crate::{Result, cpu};

/// Microseconds of CPU for each operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    pub(crate) rsa_sign: f64,
    pub(crate) p256_verify: f64,
    pub(crate) ed25519_sign: f64,
    /// A whole response, written and signed.
    pub(crate) response: f64,
}

impl Raw {
    /// Measures each operation for about `time`.
    pub(crate) fn measure(time: Duration) -> Result<Self> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let message = [7; 800];
        let key = keys::generate(SignatureAlgorithm::RsaSha256, "bench", Timestamp::now(), 1).map_err(|e| text(&e))?;
        let rsa = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&key.pkcs8).map_err(|e| text(&e))?;
        let random = aws_lc_rs::rand::SystemRandom::new();
        let mut out = vec![0; rsa.public_modulus_len()];
        let rsa_sign = each(time, || {
            rsa.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, &message, &mut out).map_err(|e| e.to_string())
        })?;
        let user = P256Key::generate();
        let signature = user.sign(&message).map_err(|e| text(&e))?;
        let p256_verify = each(time, || user.public().verify(&message, &signature).map_err(|e| e.to_string()))?;
        let challenge = Ed25519Key::generate();
        let ed25519_sign = each(time, || challenge.sign(&message).map(drop).map_err(|e| e.to_string()))?;
        let signer: Signer<Assertion> = Signer::from_generated(&key).map_err(|e| text(&e))?;
        let response = response(time, &signer)?;
        Ok(Self { rsa_sign, p256_verify, ed25519_sign, response })
    }
}

fn response(time: Duration, signer: &Signer<Assertion>) -> Result<f64> {
    let acs = "http://127.0.0.1:9/acs";
    let service = ServiceMetadata::by_hand("http://127.0.0.1:9/sp", &[acs], HttpPolicy::AllowHttp)?;
    let acs = service.default_acs().ok_or("a service has a consumer address")?;
    let now = Timestamp::now();
    let facts = Facts::from([("mail".to_owned(), vec!["user1@bench.example".to_owned()])]);
    let attributes = Mapping::basic().release(&facts);
    let name_id = NameId { format: NameIdFormat::Email, value: "user1@bench.example".to_owned() };
    let evidence = EvidenceLevel::new(0).ok_or("0 is a level")?;
    each(time, || {
        ResponseSpec {
            response_id: "_00112233445566778899aabbccddeeff00112233",
            assertion_id: "_10112233445566778899aabbccddeeff00112233",
            issuer: "http://localhost:8470/o/0/saml/metadata",
            audience: "http://127.0.0.1:9/sp",
            reply: Reply::Unsolicited(&acs),
            now,
            lifetime: SignedDuration::from_mins(5),
            name_id: &name_id,
            authn_instant: now,
            session_index: "_s0",
            session_not_on_or_after: None,
            authn_context_class: evidence.class(),
            evidence,
            attributes: &attributes,
            sign_response: false,
        }
        .sign(signer)
        .map(drop)
        .map_err(|e| e.to_string())
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few hundred thousand")]
fn each(time: Duration, mut work: impl FnMut() -> std::result::Result<(), String>) -> Result<f64> {
    let begin = cpu::of_thread();
    let mut count = 0_u64;
    loop {
        for _ in 0..16 {
            work()?;
        }
        count += 16;
        let spent = cpu::of_thread().saturating_sub(begin);
        if spent >= time {
            return Ok(spent.as_secs_f64() * 1e6 / count as f64);
        }
    }
}
