//! Signing and verifying, behind two small traits.
//!
//! Owns the software keys (Ed25519 from a seed, P-256 from PKCS#8) on aws-lc-rs. A key in hardware implements [`Sign`] elsewhere.
//! Must not know what is signed.

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use zeroize::Zeroizing;

use crate::jwk::PublicJwk;
use crate::jws::Alg;
use crate::{Bytes, WireError};

/// A private key that can sign. Implemented by the software keys here and by hardware keys elsewhere.
pub trait Sign {
    /// The public half, which also says the algorithm.
    fn public(&self) -> &PublicJwk;

    /// Signs the message as it is (hashing is part of the algorithm). 64 bytes for both algorithms; ES256 is r‖s.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], WireError>;

    /// The algorithm, by the kind of key.
    fn alg(&self) -> Alg {
        self.public().alg()
    }
}

/// A public key that can verify.
pub trait Verify {
    /// Checks a signature over the message as it is.
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature>;
}

/// The signature does not verify. Deliberately without detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

impl Verify for PublicJwk {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        // Both algorithms have exactly one length here; anything else never reaches the library.
        if signature.len() != 64 {
            return Err(BadSignature);
        }
        match self {
            Self::Ed25519 { x } => UnparsedPublicKey::new(&ED25519, x.as_bytes()).verify(message, signature),
            Self::P256 { .. } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.raw()).verify(message, signature)
            }
        }
        .map_err(|_| BadSignature)
    }
}

/// An Ed25519 private key: tokens, one-time codes, root and challenge keys.
pub struct Ed25519Key {
    pair: Ed25519KeyPair,
    public: PublicJwk,
}

impl Ed25519Key {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_seed(&random_bytes())
    }

    /// The key whose 32-byte seed this is.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are an Ed25519 seed");
        let public = pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        Self { pair, public: PublicJwk::Ed25519 { x: Bytes(public) } }
    }

    /// The seed, to be sealed and stored.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        let seed = self.pair.seed().expect("the pair was made from a seed");
        let bytes = seed.as_be_bytes().expect("a seed has bytes");
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(bytes.as_ref());
        out
    }

    /// The 32 raw bytes of the public key, of which a root's pin is made.
    #[must_use]
    pub fn public_bytes(&self) -> [u8; 32] {
        match &self.public {
            PublicJwk::Ed25519 { x } => x.0,
            PublicJwk::P256 { .. } => unreachable!("an Ed25519 key has an Ed25519 public key"),
        }
    }
}

impl Sign for Ed25519Key {
    fn public(&self) -> &PublicJwk {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], WireError> {
        let signature = self.pair.try_sign(message).map_err(|_| WireError::OwnKey("Ed25519".into()))?;
        signature.as_ref().try_into().map_err(|_| WireError::OwnKey("Ed25519 length".into()))
    }
}

/// A P-256 private key in software: device and user keys.
pub struct P256Key {
    pair: EcdsaKeyPair,
    public: PublicJwk,
}

impl P256Key {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the operating system's random source works");
        Self::of(pair).expect("a generated key has a public point")
    }

    /// The key in a PKCS#8 document, as [`P256Key::to_pkcs8`] wrote it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, WireError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| WireError::Key("not a P-256 key in PKCS#8"))?;
        Self::of(pair)
    }

    /// The PKCS#8 document (version 1, with the public key), wiped when dropped.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| WireError::OwnKey("PKCS#8".into()))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    fn of(pair: EcdsaKeyPair) -> Result<Self, WireError> {
        let public = PublicJwk::p256_from_point(pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }
}

impl Sign for P256Key {
    fn public(&self) -> &PublicJwk {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], WireError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| WireError::OwnKey("ECDSA".into()))?;
        signature.as_ref().try_into().map_err(|_| WireError::OwnKey("ECDSA length".into()))
    }
}

/// Random bytes for a key, a token, an epoch or a nonce.
pub fn random_bytes<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).expect("the operating system's random source works");
    bytes
}
