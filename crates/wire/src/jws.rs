//! JWS (RFC 7515) as this protocol uses it: compact for what a cloud sends and for proofs, the JSON general form for what a connector posts.
//!
//! Owns both forms and the protected header, which is exactly `{typ, alg, kid}`. Must not know who signs what: that is `verify`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::bytes::{from_base64url, to_base64url};
use crate::state::values;
use crate::{WireError, json};

/// At most so many signatures on one message.
pub const MAX_SIGNATURES: usize = 8;

/// A protected header is short; this bounds what is decoded of one.
const MAX_HEADER: usize = 512;

/// A signature's algorithm. It follows from the signer's role; the header only repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alg {
    /// `EdDSA` with Ed25519 (RFC 8037).
    EdDsa,
    /// `ES256`: ECDSA on P-256 with SHA-256, 64 bytes r‖s (RFC 7518).
    Es256,
}

impl Alg {
    /// The spelling in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

impl FromStr for Alg {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        match text {
            "EdDSA" => Ok(Self::EdDsa),
            "ES256" => Ok(Self::Es256),
            other => Err(WireError::Alg { found: other.to_owned() }),
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

values! {
    /// The kind of a message: member `typ` of its protected headers.
    pub enum Typ {
        /// The cloud document.
        Cloud = "lk-cloud+jwt",
        /// A new root key, signed by the old one.
        Succession = "lk-succession+jwt",
        /// A nonce.
        Nonce = "lk-nonce+jwt",
        /// An enrollment.
        Enroll = "lk-enroll+jwt",
        /// Its good answer.
        EnrollResult = "lk-enroll-result+jwt",
        /// A renewal.
        Renew = "lk-renew+jwt",
        /// Its good answer.
        RenewResult = "lk-renew-result+jwt",
        /// A further user of a device.
        Bind = "lk-bind+jwt",
        /// Its good answer.
        BindResult = "lk-bind-result+jwt",
        /// A heartbeat.
        Heartbeat = "lk-heartbeat+jwt",
        /// Its good answer.
        HeartbeatResult = "lk-heartbeat-result+jwt",
        /// The end of an enrollment, told by the device.
        Unenroll = "lk-unenroll+jwt",
        /// Its good answer.
        UnenrollResult = "lk-unenroll-result+jwt",
        /// What a silent proof answers.
        Challenge = "lk-challenge+jwt",
        /// A silent proof.
        Proof = "lk-proof+jwt",
        /// A refusal that should change what the connector does.
        Refusal = "lk-refusal+jwt",
    }
}

/// A protected header: these three members and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The kind of message.
    pub typ: Typ,
    /// The algorithm.
    pub alg: Alg,
    /// Which key signed.
    pub kid: String,
}

impl Header {
    fn encode(&self) -> String {
        // `kid` is a thumbprint or a prefix and an id: serde_json still writes it, so that no character can break out of the string.
        let kid = Value::String(self.kid.clone());
        to_base64url(format!(r#"{{"typ":"{}","alg":"{}","kid":{kid}}}"#, self.typ, self.alg).as_bytes())
    }

    fn parse(encoded: &str, expected: Typ) -> Result<Self, WireError> {
        if encoded.len() > MAX_HEADER {
            return Err(WireError::TooLarge { limit: MAX_HEADER });
        }
        let Value::Object(mut members) = json::parse(&from_base64url(encoded)?)? else {
            return Err(WireError::Header);
        };
        let mut text = |name: &str| match members.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(WireError::Header),
        };
        let (typ, alg, kid) = (text("typ")?, text("alg")?, text("kid")?);
        if !members.is_empty() {
            return Err(WireError::Header);
        }
        if typ != expected.as_str() {
            return Err(WireError::Typ { expected });
        }
        Ok(Self { typ: expected, alg: alg.parse()?, kid })
    }
}

/// One signature and the bytes it covers.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) header: Header,
    pub(crate) signature: Vec<u8>,
    /// `BASE64URL(header) || '.' || BASE64URL(payload)`, as it came.
    pub(crate) input: Vec<u8>,
}

/// A JWS taken apart: nothing is verified, the payload is not even parsed.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) payload: Vec<u8>,
    pub(crate) signatures: Vec<Signed>,
}

/// The largest body that can carry a payload of `limit` bytes in either form: base64url, signatures and some white space.
pub(crate) const fn max_text(limit: usize) -> usize {
    limit / 3 * 4 + 4 + MAX_SIGNATURES * (MAX_HEADER + 256) + 1024
}

/// Takes a compact JWS apart.
pub(crate) fn parse_compact(text: &str, expected: Typ, limit: usize) -> Result<Parts, WireError> {
    if text.len() > max_text(limit) {
        return Err(WireError::TooLarge { limit });
    }
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(WireError::Shape("not three parts"));
    };
    let signed = signed(header, payload, signature, expected)?;
    Ok(Parts { payload: decode_payload(payload, limit)?, signatures: vec![signed] })
}

