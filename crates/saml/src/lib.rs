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
pub use xml::write::WriteError;

/// Makes an XML identifier (`xs:ID`, so it may not start with a digit) from random bytes: `_` and lower-case hexadecimal.
///
/// 20 bytes are what core 1.3.4 recommends (128 to 160 bits). The caller draws them; this crate has no randomness.
#[must_use]
pub fn id_from_random(random: &[u8; 20]) -> String {
    hexadecimal(random)
}

/// The same with 48 bits of time (Unix time in milliseconds) before the random bytes: no easier to guess, and who keeps many of them in
/// an index finds those of one time beside each other. The time says no more than the document's `IssueInstant`.
#[must_use]
pub fn id_from_time_and_random(now_ms: u64, random: &[u8; 20]) -> String {
    let mut bytes = [0; 26];
    bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(random);
    hexadecimal(&bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut id = String::with_capacity(1 + 2 * bytes.len());
    id.push('_');
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_names_and_those_of_a_later_time_come_later() {
        assert_eq!(super::id_from_random(&[0x0f; 20]), format!("_{}", "0f".repeat(20)));
        let [early, late] = [0x1_93fe, 0x1_9400].map(|at| super::id_from_time_and_random(at, &[0xab; 20]));
        assert_eq!(early, format!("_0000000193fe{}", "ab".repeat(20)));
        assert!(early < late);
    }
}
