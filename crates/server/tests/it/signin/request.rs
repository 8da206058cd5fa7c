//! AuthnRequests in the making.

/// An AuthnRequest in the making.
#[derive(Clone)]
pub(super) struct AuthnRequest {
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) acs: Option<String>,
    pub(super) destination: String,
    pub(super) issued: String,
    /// Further attributes of the root.
    pub(super) attributes: String,
    /// What stands after the issuer.
    pub(super) inside: String,
}

impl AuthnRequest {
    pub(super) fn xml(&self) -> String {
        let Self { id, issuer, acs, destination, issued, attributes, inside } = self;
        let acs = acs.as_ref().map(|acs| format!(" AssertionConsumerServiceURL=\"{acs}\"")).unwrap_or_default();
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{issued}\" \
             Destination=\"{destination}\"{acs} {attributes}><saml:Issuer>{issuer}</saml:Issuer>{inside}</samlp:AuthnRequest>"
        )
    }

    pub(super) fn with(mut self, attributes: &str) -> Self {
        self.attributes = attributes.into();
        self
    }

    pub(super) fn containing(mut self, inside: &str) -> Self {
        self.inside = inside.into();
        self
    }

    /// Asks for a context with this comparison.
    pub(super) fn context(self, comparison: &str, class: &str) -> Self {
        self.containing(&format!(
            "<samlp:RequestedAuthnContext Comparison=\"{comparison}\"><saml:AuthnContextClassRef>{class}\
             </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
        ))
    }
}
