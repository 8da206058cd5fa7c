//! Why a request was refused, who is at fault, and whether the service may be told.

use super::facts::Acs;
use crate::names::StatusCode;

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A signature algorithm off the list.
    #[error("the request's signature: {0}")]
    Algorithm(String),
    /// The binding asked for the answer is not spoken.
    #[error("the service wants its answer by {0}, which is not spoken")]
    Binding(String),
    /// Addressed to somebody else.
    #[error("the request was addressed to {0:?}")]
    Destination(String),
    /// Base64, deflate, size, or parameters.
    #[error("the request could not be decoded: {0}")]
    Encoding(&'static str),
    /// The gate stayed shut.
    #[error("the request did not pass the gate: {0}")]
    Gate(String),
    /// An index that metadata does not have.
    #[error("the request names {0} {1}, which the service's metadata does not have")]
    Index(&'static str, u16),
    /// Signed, and no key to check it with.
    #[error("the request is signed, but no usable signing key of the service is stored")]
    NoKey,
    /// A name id format that this service does not get.
    #[error("the request asks for the name id format {0:?}")]
    NameIdFormat(String),
    /// Signature required and absent.
    #[error("the request must be signed and is not")]
    NotSigned,
    /// RelayState too long or with control characters.
    #[error("RelayState is longer than 2048 bytes or holds control characters")]
    RelayState,
    /// Not as the schema has it.
    #[error("the request is not as SAML has it: {0}")]
    Schema(String),
    /// The service's metadata is past `validUntil`.
    #[error("the service's metadata is past its validUntil")]
    ServiceExpired,
    /// The signature is not exactly one, in place, over the root.
    #[error("the request's signature: {0}")]
    Shape(String),
    /// No key of the service verifies it.
    #[error("the request's signature does not verify under any key of the service")]
    Signature,
    /// Too old, or from the future.
    #[error("the request was issued at {0}, which is too long ago or ahead of time")]
    Time(jiff::Timestamp),
    /// An address that metadata does not have.
    #[error("the consumer address {0:?} is not in the service's metadata")]
    UnknownConsumer(String),
    /// The issuer is not this service.
    #[error("the service {0:?} is not known here")]
    UnknownService(String),
    /// Something that is not built.
    #[error("the request asks for {0}, which is not built")]
    Unsupported(&'static str),
    /// Not version 2.0.
    #[error("the request is not of SAML version 2.0")]
    Version,
}

impl Fault {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encoding(_) => "LK-SAML-001",
            Self::Gate(_) => "LK-SAML-002",
            Self::Schema(_) | Self::Version => "LK-SAML-003",
            Self::RelayState => "LK-SAML-004",
            Self::UnknownService(_) => "LK-SAML-010",
            Self::UnknownConsumer(_) => "LK-SAML-011",
            Self::Index(..) => "LK-SAML-012",
            Self::Destination(_) => "LK-SAML-013",
            Self::Time(_) => "LK-SAML-014",
            Self::ServiceExpired => "LK-SAML-015",
            Self::NotSigned => "LK-SAML-020",
            Self::Signature => "LK-SAML-021",
            Self::Shape(_) => "LK-SAML-022",
            Self::Algorithm(_) => "LK-SAML-023",
            Self::NoKey => "LK-SAML-024",
            Self::Binding(_) => "LK-SAML-025",
            Self::NameIdFormat(_) => "LK-SAML-026",
            Self::Unsupported(_) => "LK-SAML-027",
        }
    }

    /// The status a service is told, where it may be told.
    pub(super) fn status(&self) -> (StatusCode, Option<StatusCode>) {
        match self {
            Self::Binding(_) => (StatusCode::Requester, Some(StatusCode::UnsupportedBinding)),
            Self::NameIdFormat(_) => (StatusCode::Requester, Some(StatusCode::InvalidNameIdPolicy)),
            Self::Unsupported(_) => (StatusCode::Requester, Some(StatusCode::RequestUnsupported)),
            Self::Version => (StatusCode::VersionMismatch, None),
            _ => (StatusCode::Requester, Some(StatusCode::RequestDenied)),
        }
    }
}

/// Whether the service hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A page for the person. Nothing is posted anywhere: the request, or the address in it, is not trustworthy.
    Page,
    /// A SAML error response to an address from the service's metadata.
    Respond {
        /// Where.
        acs: Acs,
        /// The request's id.
        in_response_to: String,
        /// To be echoed.
        relay_state: Option<String>,
        /// Top-level status.
        top: StatusCode,
        /// Second-level status.
        second: Option<StatusCode>,
    },
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {fault}", code = .fault.code())]
pub struct RequestError {
    /// What is wrong. The detail is for the administrator; it may quote the request.
    pub fault: Fault,
    /// What to do about it.
    pub answer: Answer,
}

impl RequestError {
    /// The stable code; its sentences are in [`super::CODES`].
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }
}

impl From<Fault> for RequestError {
    fn from(fault: Fault) -> Self {
        Self { fault, answer: Answer::Page }
    }
}
