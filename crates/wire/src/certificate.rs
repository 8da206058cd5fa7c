//! The extension of a device certificate: what the certificate says beyond its key.
//!
//! Owns the extension's OID and its DER. It serves renewal when the server knows less than the device (rule 5 of renewal) and adoption
//! after a restore. Must not know X.509 around it, nor whose signature is on it.

use der::{Decode as _, Encode as _, Sequence, asn1::OctetString};

use crate::{Binary, Bytes, EpochHash, Milliseconds, WireError};

/// The OID in dotted form.
///
/// Arc 2.25 takes a UUID as one integer. This one is `00000000-0000-0000-72d1-06eec8f9e497`: a UUID of the old NCS variant whose first
/// half is zero, chosen so because common certificate libraries hold an arc in 64 bits.
pub const OID: &str = "2.25.8273401613100115095";

/// The OID as arcs.
pub const OID_ARCS: [u64; 3] = [2, 25, 8_273_401_613_100_115_095];

/// The OID's content octets in DER, to compare with what a parser found.
pub const OID_DER: [u8; 10] = [0x69, 0xf2, 0xe8, 0xc1, 0xdd, 0xec, 0xc7, 0xe7, 0xc9, 0x17];

/// The version of the extension.
const VERSION: u8 = 1;

/// What the server vouches for at the time of issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The organization's opaque id.
    pub org: String,
    /// The device.
    pub device_id: String,
    /// Its epoch.
    pub n: u64,
    /// SHA-256 of `v_n`: enough to recognize the epoch, useless as a key for its tags.
    pub v_n_sha256: Bytes<32>,
    /// When the certificate was issued.
    pub issued: Milliseconds,
    /// The device's domain.
    pub domain: String,
    /// The machine's serial number, where there is one.
    pub serial: Option<String>,
}

#[derive(Sequence)]
struct Der {
    version: u8,
    org: String,
    device_id: String,
    n: u64,
    v_n_sha256: OctetString,
    issued: u64,
    domain: String,
    serial: Option<String>,
}

impl Extension {
    /// The member for the epoch with this commitment.
    #[must_use]
    pub fn hash_of(v_n: &EpochHash) -> Bytes<32> {
        crate::bytes::sha256(v_n.as_bytes())
    }

    /// The DER, the content of the extension's `extnValue`.
    pub fn to_der(&self) -> Result<Binary, WireError> {
        if self.org.is_empty() || self.device_id.is_empty() || self.domain.is_empty() {
            return Err(WireError::Certificate("an empty string"));
        }
        let der = Der {
            version: VERSION,
            org: self.org.clone(),
            device_id: self.device_id.clone(),
            n: self.n,
            v_n_sha256: OctetString::new(self.v_n_sha256.0).map_err(|_| WireError::Certificate("SHA-256"))?,
            issued: self.issued,
            domain: self.domain.clone(),
            serial: self.serial.clone(),
        };
        der.to_der().map(Binary).map_err(|_| WireError::Certificate("too long"))
    }

    /// Reads the DER.
    pub fn from_der(bytes: &[u8]) -> Result<Self, WireError> {
        let der = Der::from_der(bytes).map_err(|_| WireError::Certificate("not the DER of this extension"))?;
        if der.version != VERSION {
            return Err(WireError::Certificate("a version this program does not know"));
        }
        let strings = [Some(&der.org), Some(&der.device_id), Some(&der.domain), der.serial.as_ref()];
        if strings.into_iter().flatten().any(String::is_empty) {
            return Err(WireError::Certificate("an empty string"));
        }
        Ok(Self {
            org: der.org,
            device_id: der.device_id,
            n: der.n,
            v_n_sha256: der.v_n_sha256.as_bytes().try_into()?,
            issued: der.issued,
            domain: der.domain,
            serial: der.serial,
        })
    }
}
