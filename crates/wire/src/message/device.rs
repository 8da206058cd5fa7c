//! What a device asks for, and the results.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Common, MAX_ENROLL_PAYLOAD, Payload, Request, is_false, payload};
use crate::bytes::sha256;
use crate::code::AnyCode;
use crate::state::{BindingState, ClaimSource, DeviceState, Platform, Protection};
use crate::token::TokenId;
use crate::verify::Signer;
use crate::{Binary, Bytes, EpochHash, EpochSecret, Level, PublicJwk, Seconds, Thumbprint, WireError};

/// What a device says about itself. All of it is a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The operating system's kind.
    pub platform: Platform,
    /// Its name and version, as it states them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The serial number of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The machine's SMBIOS UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smbios_uuid: Option<String>,
    /// The connector's version, `major.minor.patch`.
    pub agent: String,
    /// The management system's own id for the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_device_id: Option<String>,
    /// Corporate, personal, … as the install option says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<String>,
}

/// Further evidence, each of which signs the payload too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Evidence {
    /// A one-time code.
    Code {
        /// Its id.
        id: TokenId,
    },
    /// A certificate from the management system's CA, leaf first, in DER.
    Mdm {
        /// At least the leaf.
        chain: Vec<Binary>,
    },
}

/// The first user of a device, named at enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserClaim {
    /// The user key; it signs the payload too.
    pub uk_jwk: PublicJwk,
    /// The login name claimed, `local@domain`.
    pub claim: String,
    /// Where the connector has the name from.
    pub source: ClaimSource,
    /// The operating system's account.
    pub os_account: String,
}

/// An enrollment, `lk-enroll+jwt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enroll {
    /// The cloud's primary address, the first of the document's `public_urls`.
    pub cloud: String,
    /// The device's domain.
    pub domain: String,
    /// The device token's id; its key signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// The device key (P-256); it signs.
    pub dk_jwk: PublicJwk,
    /// The commitment to epoch 0.
    pub v_0: EpochHash,
    /// How the device key is kept.
    pub protection: Protection,
    /// What the device says about itself.
    pub device: DeviceFacts,
    /// The first user, if somebody is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserClaim>,
    /// Further evidence; each signs. May be an empty list, is never absent.
    pub evidence: Vec<Evidence>,
    /// After a release from quarantine: the record to take over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// `true`, or absent: only the verdict is asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}
payload!(Enroll Common, Enroll, strict true, limit MAX_ENROLL_PAYLOAD);

impl Request for Enroll {
    fn signers(&self) -> Result<Vec<Signer>, WireError> {
        let mut signers = vec![Signer::DeviceKey(es256(&self.dk_jwk)?.thumbprint())];
        signers.extend(self.token_id.clone().map(Signer::Token));
        if let Some(user) = &self.user {
            signers.push(Signer::UserKey(es256(&user.uk_jwk)?.thumbprint()));
        }
        evidence_signers(&self.evidence, &mut signers)?;
        Ok(signers)
    }
}

/// A renewal, `lk-renew+jwt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// The device.
    pub device_id: String,
    /// Its epoch, which this renewal ends.
    pub n: u64,
    /// The secret of that epoch, spent by this.
    pub e_n: EpochSecret,
    /// The commitment to the next epoch.
    pub v_next: EpochHash,
    /// The device certificate; absent only where the device never had one (approved after *pending*).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Binary>,
    /// What the device says about itself now.
    pub facts: DeviceFacts,
    /// A new device key; it signs too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_dk_jwk: Option<PublicJwk>,
}
payload!(Renew Common, Renew, strict true);

impl Request for Renew {
    fn signers(&self) -> Result<Vec<Signer>, WireError> {
        let mut signers = vec![Signer::Device];
        if let Some(key) = &self.new_dk_jwk {
            signers.push(Signer::DeviceKey(es256(key)?.thumbprint()));
        }
        Ok(signers)
    }
}

/// A further user of an enrolled device, `lk-bind+jwt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The device.
    pub device_id: String,
    /// Its epoch.
    pub n: u64,
    /// Proves knowledge of the epoch.
    pub tag: Bytes<32>,
    /// The user key; it signs.
    pub uk_jwk: PublicJwk,
    /// The login name claimed, `local@domain`.
    pub claim: String,
    /// Where the connector has the name from.
    pub source: ClaimSource,
    /// The operating system's account.
    pub os_account: String,
    /// Further evidence; each signs.
    pub evidence: Vec<Evidence>,
}
payload!(Bind Common, Bind, strict true);

