//! What is kept of a verified request: parsed fields, no XML. Small enough to be sealed into a sign-in transaction.

use serde::{Deserialize, Serialize};

use crate::authn_context::RequestedAuthnContext;
use crate::name_id::NameIdFormat;

/// A consumer address that came from metadata, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Acs(String);

impl Acs {
    /// Only for addresses read from stored metadata.
    pub(crate) fn from_metadata(consumer: &crate::metadata::ConsumerService) -> Self {
        Self(consumer.location.clone())
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The person a service believes it is dealing with (core 3.3.2.2.1, `Subject`): the answer must be about no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectHint {
    /// The identifier's value.
    #[serde(rename = "v")]
    pub value: String,
    /// Its format's URI, if stated.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// The facts of one verified AuthnRequest. Comes from [`super::VerifiedRequest`] or, by serde, out of a sealed
/// transaction; whoever deserializes it vouches for the seal. Member names are short because the transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// `ID`, to be answered in `InResponseTo`.
    #[serde(rename = "i")]
    pub id: String,
    /// The service's entity id.
    #[serde(rename = "e")]
    pub issuer: String,
    /// Where the answer goes.
    #[serde(rename = "a")]
    pub acs: Acs,
    /// To be echoed, opaque.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub relay_state: Option<String>,
    /// The person must prove presence anew.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub force_authn: bool,
    /// No page may be shown; if one is needed, answer `NoPassive`.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_passive: bool,
    /// The authentication context asked for.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub authn_context: Option<RequestedAuthnContext>,
    /// The NameID format asked for; none or *unspecified* leaves it to the service's setting.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name_id_format: Option<NameIdFormat>,
    /// `NameIDPolicy/@SPNameQualifier`: the affiliation or service the identifier is for.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub sp_name_qualifier: Option<String>,
    /// The person it must be about.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectHint>,
    /// `AttributeConsumingServiceIndex`, one that metadata has.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub attribute_index: Option<u16>,
    /// `ProviderName`, shown to the person, at most 100 characters.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub provider_name: Option<String>,
    /// Whether a signature was verified.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
}
