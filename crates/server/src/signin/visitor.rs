//! Who comes to a sign-in: an agent or a browser, with which binding cookie, from where.
//!
//! Owns the cookie `__Host-lk-b` and the two forms in which an answer for a service leaves. Must not know what the answer says.

use std::net::IpAddr;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use latchkey_saml::post_form::PostForm;
use latchkey_wire::bytes::to_base64url;
use latchkey_wire::calls::{AGENT_HEADER, BINDING_COOKIE, FinishAnswer, RefusalAnswer};
use latchkey_wire::code::AnyCode;

use super::page;
use crate::app::App;
use crate::code::Code;
use crate::net::cookie;
use crate::net::limits::Admitted;
use crate::problem::Problem;
use crate::serve::host::ClientAddr;

/// The length of a binding cookie's value: 32 bytes in base64url.
const COOKIE_LENGTH: usize = 43;

/// Who comes.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// A connector that carries SAML itself, not a browser.
    pub agent: bool,
    /// The value of the binding cookie.
    pub cookie: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let (name, value) = AGENT_HEADER;
        Ok(Self {
            agent: parts.headers.get(name).is_some_and(|found| found == value),
            cookie: binding_cookie(&parts.headers),
            address: parts.extensions.get::<ClientAddr>().map(|client| client.0),
        })
    }
}

/// The binding cookie, if its value can be one.
fn binding_cookie(headers: &HeaderMap) -> Option<String> {
    let value = cookie(headers, BINDING_COOKIE)?;
    let fits = value.len() == COOKIE_LENGTH && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    fits.then(|| value.to_owned())
}

impl Visitor {
    /// Lets this visitor in; where too much came that did not verify, one after the other.
    pub(crate) async fn admit(&self, app: &App) -> Result<Option<Admitted>, Problem> {
        let Some(address) = self.address else { return Ok(None) };
        app.limits.admit(address).await.map(Some).map_err(Problem::from)
    }

    /// Counts what was asked without proof and led to no challenge: a page, a faulty request. A service that is set up wrongly sends
    /// whole offices here, so this shuts nobody out.
    pub(crate) fn count(&self, app: &App) -> Result<(), Problem> {
        self.address.map_or(Ok(()), |address| app.limits.unauthenticated(address)).map_err(Problem::from)
    }

    /// Counts what came to the end of a sign-in and was malformed, not from here, or did not verify; after too much of it the answer is 429
    /// and nothing else.
    pub(super) fn failed(&self, app: &App) -> Result<(), Problem> {
        self.address.map_or(Ok(()), |address| app.limits.failed(address)).map_err(Problem::from)
    }

    /// The cookie to bind a transaction to, and whether it is new and has to be set.
    #[must_use]
    pub fn binding(&self) -> (String, bool) {
        match &self.cookie {
            Some(value) => (value.clone(), false),
            None => (to_base64url(&*latchkey_wire::sign::random_bytes::<32>()), true),
        }
    }

    /// An answer for a service: JSON for the agent, a page that posts it for a browser. The agent is told if it is a refusal: the
    /// response itself is for the service to read.
    #[must_use]
    pub fn deliver(&self, form: PostForm, refused: Option<&Problem>) -> Response {
        if !self.agent {
            return page::posting(&form);
        }
        let PostForm { action: destination, saml_response, relay_state } = form;
        let refused = refused.map(|problem| RefusalAnswer {
            code: match problem.code() {
                Code::Shared(code) => code.into(),
                own => AnyCode::Other(own.as_str().to_owned()),
            },
            detail: problem.words().to_owned(),
            fix: problem.way_out().to_owned(),
            reference: problem.reference().to_owned(),
        });
        private(Json(FinishAnswer { destination, saml_response, relay_state, refused }).into_response())
    }
}

/// Sets the binding cookie. `__Host-` asks for `Secure`, which browsers and connectors honour on loopback http as well; services post
/// from other sites, so `SameSite` cannot be stricter.
pub(crate) fn set_cookie(response: &mut Response, value: &str) {
    let cookie = format!("{BINDING_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=None");
    let cookie = HeaderValue::from_str(&cookie).expect("the value is base64url");
    response.headers_mut().append(SET_COOKIE, cookie);
}

/// For one reader, and not to be kept.
pub(super) fn private(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn cookie(headers: &[&str]) -> Option<String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, HeaderValue::from_str(header).unwrap());
        }
        binding_cookie(&map)
    }

    #[test]
    fn exactly_one_well_formed_cookie_counts() {
        let (one, other) = ("a".repeat(43), "b".repeat(43));
        let pair = |value: &str| format!("__Host-lk-b={value}");
        assert_eq!(cookie(&[&format!("x=1; {}; y=2", pair(&one))]), Some(one.clone()));
        assert_eq!(cookie(&[&format!("{}; {}", pair(&one), pair(&other))]), None);
        assert_eq!(cookie(&[&pair(&one), &pair(&one)]), None);
        assert_eq!(cookie(&[&pair("short")]), None);
        assert_eq!(cookie(&[&format!("lk-b={one}")]), None);
        assert_eq!(cookie(&[]), None);
    }
}
