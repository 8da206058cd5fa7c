//! Who signed: making and verifying messages.
//!
//! Owns the matching of signatures to the signers a payload requires, and the proof types that only a full check builds. A server goes
//! through its steps in the protocol's order:
//!
//! 1. [`Posted::parse`]: size, form, `typ`, the algorithm of each signer's role, the members, and that exactly the required signatures
//!    stand there. No cryptography yet, nothing is proven.
//! 2. [`Posted::nonce`], [`Posted::unverified`]: to open the nonce's seal and compare the common members ([`Posted::addressed_to`]).
//! 3. [`Posted::verify_token`]: after it the sender holds the seed, and may be told exact reasons.
//! 4. [`Posted::verify`]: every other signature. Only this gives a [`Verified`].
//!
//! Must not know keys by itself: the caller looks them up.

use std::fmt;
use std::marker::PhantomData;

use crate::bytes::{Bytes, from_base64url};
use crate::epoch::request_sha256;
use crate::jws::{self, Alg, Parts, Typ};
pub use crate::make::{By, Sent, result_typ, sign_proof, sign_request, sign_result, sign_statement};
use crate::message::{Common, DeviceResult, Enroll, Message, Payload, Proof, Refusal, Request, Statement};
use crate::sign::Verify as _;
use crate::token::{CodeKind, Kind, TokenId, TokenKind};
use crate::{PublicJwk, Thumbprint, WireError};

/// Someone who must sign a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Signer {
    /// The enrolled device's current key. Its `kid` is found in the message; the server compares it with the record.
    Device,
    /// A device key that stands in the payload, with its thumbprint.
    DeviceKey(Thumbprint),
    /// The user key of the binding a proof names.
    User,
    /// A user key that stands in the payload, with its thumbprint.
    UserKey(Thumbprint),
    /// A device token.
    Token(TokenId),
    /// A one-time code.
    Code(TokenId),
    /// The key of an MDM certificate, with SHA-256 of the leaf.
    Mdm(Bytes<32>),
}

impl Signer {
    /// The algorithm that belongs to this role.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        match self {
            Self::Token(_) | Self::Code(_) => Alg::EdDsa,
            Self::Device | Self::DeviceKey(_) | Self::User | Self::UserKey(_) | Self::Mdm(_) => Alg::Es256,
        }
    }

    /// The `kid`, where the payload alone says it.
    #[must_use]
    pub fn kid(&self) -> Option<String> {
        match self {
            Self::Device | Self::User => None,
            Self::DeviceKey(hash) | Self::UserKey(hash) | Self::Mdm(hash) => Some(hash.to_string()),
            Self::Token(id) => Some(format!("{}_{id}", TokenKind::PREFIX)),
            Self::Code(id) => Some(format!("{}_{id}", CodeKind::PREFIX)),
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device | Self::DeviceKey(_) => f.write_str("the device key"),
            Self::User | Self::UserKey(_) => f.write_str("the user key"),
            Self::Token(id) => write!(f, "the device token {id}"),
            Self::Code(id) => write!(f, "the one-time code {id}"),
            Self::Mdm(_) => f.write_str("the MDM certificate"),
        }
    }
}

/// A signer's key was not found, or its record does not allow it to sign. Refuses the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoKey;

/// What a server compares the common members with.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// The issuer's name.
    pub iss: &'a str,
    /// The organization's opaque id, the one of the path.
    pub org: &'a str,
    /// The thumbprint of the current root key.
    pub rk: &'a Thumbprint,
}

/// State of a [`Posted`] enrollment whose token signature was not verified yet, and of every other message.
pub enum Unproven {}

/// State of a [`Posted`] enrollment whose sender proved possession of the token's seed.
pub enum SeedProven {}

/// A message from a connector, taken apart. Proves nothing.
pub struct Posted<T: Request, S = Unproven> {
    message: Message<T>,
    parts: Parts,
    /// In the order of `parts.signatures`.
    signers: Vec<Signer>,
    state: PhantomData<fn() -> S>,
}

impl<T: Request> Posted<T> {
    /// The longest body that can be a message of this kind, for the HTTP layer's limit.
    pub const MAX_BODY: usize = jws::max_text(T::LIMIT);

    /// Step 1 for what is posted as JWS JSON.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        Self::of(jws::parse_json(body, T::TYP, T::LIMIT)?)
    }

    fn of(parts: Parts) -> Result<Self, WireError> {
        for signed in &parts.signatures {
            let alg = alg_of_kid(&signed.header.kid);
            if signed.header.alg != alg {
                return Err(WireError::Alg { found: signed.header.alg.to_string() });
            }
        }
        let message = Message::<T>::from_payload(&parts.payload)?;
        let signers = match_signers(message.body.signers()?, &parts)?;
        Ok(Self { message, parts, signers, state: PhantomData })
    }
}

