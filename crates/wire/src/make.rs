//! Making signed messages.
//!
//! Owns the signing side of [`verify`](crate::verify), which re-exports all of it. Must not know where a key is kept.

use crate::bytes::{Bytes, to_base64url};
use crate::epoch::request_sha256;
use crate::jws::{self, Typ};
use crate::message::{DeviceResult, Message, Proof, Request, Statement};
use crate::sign::Sign;
use crate::token::{Credential, Kind};
use crate::verify::Posted;
use crate::{Thumbprint, WireError};

/// One signature to make.
#[derive(Clone)]
pub struct By<'a> {
    kid: String,
    key: &'a dyn Sign,
}

impl<'a> By<'a> {
    /// By a key that is named by its thumbprint: device, user, challenge and root key.
    #[must_use]
    pub fn key(key: &'a dyn Sign) -> Self {
        Self { kid: key.public().thumbprint().to_string(), key }
    }

    /// By a token or one-time code, given with its [`Credential::signing_key`].
    #[must_use]
    pub fn credential<K: Kind>(credential: &Credential<K>, key: &'a dyn Sign) -> Self {
        Self { kid: credential.kid(), key }
    }

    /// By the key of an MDM certificate.
    #[must_use]
    pub fn mdm(leaf_der: &[u8], key: &'a dyn Sign) -> Self {
        Self { kid: crate::bytes::sha256(leaf_der).to_string(), key }
    }
}

/// A signed request, and what its answer must name.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The body to post (JWS JSON), or the proof (compact).
    pub body: Vec<u8>,
    /// Its kind.
    pub typ: Typ,
    /// The device key that asks.
    pub dk: Thumbprint,
    /// Over its payload bytes.
    pub request_sha256: Bytes<32>,
    /// Its nonce.
    pub nonce: String,
    /// The organization it is for.
    pub org: String,
}

/// Signs a request as JWS JSON. `dk` is the key that the answer will name: the device key, in a renewal the old one. Refuses to send
/// what the server would refuse for its form or its signers.
pub fn sign_request<T: Request>(message: &Message<T>, dk: &Thumbprint, by: &[By<'_>]) -> Result<Sent, WireError> {
    let payload = message.to_payload()?;
    let encoded = to_base64url(&payload);
    let signatures = by
        .iter()
        .map(|By { kid, key }| {
            let (protected, signature) = jws::sign_part(&encoded, T::TYP, kid, *key)?;
            Ok(serde_json::json!({ "protected": protected, "signature": signature }))
        })
        .collect::<Result<Vec<_>, WireError>>()?;
    let body = serde_json::json!({ "payload": encoded, "signatures": signatures }).to_string().into_bytes();
    Posted::<T>::parse(&body)?;
    Ok(Sent {
        body,
        typ: T::TYP,
        dk: *dk,
        request_sha256: request_sha256(&payload),
        nonce: message.common.nonce.clone(),
        org: message.common.org.clone(),
    })
}

/// Signs a proof: compact, by the user key.
pub fn sign_proof(message: &Message<Proof>, dk: &Thumbprint, user_key: &dyn Sign) -> Result<Sent, WireError> {
    let payload = message.to_payload()?;
    let kid = user_key.public().thumbprint().to_string();
    let body = jws::sign_compact(&payload, Typ::Proof, &kid, user_key)?;
    Ok(Sent {
        body: body.into_bytes(),
        typ: Typ::Proof,
        dk: *dk,
        request_sha256: request_sha256(&payload),
        nonce: message.common.nonce.clone(),
        org: message.common.org.clone(),
    })
}

/// Signs what a cloud says: compact, `kid` the key's thumbprint. Which key may sign which statement is the caller's type.
pub fn sign_statement<T: Statement>(message: &Message<T>, key: &dyn Sign) -> Result<String, WireError> {
    let kid = key.public().thumbprint().to_string();
    jws::sign_compact(&message.to_payload()?, T::TYP, &kid, key)
}

/// Signs the good answer to a request of kind `request`.
pub fn sign_result(request: Typ, message: &Message<DeviceResult>, key: &dyn Sign) -> Result<String, WireError> {
    let kid = key.public().thumbprint().to_string();
    jws::sign_compact(&message.to_payload()?, result_typ(request)?, &kid, key)
}

/// The `typ` of the good answer to a request.
pub fn result_typ(request: Typ) -> Result<Typ, WireError> {
    match request {
        Typ::Enroll => Ok(Typ::EnrollResult),
        Typ::Renew => Ok(Typ::RenewResult),
        Typ::Bind => Ok(Typ::BindResult),
        Typ::Heartbeat => Ok(Typ::HeartbeatResult),
        Typ::Unenroll => Ok(Typ::UnenrollResult),
        _ => Err(WireError::Shape("this message has no signed result")),
    }
}