impl Request for Bind {
    fn signers(&self) -> Result<Vec<Signer>, WireError> {
        let mut signers = vec![Signer::Device, Signer::UserKey(es256(&self.uk_jwk)?.thumbprint())];
        evidence_signers(&self.evidence, &mut signers)?;
        Ok(signers)
    }
}

/// A heartbeat, `lk-heartbeat+jwt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The device.
    pub device_id: String,
    /// Its epoch.
    pub n: u64,
    /// Proves knowledge of the epoch.
    pub tag: Bytes<32>,
}
payload!(Heartbeat Common, Heartbeat, strict true);

impl Request for Heartbeat {
    fn signers(&self) -> Result<Vec<Signer>, WireError> {
        Ok(vec![Signer::Device])
    }
}

/// The end of an enrollment, told by the device, `lk-unenroll+jwt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unenroll {
    /// The device.
    pub device_id: String,
    /// Its epoch.
    pub n: u64,
    /// Proves knowledge of the epoch.
    pub tag: Bytes<32>,
}
payload!(Unenroll Common, Unenroll, strict true);

impl Request for Unenroll {
    fn signers(&self) -> Result<Vec<Signer>, WireError> {
        Ok(vec![Signer::Device])
    }
}

/// The good answer to a device's request; `typ` says to which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceResult {
    /// Over the request's payload bytes.
    pub request_sha256: Bytes<32>,
    /// The device key that asked.
    pub dk: Thumbprint,
    /// The device; absent only in the answer to a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Where it stands.
    pub state: DeviceState,
    /// Why it stands there, where that needs saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The epoch the server now has.
    pub n: u64,
    /// The device certificate in DER, where one was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Binary>,
    /// When to renew, by the server's clock, jitter included.
    pub renew_at: Seconds,
    /// How long from one heartbeat to the next.
    pub heartbeat_s: Seconds,
    /// Settings by name; a connector ignores those it does not know.
    pub settings: BTreeMap<String, Value>,
    /// The server's time.
    pub time: Seconds,
    /// The device's bindings.
    pub bindings: Vec<BindingInfo>,
    /// The answer to a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
}

impl Payload for DeviceResult {
    type Common = Common;
    const STRICT: bool = false;
}

/// Why a good result is not *registered* with everything active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The device slept longer than allowed; approval is all it needs.
    Asleep,
    /// The token's initial device state is *pending*.
    Initial,
    /// `LK-ENROLL-030` or `LK-ENROLL-032`.
    Code(AnyCode),
}

impl Reason {
    /// The text on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Asleep => "asleep",
            Self::Initial => "initial",
            Self::Code(code) => code.as_str(),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "asleep" => Self::Asleep,
            "initial" => Self::Initial,
            _ => Self::Code(text.parse().map_or(AnyCode::Other(text), AnyCode::Known)),
        })
    }
}

/// One binding of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingInfo {
    /// The binding.
    pub id: String,
    /// Where it stands.
    pub state: BindingState,
    /// How well the user is proven.
    pub level: Level,
    /// The user's login name.
    pub login_name: String,
    /// The thumbprint of the user key.
    pub uk: Thumbprint,
}

/// What an enrollment would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Would {
    /// The user's login name, where one was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_name: Option<String>,
    /// The evidence level the binding would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// `true` if the user would be created, else absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub user_created: bool,
    /// The state the binding would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_state: Option<BindingState>,
    /// How many uses of the token are used up now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// How many it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
}

fn es256(key: &PublicJwk) -> Result<&PublicJwk, WireError> {
    match key {
        PublicJwk::P256 { .. } => Ok(key),
        PublicJwk::Ed25519 { .. } => Err(WireError::Key("device and user keys are P-256")),
    }
}

fn evidence_signers(evidence: &[Evidence], signers: &mut Vec<Signer>) -> Result<(), WireError> {
    for item in evidence {
        signers.push(match item {
            Evidence::Code { id } => Signer::Code(id.clone()),
            Evidence::Mdm { chain } => {
                let leaf = chain.first().ok_or_else(|| WireError::Member("an MDM chain is empty".into()))?;
                Signer::Mdm(sha256(&leaf.0))
            }
        });
    }
    Ok(())
}