impl Posted<Proof> {
    /// Step 1 for a proof, which is a compact JWS.
    pub fn parse_proof(text: &str) -> Result<Self, WireError> {
        Self::of(jws::parse_compact(text, Typ::Proof, Proof::LIMIT)?)
    }
}

impl<T: Request, S> Posted<T, S> {
    /// The nonce it claims to consume.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.message.common.nonce
    }

    /// What it says. Nothing of it is proven.
    #[must_use]
    pub fn unverified(&self) -> &Message<T> {
        &self.message
    }

    /// Who has to have signed, in the order of the signatures.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The `kid` that claims to be this signer.
    #[must_use]
    pub fn kid_of(&self, signer: &Signer) -> Option<&str> {
        let at = self.signers.iter().position(|s| s == signer)?;
        Some(&self.parts.signatures[at].header.kid)
    }

    /// Over the payload bytes as they came, for results and refusals.
    #[must_use]
    pub fn request_sha256(&self) -> Bytes<32> {
        request_sha256(&self.parts.payload)
    }

    /// Step 2: whether this message is for us. `cloud`, which only an enrollment has, is [`Posted::cloud_is`].
    pub fn addressed_to(&self, ours: Ours<'_>) -> Result<(), WireError> {
        let Common { iss, org, rk, .. } = &self.message.common;
        for (fits, member) in [(iss == ours.iss, "iss"), (org == ours.org, "org"), (rk == ours.rk, "rk")] {
            if !fits {
                return Err(WireError::NotOurs { member });
            }
        }
        Ok(())
    }

    fn check(&self, at: usize, key: &PublicJwk) -> Result<(), WireError> {
        let (signed, signer) = (&self.parts.signatures[at], &self.signers[at]);
        let refused = || WireError::Signature { signer: signer.to_string() };
        // The key's own kind decides how it verifies, so it must be the kind of the role.
        if key.alg() != signer.alg() {
            return Err(WireError::Key("not the kind of key of this signer"));
        }
        // A key is named by its thumbprint wherever the role does not name it otherwise.
        let named_by_key = matches!(signer, Signer::Device | Signer::DeviceKey(_) | Signer::User | Signer::UserKey(_));
        if named_by_key && signed.header.kid != key.thumbprint().to_string() {
            return Err(refused());
        }
        key.verify(&signed.input, &signed.signature).map_err(|_| refused())
    }

    fn verify_all(
        self,
        mut done: impl FnMut(&Signer) -> bool,
        mut key_of: impl FnMut(&Signer) -> Result<PublicJwk, NoKey>,
    ) -> Result<Verified<T>, WireError> {
        for at in 0..self.signers.len() {
            let signer = &self.signers[at];
            if done(signer) {
                continue;
            }
            let key = key_of(signer).map_err(|NoKey| WireError::UnknownKey)?;
            self.check(at, &key)?;
        }
        Ok(Verified { request_sha256: self.request_sha256(), message: self.message, signers: self.signers })
    }
}

impl<S> Posted<Enroll, S> {
    /// Whether the enrollment names one of our public addresses.
    pub fn cloud_is(&self, public_urls: &[String]) -> Result<(), WireError> {
        if public_urls.contains(&self.message.body.cloud) {
            Ok(())
        } else {
            Err(WireError::NotOurs { member: "cloud" })
        }
    }
}

impl Posted<Enroll> {
    /// Step 3: the token's signature. Afterwards the sender is known to hold the seed.
    pub fn verify_token(self, key: &PublicJwk) -> Result<Posted<Enroll, SeedProven>, WireError> {
        let at = self.signers.iter().position(|signer| matches!(signer, Signer::Token(_)));
        let at = at.ok_or_else(|| WireError::Signers("no device token is named".into()))?;
        self.check(at, key)?;
        let Self { message, parts, signers, .. } = self;
        Ok(Posted { message, parts, signers, state: PhantomData })
    }
}

