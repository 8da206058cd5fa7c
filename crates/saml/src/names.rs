//! The identifiers SAML fixes: namespaces, bindings, formats, status codes, algorithms. Tables only, no logic.

/// Protocol namespace (core 1.2).
pub const NS_SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// Assertion namespace (core 1.2).
pub const NS_SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Metadata namespace (metadata 1.1).
pub const NS_MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// Metadata profile for algorithm support 1.0.
pub const NS_ALG: &str = "urn:oasis:names:tc:SAML:metadata:algsupport";
/// Metadata extensions for login and discovery user interface 1.0.
pub const NS_MDUI: &str = "urn:oasis:names:tc:SAML:metadata:ui";
/// XML signature.
pub const NS_DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Exclusive canonicalization; also the algorithm's identifier.
pub const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// XML Schema.
pub const NS_XS: &str = "http://www.w3.org/2001/XMLSchema";
/// XML Schema instance.
pub const NS_XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The `xml` prefix.
pub const NS_XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Enveloped-signature transform.
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// HTTP-Redirect binding (bindings 3.4).
pub const BINDING_REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// HTTP-POST binding (bindings 3.5).
pub const BINDING_POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// RSA PKCS#1 v1.5 with SHA-256.
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// RSA PKCS#1 v1.5 with SHA-384.
pub const RSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384";
/// RSA PKCS#1 v1.5 with SHA-512.
pub const RSA_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";
/// ECDSA with SHA-256.
pub const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
/// ECDSA with SHA-384.
pub const ECDSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
/// SHA-256 digest.
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
/// SHA-384 digest.
pub const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
/// SHA-512 digest.
pub const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";

/// Attribute name format: a URI (core 8.2.2).
pub const ATTRNAME_URI: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri";
/// Attribute name format: a simple name (core 8.2.3).
pub const ATTRNAME_BASIC: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";
/// Attribute name format: not said (core 8.2.1).
pub const ATTRNAME_UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";

/// Bearer confirmation (profiles 3.3).
pub const CM_BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// A status code of core 3.2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusCode {
    /// Second level: the person could not be authenticated.
    AuthnFailed,
    /// Second level: an attribute value asked for is not acceptable.
    InvalidAttrNameOrValue,
    /// Second level: the NameID policy cannot be met.
    InvalidNameIdPolicy,
    /// Second level: the authentication context asked for cannot be met.
    NoAuthnContext,
    /// Second level: no sign-in without a prompt was possible.
    NoPassive,
    /// Second level: the proxy count forbids proxying.
    ProxyCountExceeded,
    /// Second level: refused, by policy or as too old.
    RequestDenied,
    /// Second level: the request asks for something not built.
    RequestUnsupported,
    /// Top level: the service is at fault.
    Requester,
    /// Top level: we are at fault.
    Responder,
    /// Top level: it worked.
    Success,
    /// Second level: the person named in the request is not known.
    UnknownPrincipal,
    /// Second level: the binding asked for is not spoken.
    UnsupportedBinding,
    /// Top level: not SAML 2.0.
    VersionMismatch,
}

impl StatusCode {
    /// The URI of core 3.2.2.2.
    pub fn uri(self) -> &'static str {
        match self {
            Self::AuthnFailed => "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed",
            Self::InvalidAttrNameOrValue => "urn:oasis:names:tc:SAML:2.0:status:InvalidAttrNameOrValue",
            Self::InvalidNameIdPolicy => "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy",
            Self::NoAuthnContext => "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext",
            Self::NoPassive => "urn:oasis:names:tc:SAML:2.0:status:NoPassive",
            Self::ProxyCountExceeded => "urn:oasis:names:tc:SAML:2.0:status:ProxyCountExceeded",
            Self::RequestDenied => "urn:oasis:names:tc:SAML:2.0:status:RequestDenied",
            Self::RequestUnsupported => "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported",
            Self::Requester => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            Self::Responder => "urn:oasis:names:tc:SAML:2.0:status:Responder",
            Self::Success => "urn:oasis:names:tc:SAML:2.0:status:Success",
            Self::UnknownPrincipal => "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal",
            Self::UnsupportedBinding => "urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding",
            Self::VersionMismatch => "urn:oasis:names:tc:SAML:2.0:status:VersionMismatch",
        }
    }
}
