//! Error responses: a status, no assertion. Unsigned unless the service wants signed responses, because an attacker can
//! shape parts of them (A10).

use jiff::Timestamp;

use super::{Signed, signing, spec};
use crate::keys::{Assertion, Signer};
use crate::names::StatusCode;
use crate::request::Acs;
use crate::xml::write::{Ns, WriteError, Writer, attr, date_time, is_id};

/// A response that says why there is no assertion.
#[derive(Clone, Debug)]
pub struct ErrorResponse<'a> {
    /// Id of the response, drawn by the caller.
    pub response_id: &'a str,
    /// Our entity id.
    pub issuer: &'a str,
    /// Where it goes; from metadata.
    pub acs: &'a Acs,
    /// The request's id, from a verified request.
    pub in_response_to: Option<&'a str>,
    /// The moment of issue.
    pub now: Timestamp,
    /// Top-level status, not `Success`.
    pub top: StatusCode,
    /// Second-level status.
    pub second: Option<StatusCode>,
    /// A sentence for the service's log, with our code and reference; no details of the person.
    pub message: Option<&'a str>,
}

impl ErrorResponse<'_> {
    /// Writes it; signed if `key` is given, which is for services that want signed responses.
    pub fn write(&self, key: Option<&Signer<Assertion>>) -> Result<Signed, WriteError> {
        if !is_id(self.response_id) {
            return Err(WriteError::BadId(self.response_id.to_owned()));
        }
        if self.top == StatusCode::Success {
            return Err(WriteError::Empty("the reason of the error response"));
        }
        let issued = date_time(self.now)?;
        let mut w = Writer::with_capacity(4096);
        let mut head = vec![
            attr("Destination", self.acs.as_str()),
            attr("ID", self.response_id),
            attr("IssueInstant", &issued),
            attr("Version", "2.0"),
        ];
        head.extend(self.in_response_to.map(|id| attr("InResponseTo", id)));
        w.start_with(Ns::Samlp, "Response", &mut head, &[])?;
        w.leaf(Ns::Saml, "Issuer", [], self.issuer)?;
        let place = w.position();
        spec::status(&mut w, self.top, self.second, self.message)?;
        w.end();
        if let Some(key) = key {
            signing::enveloped(&mut w, 0, place, self.response_id, &[], key)?;
        }
        Ok(Signed { xml: w.finish(), destination: self.acs.as_str().to_owned() })
    }
}
