//! Signing keys, with their use in the type, and the public keys of services.
//!
//! A [`Signer<Assertion>`] cannot sign metadata and the reverse: what an attacker may shape and what a service trusts
//! never share a key. Must not know where keys are kept; they come in as PKCS#8 and certificate DER.

use std::marker::PhantomData;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};
use zeroize::Zeroizing;

use crate::names;

/// The use "signs assertions and responses".
#[derive(Debug)]
pub enum Assertion {}

/// The use "signs metadata".
#[derive(Debug)]
pub enum Metadata {}

/// What a key may be used for. Closed: only the uses of this module exist.
pub trait KeyUse: sealed::Sealed {}
impl KeyUse for Assertion {}
impl KeyUse for Metadata {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Assertion {}
    impl Sealed for super::Metadata {}
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum SignatureAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256; what every service accepts.
    #[serde(rename = "rsa-sha256")]
    RsaSha256,
    /// ECDSA on P-256 with SHA-256; sixteen times cheaper to make.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
}

impl SignatureAlgorithm {
    /// The `SignatureMethod` identifier.
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => names::RSA_SHA256,
            Self::EcdsaP256 => names::ECDSA_SHA256,
        }
    }

    /// The word of command line and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::EcdsaP256 => "ecdsa-p256",
        }
    }
}

/// A key or certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The certificate is not X.509 DER.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The generator failed.
    #[error("a key could not be made: {0}")]
    Generate(String),
    /// The certificate is for another key.
    #[error("the certificate does not belong to the private key")]
    Mismatch,
    /// The private key is not the PKCS#8 of the stated algorithm.
    #[error("the private key is not a usable {0} key in PKCS#8")]
    PrivateKey(&'static str),
    /// The public key is of a kind we do not verify with, or too small.
    #[error("the public key is unusable: {0}")]
    PublicKey(&'static str),
}

/// A fresh key pair with its self-signed certificate. Seal the private part at once.
pub struct GeneratedKey {
    /// What it signs with.
    pub algorithm: SignatureAlgorithm,
    /// PKCS#8 DER, wiped on drop.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// X.509 DER, self-signed.
    pub certificate: Vec<u8>,
}

impl std::fmt::Debug for GeneratedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GeneratedKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Makes a key pair and a self-signed certificate, valid `years` from a day before `now`.
///
/// Services trust the key, not the certificate's chain; it is self-signed and long-lived (SAML2Int, SDP-MD04) because
/// key changes go through metadata, not through expiry. `common_name` is shown to administrators only.
pub fn generate(
    algorithm: SignatureAlgorithm,
    common_name: &str,
    now: jiff::Timestamp,
    years: u16,
) -> Result<GeneratedKey, KeyError> {
    let failed = |e: rcgen::Error| KeyError::Generate(e.to_string());
    let key = match algorithm {
        SignatureAlgorithm::RsaSha256 => {
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        }
        SignatureAlgorithm::EcdsaP256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
    }
    .map_err(failed)?;

    let day = |t: jiff::Timestamp, years: u16| {
        let d = jiff::tz::TimeZone::UTC.to_datetime(t).date();
        let year = i32::from(d.year()) + i32::from(years);
        // Day 28 at most, so that a leap day never makes an impossible date.
        rcgen::date_time_ymd(
            year,
            u8::try_from(d.month()).expect("a month is 1 to 12"),
            u8::try_from(d.day().min(28)).expect("a day is 1 to 28"),
        )
    };
    let yesterday = now
        .checked_sub(jiff::SignedDuration::from_hours(24))
        .map_err(|_| KeyError::Generate("the time is out of range".to_owned()))?;
    if years > 100 {
        return Err(KeyError::Generate("a certificate may be valid for at most 100 years".to_owned()));
    }

    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    params.not_before = day(yesterday, 0);
    params.not_after = day(now, years);
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&key).map_err(failed)?;

    Ok(GeneratedKey {
        algorithm,
        pkcs8: Zeroizing::new(key.serialize_der()),
        certificate: certificate.der().as_ref().to_vec(),
    })
}

/// An X.509 certificate as carried in metadata: a container for a public key, with a fingerprint people compare.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    not_after: i64,
    public_key: PublicKey,
}

impl Certificate {
    /// Reads X.509 DER. Trailing bytes, unknown key types and RSA keys below 2,048 bits are refused.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let (rest, parsed) =
            x509_parser::parse_x509_certificate(der).map_err(|e| KeyError::Certificate(e.to_string()))?;
        if !rest.is_empty() {
            return Err(KeyError::Certificate("there are bytes after its end".to_owned()));
        }
        let public_key = PublicKey::from_spki(parsed.public_key().raw)?;
        Ok(Self { der: der.to_vec(), not_after: parsed.validity().not_after.timestamp(), public_key })
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The key inside.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Whether its validity ended before `now`.
    pub fn is_expired(&self, now: jiff::Timestamp) -> bool {
        self.not_after < now.as_second()
    }

    /// When its validity ends.
    pub fn not_after(&self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_second(self.not_after).ok()
    }

    /// SHA-256 fingerprint, upper-case hexadecimal with colons, as administrators compare it.
    pub fn fingerprint_sha256(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        digest.as_ref().iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Base64 in one line, as in `ds:X509Certificate`.
    pub fn base64(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&self.der)
    }

