//! The fields of the page that posts our answer (bindings 3.5.4). The page itself, its policy headers and its nonce
//! belong to the server; every value here still has to be escaped for HTML by the template.

use base64::Engine as _;

use crate::response::Signed;

/// Where to post, and what.
#[derive(Clone, PartialEq, Eq)]
pub struct PostForm {
    /// The form's `action`: the consumer address, byte for byte from metadata.
    pub action: String,
    /// The field `SAMLResponse`.
    pub saml_response: String,
    /// The field `RelayState`, if the service sent one: opaque, echoed as it came.
    pub relay_state: Option<String>,
}

impl std::fmt::Debug for PostForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The response is a bearer credential: it does not belong into logs.
        f.debug_struct("PostForm").field("action", &self.action).finish_non_exhaustive()
    }
}

impl PostForm {
    /// From a written response.
    pub fn new(response: &Signed, relay_state: Option<&str>) -> Self {
        Self {
            action: response.destination().to_owned(),
            saml_response: base64::engine::general_purpose::STANDARD.encode(response.xml()),
            relay_state: relay_state.map(str::to_owned),
        }
    }

    /// Name and value of each hidden field, in the order to write them.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("SAMLResponse", self.saml_response.as_str())];
        fields.extend(self.relay_state.as_deref().map(|r| ("RelayState", r)));
        fields
    }
}
