//! Hand-over sheets: what the other side needs, as text to send to whoever runs the service.
//! Must not know how they are delivered.

/// Which service the snippet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Addresses and values only.
    Generic,
    /// Apache mod_auth_mellon.
    Mellon,
    /// `@node-saml/node-saml`.
    NodeSaml,
    /// `python3-saml`.
    Python3Saml,
    /// The Shibboleth service provider.
    Shibboleth,
    /// SimpleSAMLphp.
    SimpleSamlPhp,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Generic, Self::Mellon, Self::NodeSaml, Self::Python3Saml, Self::Shibboleth, Self::SimpleSamlPhp];

    /// The word of command line and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Mellon => "mellon",
            Self::NodeSaml => "node-saml",
            Self::Python3Saml => "python3-saml",
            Self::Shibboleth => "shibboleth",
            Self::SimpleSamlPhp => "simplesamlphp",
        }
    }

    /// From the word of command line and API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}
