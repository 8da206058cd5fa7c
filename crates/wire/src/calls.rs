//! The bodies of the calls: what stands around the signed messages.
//!
//! Owns the unsigned JSON of each call, its media types and paths below `/o/{org}/`. Must not know HTTP itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::code::AnyCode;
use crate::state::Purpose;
use crate::{Thumbprint, WireError, json};

/// Media type of what is posted as JWS JSON.
pub const JOSE_JSON: &str = "application/jose+json";

/// The header with which an agent asks for a challenge instead of a page, and its value.
pub const AGENT_HEADER: (&str, &str) = ("latchkey-agent", "1");

/// The cookie that binds a transaction to one browser.
pub const BINDING_COOKIE: &str = "__Host-lk-b";

/// The longest sealed transaction.
pub const MAX_TXN: usize = 4 * 1024;

/// Paths below `/o/{org}/`.
pub mod path {
    /// Nonces.
    pub const NONCES: &str = "device/v1/nonces";
    /// Enrollments.
    pub const ENROLLMENTS: &str = "device/v1/enrollments";
    /// Renewals.
    pub const RENEWALS: &str = "device/v1/renewals";
    /// Bindings.
    pub const BINDINGS: &str = "device/v1/bindings";
    /// Heartbeats.
    pub const HEARTBEATS: &str = "device/v1/heartbeats";
    /// Unenrollments.
    pub const UNENROLLMENTS: &str = "device/v1/unenrollments";
    /// Single sign-on.
    pub const SSO: &str = "saml/sso";
    /// A proof by a browser channel.
    pub const PROOF: &str = "signin/proof";
    /// The end of a sign-in.
    pub const FINISH: &str = "signin/finish";
}

/// Asks for a nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceRequest {
    /// What for.
    pub purpose: Purpose,
    /// For whose device key.
    pub thumbprint: Thumbprint,
    /// The token's, the code's or the device's id: 1 to 64 characters of `A-Z a-z 0-9 - _`.
    pub id: String,
}

impl NonceRequest {
    /// The longest body.
    pub const MAX_BODY: usize = 512;

    /// Reads a body under the rules for what a connector sends.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let request: Self = strict(body, Self::MAX_BODY)?;
        let fits = request.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fits || request.id.len() > crate::nonce::MAX_ID {
            return Err(WireError::Member("id: 1 to 64 letters, digits, - and _".into()));
        }
        Ok(request)
    }
}

/// A nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceAnswer {
    /// `lk-nonce+jwt`.
    pub nonce: String,
}

/// The good answer to a device's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultAnswer {
    /// The signed result.
    pub result: String,
}

/// The answer to an AuthnRequest with [`AGENT_HEADER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeAnswer {
    /// The sealed transaction.
    pub txn: String,
    /// `lk-challenge+jwt`.
    pub challenge: String,
}

/// A proof, to `signin/finish` by the agent and to `signin/proof` by the browser channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRequest {
    /// The sealed transaction, as received.
    pub txn: String,
    /// `lk-proof+jwt`.
    pub proof: String,
}

impl ProofRequest {
    /// The longest body.
    pub const MAX_BODY: usize = MAX_TXN + 32 * 1024;

    /// Reads a body under the rules for what a connector sends.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let request: Self = strict(body, Self::MAX_BODY)?;
        if request.txn.len() > MAX_TXN {
            return Err(WireError::TooLarge { limit: MAX_TXN });
        }
        Ok(request)
    }
}

/// What the agent takes to the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishAnswer {
    /// The consumer address to post to.
    pub destination: String,
    /// The form's `SAMLResponse`.
    pub saml_response: String,
    /// The form's `RelayState`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_state: Option<String>,
    /// Why nobody is signed in, where the response tells the service so. Absent: it holds an assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusalAnswer>,
}

/// A refusal that the service is told, as the person at the device may know it: members of the problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalAnswer {
    /// Why.
    pub code: AnyCode,
    /// What exactly, in words.
    pub detail: String,
    /// What to do about it.
    pub fix: String,
    /// What to quote to the administrator.
    #[serde(rename = "ref")]
    pub reference: String,
}

fn strict<T: Serialize + DeserializeOwned>(body: &[u8], limit: usize) -> Result<T, WireError> {
    if body.len() > limit {
        return Err(WireError::TooLarge { limit });
    }
    let value = json::parse(body)?;
    let typed = T::deserialize(&value).map_err(|e| WireError::Member(e.to_string()))?;
    json::same(&value, &serde_json::to_value(&typed).map_err(|e| WireError::Json(e.to_string()))?)?;
    Ok(typed)
}