    /// PEM with 64 characters a line.
    pub fn pem(&self) -> String {
        let base64 = self.base64();
        let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            out.push_str(line);
            out.push('\n');
            rest = after;
        }
        out.push_str("-----END CERTIFICATE-----\n");
        out
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Certificate").field(&self.fingerprint_sha256()).finish()
    }
}

/// What kind of public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PublicKind {
    P256,
    P384,
    Rsa,
}

/// A public key of a service (or of a metadata publisher), good for verifying only.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: PublicKind,
    /// The whole SubjectPublicKeyInfo.
    spki: Vec<u8>,
    /// What stands in its bit string.
    raw: Vec<u8>,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        use x509_parser::prelude::FromDer as _;
        let (rest, spki) = x509_parser::x509::SubjectPublicKeyInfo::from_der(der)
            .map_err(|_| KeyError::PublicKey("it is not a SubjectPublicKeyInfo"))?;
        if !rest.is_empty() {
            return Err(KeyError::PublicKey("there are bytes after its end"));
        }
        let kind = match spki.parsed() {
            Ok(x509_parser::public_key::PublicKey::RSA(rsa)) => {
                // `key_size` counts the sign byte away; services below 2,048 bits are refused (SAML2Int, SDP-ALG).
                if rsa.key_size() < 2048 {
                    return Err(KeyError::PublicKey("an RSA key needs at least 2048 bits"));
                }
                if rsa.key_size() > 8192 {
                    return Err(KeyError::PublicKey("an RSA key may have at most 8192 bits"));
                }
                PublicKind::Rsa
            }
            Ok(x509_parser::public_key::PublicKey::EC(point)) => match point.key_size() {
                256 => PublicKind::P256,
                384 => PublicKind::P384,
                _ => return Err(KeyError::PublicKey("of the elliptic curves only P-256 and P-384 are spoken")),
            },
            _ => return Err(KeyError::PublicKey("only RSA, P-256 and P-384 keys are spoken")),
        };
        Ok(Self { kind, spki: der.to_vec(), raw: spki.subject_public_key.data.to_vec() })
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Verifies a detached signature made with the algorithm named by `uri`; `Err` if it does not verify, the
    /// algorithm is not on the list (no SHA-1), or does not fit the key.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8], uri: &str) -> Result<(), ()> {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, uri) {
            (PublicKind::Rsa, names::RSA_SHA256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (PublicKind::Rsa, names::RSA_SHA384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (PublicKind::Rsa, names::RSA_SHA512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (PublicKind::P256, names::ECDSA_SHA256) => &signature::ECDSA_P256_SHA256_FIXED,
            (PublicKind::P384, names::ECDSA_SHA384) => &signature::ECDSA_P384_SHA384_FIXED,
            _ => return Err(()),
        };
        UnparsedPublicKey::new(algorithm, &self.raw).verify(message, signature).map_err(|_| ())
    }
}

enum Private {
    P256(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// A private key that signs documents of one use. It cannot be printed or exported.
pub struct Signer<U: KeyUse> {
    private: Private,
    certificate: Certificate,
    use_: PhantomData<fn() -> U>,
}

impl<U: KeyUse> std::fmt::Debug for Signer<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm()).field("certificate", &self.certificate).finish()
    }
}

impl<U: KeyUse> Signer<U> {
    /// From PKCS#8 DER and the certificate's DER; refuses a certificate of another key.
    pub fn from_der(algorithm: SignatureAlgorithm, pkcs8: &[u8], certificate: &[u8]) -> Result<Self, KeyError> {
        let certificate = Certificate::from_der(certificate)?;
        let refused = |_| KeyError::PrivateKey(algorithm.name());
        let (private, public) = match algorithm {
            SignatureAlgorithm::RsaSha256 => {
                let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(refused)?;
                let public = key.public_key().as_ref().to_vec();
                (Private::Rsa(Box::new(key)), public)
            }
            SignatureAlgorithm::EcdsaP256 => {
                let key =
                    EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(refused)?;
                let public = key.public_key().as_ref().to_vec();
                (Private::P256(Box::new(key)), public)
            }
        };
        if public != certificate.public_key.raw {
            return Err(KeyError::Mismatch);
        }
        Ok(Self { private, certificate, use_: PhantomData })
    }

    /// From a pair just generated.
    pub fn from_generated(key: &GeneratedKey) -> Result<Self, KeyError> {
        Self::from_der(key.algorithm, &key.pkcs8, &key.certificate)
    }

    /// How it signs.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self.private {
            Private::P256(_) => SignatureAlgorithm::EcdsaP256,
            Private::Rsa(_) => SignatureAlgorithm::RsaSha256,
        }
    }

    /// The certificate to publish.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Signs; ECDSA as r‖s of 64 bytes, the form of XML signatures (RFC 4050 3.3).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, crate::WriteError> {
        let random = SystemRandom::new();
        match &self.private {
            Private::P256(key) => {
                key.sign(&random, message).map(|s| s.as_ref().to_vec()).map_err(|_| crate::WriteError::Sign)
            }
            Private::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut out)
                    .map_err(|_| crate::WriteError::Sign)?;
                Ok(out)
            }
        }
    }
}
