//! From a binding's encoding to one parsed document (bindings 3.4, 3.5). Nothing here is trusted yet.

use std::io::Read as _;

use uppsala::Document;

use super::error::Fault;
use crate::names as n;
use crate::xml::{dom, gate};

/// RelayState as we accept it; the specification says 80 bytes, deployed services put a return address there.
const RELAY_STATE_LIMIT: usize = 2048;

/// The detached signature of the Redirect binding.
pub(super) struct Detached {
    /// What was signed: the raw parameters as they came.
    pub(super) octets: Vec<u8>,
    pub(super) algorithm: String,
    pub(super) signature: Vec<u8>,
}

/// How it came.
pub(super) enum Arrived {
    Post,
    Redirect(Option<Detached>),
}

/// A request as anyone may have sent it: through the gate and parsed once, not verified.
pub struct IncomingRequest {
    pub(super) document: Document<'static>,
    pub(super) arrived: Arrived,
    pub(super) relay_state: Option<String>,
    issuer: String,
}

impl std::fmt::Debug for IncomingRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncomingRequest").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl IncomingRequest {
    /// From the raw query of a GET, without `?`: the signature covers its bytes as they came.
    pub fn from_redirect(raw_query: &str) -> Result<Self, Fault> {
        let mut request = None;
        let mut relay_state = None;
        let mut algorithm = None;
        let mut signature = None;
        let mut encoding = None;
        for pair in raw_query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "SAMLRequest" => &mut request,
                "RelayState" => &mut relay_state,
                "SigAlg" => &mut algorithm,
                "Signature" => &mut signature,
                "SAMLEncoding" => &mut encoding,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Fault::Encoding("a parameter is given twice"));
            }
        }
        let raw_request = request.ok_or(Fault::Encoding("there is no SAMLRequest"))?;
        if let Some(encoding) = encoding
            && percent_decode(encoding)? != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
        {
            return Err(Fault::Encoding("SAMLEncoding is not DEFLATE"));
        }
        let detached = match (algorithm, signature) {
            (None, None) => None,
            (Some(raw_algorithm), Some(raw_signature)) => {
                let mut octets = format!("SAMLRequest={raw_request}");
                if let Some(raw) = relay_state {
                    octets.push_str("&RelayState=");
                    octets.push_str(raw);
                }
                octets.push_str("&SigAlg=");
                octets.push_str(raw_algorithm);
                Some(Detached {
                    octets: octets.into_bytes(),
                    algorithm: percent_decode(raw_algorithm)?,
                    signature: dom::base64(&percent_decode(raw_signature)?)
                        .ok_or(Fault::Encoding("Signature is not base64"))?,
                })
            }
            _ => return Err(Fault::Encoding("SigAlg and Signature come together")),
        };
        let packed = dom::base64(&percent_decode(raw_request)?).ok_or(Fault::Encoding("SAMLRequest is not base64"))?;
        let relay_state = relay_state.map(percent_decode).transpose()?;
        Self::from_xml(&inflate(&packed)?, Arrived::Redirect(detached), relay_state)
    }

    /// From the fields of a POST form, already decoded by the caller.
    pub fn from_post(saml_request: &str, relay_state: Option<&str>) -> Result<Self, Fault> {
        // Base64 grows by a third, line ends by a little more; longer cannot decode to what we accept.
        if saml_request.len() > 2 * gate::MESSAGE.bytes {
            return Err(Fault::Encoding("SAMLRequest is too large"));
        }
        let mut xml = dom::base64(saml_request).ok_or(Fault::Encoding("SAMLRequest is not base64"))?;
        // Bindings 3.5.4 has no compression here, but node-saml deflates by default in this binding too. Nothing that
        // begins neither with white space, a byte order mark nor '<' could be XML, so there is only one reading.
        if !matches!(xml.first(), None | Some(b'<' | b' ' | b'\t' | b'\r' | b'\n' | 0xEF)) {
            xml = inflate(&xml)?;
        }
        Self::from_xml(&xml, Arrived::Post, relay_state.map(str::to_owned))
    }

    /// From the body of a POST, `application/x-www-form-urlencoded`; a field given twice is refused.
    pub fn from_post_body(body: &[u8]) -> Result<Self, Fault> {
        let mut request = None;
        let mut relay_state = None;
        for (name, value) in url::form_urlencoded::parse(body) {
            let slot = match &*name {
                "SAMLRequest" => &mut request,
                "RelayState" => &mut relay_state,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Fault::Encoding("a field is given twice"));
            }
        }
        let request = request.ok_or(Fault::Encoding("there is no SAMLRequest"))?;
        Self::from_post(&request, relay_state.as_deref())
    }

    /// Who says to have sent it: good for looking the service up, for nothing else.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The fault to report when no service has this entity id. Never answered by a post.
    pub fn unknown_service(&self) -> super::RequestError {
        Fault::UnknownService(self.issuer.clone()).into()
    }

    fn from_xml(xml: &[u8], arrived: Arrived, relay_state: Option<String>) -> Result<Self, Fault> {
        let relay_state = relay_state.filter(|r| !r.is_empty());
        if relay_state.as_ref().is_some_and(|r| r.len() > RELAY_STATE_LIMIT || r.chars().any(char::is_control)) {
            return Err(Fault::RelayState);
        }
        let text = gate::pass(xml, gate::MESSAGE)
            .map_err(|r| Fault::Gate(format!("line {}, column {}: {}", r.line, r.column, r.why)))?;
        let document =
            uppsala::parse(text).map_err(|_| Fault::Gate("it is not well-formed XML".to_owned()))?.into_static();
        let root = document.document_element().ok_or_else(|| Fault::Schema("there is no element".to_owned()))?;
        if !dom::is(&document, root, n::NS_SAMLP, "AuthnRequest") {
            return Err(Fault::Schema("the root element is not an AuthnRequest".to_owned()));
        }
        let issuer = super::read::issuer(&document, root)?;
        Ok(Self { document, arrived, relay_state, issuer })
    }
}

/// `application/x-www-form-urlencoded`, strictly: UTF-8, and a `%` needs its two digits.
fn percent_decode(raw: &str) -> Result<String, Fault> {
    const WRONG: Fault = Fault::Encoding("a parameter is not URL-encoded");
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(WRONG) };
                u8::try_from(high * 16 + low).map_err(|_| WRONG)?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| WRONG)
}

/// Raw DEFLATE (RFC 1951) with a hard limit on what comes out (A15).
fn inflate(packed: &[u8]) -> Result<Vec<u8>, Fault> {
    if packed.len() > gate::MESSAGE.bytes {
        return Err(Fault::Encoding("SAMLRequest is too large"));
    }
    let limit = gate::MESSAGE.bytes;
    let mut xml = Vec::with_capacity((packed.len() * 4).min(limit));
    let stop_after = u64::try_from(limit).unwrap_or(u64::MAX) + 1;
    flate2::read::DeflateDecoder::new(packed)
        .take(stop_after)
        .read_to_end(&mut xml)
        .map_err(|_| Fault::Encoding("SAMLRequest is not deflated"))?;
    if xml.len() > limit {
        return Err(Fault::Encoding("SAMLRequest inflates to more than 64 KiB"));
    }
    Ok(xml)
}