/// Takes a JWS in JSON general form apart: exactly `payload` and `signatures`, each of exactly `protected` and `signature`.
pub(crate) fn parse_json(body: &[u8], expected: Typ, limit: usize) -> Result<Parts, WireError> {
    if body.len() > max_text(limit) {
        return Err(WireError::TooLarge { limit });
    }
    let Value::Object(mut members) = json::parse(body)? else {
        return Err(WireError::Shape("not an object"));
    };
    let (Some(Value::String(payload)), Some(Value::Array(list)), true) =
        (members.remove("payload"), members.remove("signatures"), members.is_empty())
    else {
        return Err(WireError::Shape("not exactly payload and signatures"));
    };
    if list.is_empty() || list.len() > MAX_SIGNATURES {
        return Err(WireError::Signers(format!("{} signatures", list.len())));
    }
    let signatures = list
        .into_iter()
        .map(|item| {
            let Value::Object(mut item) = item else {
                return Err(WireError::Shape("a signature is not an object"));
            };
            match (item.remove("protected"), item.remove("signature"), item.is_empty()) {
                (Some(Value::String(protected)), Some(Value::String(signature)), true) => {
                    signed(&protected, &payload, &signature, expected)
                }
                _ => Err(WireError::Shape("a signature is not exactly protected and signature")),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Parts { payload: decode_payload(&payload, limit)?, signatures })
}

fn signed(header: &str, payload: &str, signature: &str, expected: Typ) -> Result<Signed, WireError> {
    // Both algorithms have 64-byte signatures: 86 characters.
    if signature.len() != 86 {
        return Err(WireError::Shape("a signature is not 64 bytes"));
    }
    Ok(Signed {
        header: Header::parse(header, expected)?,
        signature: from_base64url(signature)?,
        input: format!("{header}.{payload}").into_bytes(),
    })
}

fn decode_payload(payload: &str, limit: usize) -> Result<Vec<u8>, WireError> {
    let bytes = from_base64url(payload)?;
    if bytes.len() > limit { Err(WireError::TooLarge { limit }) } else { Ok(bytes) }
}

/// Signs a payload; gives the encoded header and signature.
pub(crate) fn sign_part(
    payload: &str,
    typ: Typ,
    kid: &str,
    key: &dyn crate::Sign,
) -> Result<(String, String), WireError> {
    let header = Header { typ, alg: key.alg(), kid: kid.to_owned() }.encode();
    let signature = key.sign(format!("{header}.{payload}").as_bytes())?;
    Ok((header, to_base64url(&signature)))
}

/// Makes a compact JWS.
pub(crate) fn sign_compact(payload: &[u8], typ: Typ, kid: &str, key: &dyn crate::Sign) -> Result<String, WireError> {
    let payload = to_base64url(payload);
    let (header, signature) = sign_part(&payload, typ, kid, key)?;
    Ok(format!("{header}.{payload}.{signature}"))
}