impl Posted<Enroll, SeedProven> {
    /// Step 4: the other signatures. Looks up codes and MDM keys; the device and user key stand in the payload.
    pub fn verify(
        self,
        mut key_of: impl FnMut(&Signer) -> Result<PublicJwk, NoKey>,
    ) -> Result<Verified<Enroll>, WireError> {
        let dk = self.message.body.dk_jwk.clone();
        let uk = self.message.body.user.as_ref().map(|user| user.uk_jwk.clone());
        // The token was verified by the step before: `SeedProven` says so.
        self.verify_all(
            |signer| matches!(signer, Signer::Token(_)),
            |signer| match signer {
                Signer::DeviceKey(_) => Ok(dk.clone()),
                Signer::UserKey(_) => uk.clone().ok_or(NoKey),
                other => key_of(other),
            },
        )
    }
}

/// A message whose signatures are verified by keys the caller looks up; keys that stand in the payload are taken from there.
macro_rules! verify_with_lookup {
    ($($body:ident: |$message:ident, $signer:ident| $own:expr;)+) => {$(
        impl Posted<crate::message::$body> {
            /// Every signature: the caller looks up the device's or user's key and those of codes and MDM certificates; a key that
            /// stands in the payload is taken from there.
            pub fn verify(
                self,
                mut key_of: impl FnMut(&Signer) -> Result<PublicJwk, NoKey>,
            ) -> Result<Verified<crate::message::$body>, WireError> {
                let $message = self.message.body.clone();
                self.verify_all(|_| false, |$signer| match $own {
                    Some(key) => Ok(key),
                    None => key_of($signer),
                })
            }
        }
    )+};
}

verify_with_lookup! {
    Renew: |renew, signer| renew.new_dk_jwk.clone().filter(|_| matches!(signer, Signer::DeviceKey(_)));
    Bind: |bind, signer| Some(bind.uk_jwk.clone()).filter(|_| matches!(signer, Signer::UserKey(_)));
    Heartbeat: |_message, _signer| None;
    Unenroll: |_message, _signer| None;
    Proof: |_message, _signer| None;
}

/// The algorithm that belongs to whoever a `kid` names: tokens and codes EdDSA, everyone else who signs for a device ES256.
fn alg_of_kid(kid: &str) -> Alg {
    let prefix = kid.split_once('_').map(|(prefix, _)| prefix);
    if prefix == Some(TokenKind::PREFIX) || prefix == Some(CodeKind::PREFIX) { Alg::EdDsa } else { Alg::Es256 }
}

/// Matches signatures to required signers; a missing, unnamed or double one is refused.
fn match_signers(required: Vec<Signer>, parts: &Parts) -> Result<Vec<Signer>, WireError> {
    if required.len() > jws::MAX_SIGNATURES {
        return Err(WireError::Signers("more than 8 are named".into()));
    }
    if required.len() != parts.signatures.len() {
        return Err(WireError::Signers(format!("{} where {} belong", parts.signatures.len(), required.len())));
    }
    let mut open = required;
    let mut signers: Vec<Option<Signer>> = vec![None; parts.signatures.len()];
    // First those whose kid the payload says, then the one (at most) that only the server's record knows.
    for (slot, signed) in signers.iter_mut().zip(&parts.signatures) {
        if let Some(at) = open.iter().position(|signer| signer.kid().as_ref() == Some(&signed.header.kid)) {
            *slot = Some(open.swap_remove(at));
        }
    }
    let unmatched = signers.iter().filter(|slot| slot.is_none()).count();
    match (unmatched, open.as_slice()) {
        (0, []) => {}
        (1, [signer @ (Signer::Device | Signer::User)]) => {
            let at = signers.iter().position(Option::is_none).expect("one was counted");
            let kid = &parts.signatures[at].header.kid;
            kid.parse::<Thumbprint>().map_err(|_| WireError::Signers(format!("{kid:?} is no thumbprint")))?;
            signers[at] = Some(signer.clone());
        }
        _ => {
            let missing = open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(WireError::Signers(format!("missing: {missing}")));
        }
    }
    // Two signatures by one key under two roles would let one key stand for two parties.
    let mut kids: Vec<&str> = parts.signatures.iter().map(|signed| signed.header.kid.as_str()).collect();
    kids.sort_unstable();
    if kids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(WireError::Signers("one key signs twice".into()));
    }
    Ok(signers.into_iter().flatten().collect())
}

/// A message of which every required signature was verified. Only this crate builds one:
///
/// ```compile_fail,E0451
/// use latchkey_wire::{Verified, message::{Heartbeat, Message}};
///
/// fn forge(message: Message<Heartbeat>) -> Verified<Heartbeat> {
///     Verified { message, request_sha256: latchkey_wire::Bytes([0; 32]), signers: vec![] }
/// }
/// ```
///
/// and an enrollment whose token signature was not verified has no `verify`:
///
/// ```compile_fail,E0599
/// use latchkey_wire::{Posted, message::Enroll, verify::NoKey};
///
/// let posted = Posted::<Enroll>::parse(b"{}").unwrap();
/// posted.verify(|_| Err(NoKey));
/// ```
#[derive(Debug)]
pub struct Verified<T: Payload> {
    message: Message<T>,
    request_sha256: Bytes<32>,
    signers: Vec<Signer>,
}

