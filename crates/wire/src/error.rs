//! What can be wrong with bytes that claim to be a message. Owns the reasons, for logs and for the administrator; which refusal code
//! a device is told is the server's decision, because most of these must not be told apart to someone unproven.

use crate::jws::Typ;

/// Why a message, a key or a proof was not accepted. The sender of the bytes is at fault unless the variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The header's `alg` is not the one that belongs to the signer's role.
    #[error("the algorithm {found:?} does not belong to this signer")]
    Alg {
        /// What the header said.
        found: String,
    },
    /// Text that should be base64url without padding is not.
    #[error("not base64url without padding")]
    Base64,
    /// The certificate extension is not the DER it must be.
    #[error("the certificate extension is malformed: {0}")]
    Certificate(&'static str),
    /// A JSON object names a member twice.
    #[error("the member {0:?} stands twice")]
    Duplicate(String),
    /// An empty string, or an object member without a name.
    #[error("an empty string; what is absent must be left out")]
    Empty,
    /// The cloud document is older than the one this connector knows, or too old to be the first.
    #[error("the cloud document is too old")]
    DocumentTooOld,
    /// The protected header is not exactly `typ`, `alg` and `kid`.
    #[error("the protected header is not exactly typ, alg and kid")]
    Header,
    /// Not JSON, or not the JSON this protocol allows.
    #[error("not the JSON of this protocol: {0}")]
    Json(String),
    /// A key that is no public key of the kind expected there, or is not on its curve.
    #[error("not a usable public key: {0}")]
    Key(&'static str),
    /// A binary value has another length.
    #[error("{found} bytes where {expected} belong")]
    Length {
        /// What the protocol says.
        expected: usize,
        /// What was there.
        found: usize,
    },
    /// A member that is missing, of another type, or outside its values.
    #[error("{0}")]
    Member(String),
    /// A sealed value does not open: another key, organization or incarnation, or somebody altered it.
    #[error("a sealed value does not open")]
    NotSealedHere,
    /// A member names another cloud, organization, root or domain than the one expected.
    #[error("{member} names somebody else")]
    NotOurs {
        /// The member at fault.
        member: &'static str,
    },
    /// JSON `null`.
    #[error("null; what is absent must be left out")]
    Null,
    /// A number that is no integer from 0 to 2⁵³−1.
    #[error("a number that is no integer from 0 to 2^53-1")]
    Number,
    /// An operation of our own key failed: hardware, or a key that was taken away. Not the peer's fault.
    #[error("our own key did not sign: {0}")]
    OwnKey(String),
    /// No root key in the answer is the pinned or stored one.
    #[error("the cloud's root key is not the pinned one")]
    RootNotPinned,
    /// A statement of root succession is missing or does not fit the list of roots.
    #[error("the chain of root keys is broken")]
    RootSuccession,
    /// The text is not of the form of a JWS.
    #[error("not a JWS of the form this protocol uses: {0}")]
    Shape(&'static str),
    /// A signature does not verify.
    #[error("the signature of {signer} does not verify")]
    Signature {
        /// Whose signature, as far as its `kid` says.
        signer: String,
    },
    /// The signatures are not exactly those that the payload requires.
    #[error("the signatures are not those the payload asks for: {0}")]
    Signers(String),
    /// More bytes than allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The header's `typ` is another one.
    #[error("this is no {expected}")]
    Typ {
        /// What was asked for.
        expected: Typ,
    },
    /// A member this version does not know, in a message from a connector.
    #[error("unknown member {0}")]
    Unknown(String),
    /// The `kid` names a key that is not known. A connector fetches the cloud document anew, at most once a minute.
    #[error("signed by a key that is not known")]
    UnknownKey,
}
