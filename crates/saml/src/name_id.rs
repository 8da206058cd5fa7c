//! NameID formats and the qualifiers that go with each (core 8.3).
//! Must not know how a persistent identifier is derived; the caller hands the value over.

/// A name identifier format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum NameIdFormat {
    /// A mail address (core 8.3.2).
    #[serde(rename = "email")]
    Email,
    /// Stable, opaque, different for every service (core 8.3.7).
    #[serde(rename = "persistent")]
    Persistent,
    /// New for every sign-in (core 8.3.8).
    #[serde(rename = "transient")]
    Transient,
    /// Whatever both sides agreed on (core 8.3.1).
    #[serde(rename = "unspecified")]
    Unspecified,
}

impl NameIdFormat {
    /// All of them, in the order we state them in metadata.
    pub const ALL: [Self; 4] = [Self::Email, Self::Persistent, Self::Transient, Self::Unspecified];

    /// The URI of core 8.3.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Email => "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            Self::Persistent => "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            Self::Transient => "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
            Self::Unspecified => "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        }
    }

    /// From the URI; `None` for formats we do not make.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.uri() == uri)
    }

    /// The word of command line and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Persistent => "persistent",
            Self::Transient => "transient",
            Self::Unspecified => "unspecified",
        }
    }

    /// From the word of command line and API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// A name identifier as a service gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameId {
    /// How `value` is to be read.
    pub format: NameIdFormat,
    /// The identifier. At most 256 characters for persistent and transient (core 8.3.7, 8.3.8).
    pub value: String,
}