impl<T: Payload> Verified<T> {
    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message<T> {
        &self.message
    }

    /// Its own members.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.message.body
    }

    /// Its common members.
    #[must_use]
    pub fn common(&self) -> &T::Common {
        &self.message.common
    }

    /// Over the payload bytes as they came.
    #[must_use]
    pub fn request_sha256(&self) -> Bytes<32> {
        self.request_sha256
    }

    /// Who signed (empty for what a cloud signs: there the caller gave the keys).
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The one-time codes that signed.
    pub fn codes(&self) -> impl Iterator<Item = &TokenId> {
        self.signers.iter().filter_map(|signer| if let Signer::Code(id) = signer { Some(id) } else { None })
    }

    /// The message, without the proof.
    #[must_use]
    pub fn into_message(self) -> Message<T> {
        self.message
    }
}

/// Verifies what a cloud says with one of these keys, chosen by `kid`. [`WireError::UnknownKey`] if none has that thumbprint.
pub fn verify_statement<T: Statement>(text: &str, keys: &[PublicJwk]) -> Result<Verified<T>, WireError> {
    verify_compact(text, T::TYP, keys)
}

fn verify_compact<T: Payload>(text: &str, typ: Typ, keys: &[PublicJwk]) -> Result<Verified<T>, WireError> {
    let parts = jws::parse_compact(text, typ, T::LIMIT)?;
    let signed = &parts.signatures[0];
    // Every key of a cloud is Ed25519.
    if signed.header.alg != Alg::EdDsa {
        return Err(WireError::Alg { found: signed.header.alg.to_string() });
    }
    let key = keys.iter().find(|key| key.thumbprint().to_string() == signed.header.kid).ok_or(WireError::UnknownKey)?;
    if key.alg() != Alg::EdDsa {
        return Err(WireError::Key("a cloud's keys are Ed25519"));
    }
    key.verify(&signed.input, &signed.signature)
        .map_err(|_| WireError::Signature { signer: "the cloud".to_owned() })?;
    Ok(Verified {
        message: Message::from_payload(&parts.payload)?,
        request_sha256: request_sha256(&parts.payload),
        signers: Vec::new(),
    })
}

/// Verifies the good answer to a request. One with another device key, request, nonce or organization counts as unsigned.
pub fn verify_result(text: &str, sent: &Sent, keys: &[PublicJwk]) -> Result<Verified<DeviceResult>, WireError> {
    let result: Verified<DeviceResult> = verify_compact(text, result_typ(sent.typ)?, keys)?;
    answers(sent, result.common(), &result.body().dk, &result.body().request_sha256)?;
    Ok(result)
}

/// Verifies a signed refusal of a request. One with another device key, request, nonce or organization counts as unsigned.
pub fn verify_refusal(text: &str, sent: &Sent, keys: &[PublicJwk]) -> Result<Verified<Refusal>, WireError> {
    let refusal: Verified<Refusal> = verify_statement(text, keys)?;
    answers(sent, refusal.common(), &refusal.body().dk, &refusal.body().request_sha256)?;
    Ok(refusal)
}

fn answers(sent: &Sent, common: &Common, dk: &Thumbprint, request: &Bytes<32>) -> Result<(), WireError> {
    let fits = [
        (*dk == sent.dk, "dk"),
        (*request == sent.request_sha256, "request_sha256"),
        (common.nonce == sent.nonce, "nonce"),
        (common.org == sent.org, "org"),
    ];
    match fits.into_iter().find(|(fits, _)| !fits) {
        Some((_, member)) => Err(WireError::NotOurs { member }),
        None => Ok(()),
    }
}

/// The `kid` of a compact JWS, to find out which key to look for. Proves nothing.
pub fn kid_of_compact(text: &str) -> Result<String, WireError> {
    let header = text.split('.').next().unwrap_or_default();
    if header.len() > 512 {
        return Err(WireError::TooLarge { limit: 512 });
    }
    let value = crate::json::parse(&from_base64url(header)?)?;
    value.get("kid").and_then(|kid| kid.as_str()).map(str::to_owned).ok_or(WireError::Header)
}
