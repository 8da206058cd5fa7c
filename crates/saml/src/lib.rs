//! SAML 2.0 for an identity provider: metadata in and out, AuthnRequest in, Response out.
//!
//! **Owns** the two front-channel bindings (HTTP-Redirect, HTTP-POST), the gate before the XML library, signature
//! verification, the canonical XML writer, NameIDs, attribute mapping, authentication contexts and hand-over sheets.
//!
//! **Must not know** an HTTP framework, storage, or who the user is. It has no clock and no source of identifiers: `now`
//! and every id are parameters. Keys come in as DER and never leave a [`keys::Signer`].
//!
//! The path of one sign-in: [`metadata::inbound::ServiceMetadata::parse`] once per service;
//! [`request::IncomingRequest`] → [`request::IncomingRequest::verify`] → [`request::VerifiedRequest`];
//! [`response::ResponseSpec::sign`] → [`post_form::PostForm`].
//!
//! Not built yet, and refused rather than ignored: logout, encryption, ECP. Their endpoints are absent from our
//! metadata, so no peer is told otherwise.

pub mod attributes;
pub mod authn_context;
pub mod handover;
pub mod keys;
pub mod metadata;
pub mod name_id;
pub mod names;
pub mod post_form;
pub mod request;
pub mod response;
mod xml;

pub use keys::{Assertion, Metadata, SignatureAlgorithm, Signer};
pub use xml::gate::fuzzing as gate_fuzzing;
pub use xml::write::WriteError;

/// Makes an XML identifier (`xs:ID`, so it may not start with a digit) from random bytes: `_` and lower-case hexadecimal.
///
/// 20 bytes are what core 1.3.4 recommends (128 to 160 bits). The caller draws them; this crate has no randomness.
pub fn id_from_random(random: &[u8; 20]) -> String {
    use std::fmt::Write as _;
    let mut id = String::with_capacity(41);
    id.push('_');
    for byte in random {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}
