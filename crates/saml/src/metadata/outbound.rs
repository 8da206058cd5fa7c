//! Our own metadata: what a service needs to know about one organization's identity provider.
//! Must not know keys' states; the caller lists what is to be published.

use crate::keys::{Certificate, Metadata, Signer};
use crate::name_id::NameIdFormat;
use crate::names as n;
use crate::response::signing;
use crate::xml::write::{Attr, Ns, WriteError, Writer, attr, attr_ns, date_time, is_id};

/// An assertion key to publish: every active and every upcoming one, the active first.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Its certificate.
    pub certificate: &'a Certificate,
}

/// What an organization's metadata says.
#[derive(Clone, Debug)]
pub struct IdpMetadata<'a> {
    /// The document's id, drawn by the caller ([`crate::id_from_random`]).
    pub id: &'a str,
    /// Our entity id; never changes.
    pub entity_id: &'a str,
    /// Where AuthnRequests come by HTTP-Redirect.
    pub sso_redirect: &'a str,
    /// Where AuthnRequests come by HTTP-POST.
    pub sso_post: &'a str,
    /// Assertion keys: active and upcoming.
    pub assertion_keys: &'a [Published<'a>],
    /// Names by language.
    pub display_names: &'a [(&'a str, &'a str)],
    /// An https address of a logo with its width and height.
    pub logo: Option<(&'a str, u32, u32)>,
    /// Every request must be signed.
    pub want_authn_requests_signed: bool,
    /// Until when it may be used.
    pub valid_until: jiff::Timestamp,
    /// For how many seconds it may be cached.
    pub cache_seconds: u32,
}

impl IdpMetadata<'_> {
    /// Writes and signs it.
    pub fn sign(&self, key: &Signer<Metadata>) -> Result<Vec<u8>, WriteError> {
        if !is_id(self.id) {
            return Err(WriteError::BadId(self.id.to_owned()));
        }
        if self.assertion_keys.is_empty() {
            return Err(WriteError::Empty("the list of assertion keys"));
        }
        let valid_until = date_time(self.valid_until)?;
        let cache = format!("PT{}S", self.cache_seconds);
        let mut w = Writer::with_capacity(8192);
        w.start(
            Ns::Md,
            "EntityDescriptor",
            [
                attr("ID", self.id),
                attr("cacheDuration", &cache),
                attr("entityID", self.entity_id),
                attr("validUntil", &valid_until),
            ],
        )?;
        let signature_place = w.position();
        let signed = if self.want_authn_requests_signed { "true" } else { "false" };
        w.start(
            Ns::Md,
            "IDPSSODescriptor",
            [attr("WantAuthnRequestsSigned", signed), attr("protocolSupportEnumeration", n::NS_SAMLP)],
        )?;
        self.extensions(&mut w)?;
        for published in self.assertion_keys {
            w.start(Ns::Md, "KeyDescriptor", [attr("use", "signing")])?;
            signing::key_info(&mut w, published.certificate)?;
            w.end();
        }
        for format in NameIdFormat::ALL {
            w.leaf(Ns::Md, "NameIDFormat", [], format.uri())?;
        }
        for (binding, location) in [(n::BINDING_REDIRECT, self.sso_redirect), (n::BINDING_POST, self.sso_post)] {
            w.start(Ns::Md, "SingleSignOnService", [attr("Binding", binding), attr("Location", location)])?;
            w.end();
        }
        w.end();
        w.end();
        signing::enveloped(&mut w, 0, signature_place, self.id, &[], key)?;
        Ok(w.finish())
    }

    /// Algorithm support, so that services which choose by it (Shibboleth, which else signs posted requests with SHA-1) sign
    /// with what we accept, in the order we prefer; then what people see.
    fn extensions(&self, w: &mut Writer) -> Result<(), WriteError> {
        w.start(Ns::Md, "Extensions", [])?;
        for digest in [n::SHA256, n::SHA384, n::SHA512] {
            w.start(Ns::Alg, "DigestMethod", [attr("Algorithm", digest)])?;
            w.end();
        }
        for method in [n::RSA_SHA256, n::RSA_SHA384, n::RSA_SHA512, n::ECDSA_SHA256, n::ECDSA_SHA384] {
            w.start(Ns::Alg, "SigningMethod", [attr("Algorithm", method)])?;
            w.end();
        }
        self.user_interface(w)?;
        w.end();
        Ok(())
    }

    fn user_interface(&self, w: &mut Writer) -> Result<(), WriteError> {
        if self.display_names.is_empty() && self.logo.is_none() {
            return Ok(());
        }
        w.start(Ns::Mdui, "UIInfo", [])?;
        for (language, name) in self.display_names {
            w.leaf(Ns::Mdui, "DisplayName", [attr_ns(Ns::Xml, "lang", language)], name)?;
        }
        if let Some((address, width, height)) = self.logo {
            let (width, height) = (width.to_string(), height.to_string());
            let size: [Attr<'_>; 2] = [attr("height", &height), attr("width", &width)];
            w.leaf(Ns::Mdui, "Logo", size, address)?;
        }
        w.end();
        Ok(())
    }
}
