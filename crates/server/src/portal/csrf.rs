//! Whether a form was sent from one of our own pages.
//!
//! Owns the token in every form and the look at `Origin` and `Sec-Fetch-Site`. Must not know what the form asks for.
//!
//! The token is a keyed hash of the session, or of the browser's binding cookie where nobody is signed in yet. It needs no memory, any node can
//! check it, and a page of somebody else can neither read it nor compute it. A new sign-in is a new session and with it a new token.

use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::ORIGIN;
use latchkey_wire::bytes::to_base64url;
use subtle::ConstantTimeEq as _;

/// The name of the form's field.
pub const FIELD: &str = "csrf";

/// What tokens hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<'a> {
    /// A browser in which nobody is signed in: the value of its binding cookie.
    Browser(&'a str),
    /// A session: its id.
    Session(&'a str),
}

/// The key that tokens are made with, the same on every node.
pub struct FormKey(hmac::Key);

impl FormKey {
    /// From 32 bytes that only this cloud's nodes know.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token.
    #[must_use]
    pub fn token(&self, of: Of<'_>) -> String {
        let text = match of {
            Of::Browser(cookie) => format!("browser {cookie}"),
            Of::Session(id) => format!("session {id}"),
        };
        to_base64url(&hmac::sign(&self.0, text.as_bytes()).as_ref()[..24])
    }

    /// Whether the token that was sent is the one.
    pub fn fits(&self, sent: Option<&str>, of: Of<'_>) -> Result<(), Foreign> {
        let right = self.token(of);
        let same = sent.is_some_and(|sent| bool::from(sent.as_bytes().ct_eq(right.as_bytes())));
        if same { Ok(()) } else { Err(Foreign::Token) }
    }
}

/// Why a form does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// The browser says that it comes from another site.
    #[error("the request comes from another site")]
    Site,
    /// The browser is on one of our own pages, and knows it under another address than ours.
    #[error("the page has another address than this cloud")]
    Address,
    /// It has no token, or one of another session.
    #[error("the form's token is missing or of another session")]
    Token,
}

/// Whether the browser says that one of our own pages sent this. A browser that says nothing has the token to show.
pub fn from_here(headers: &HeaderMap, origin: &str) -> Result<(), Foreign> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return Err(Foreign::Site);
    }
    match text(ORIGIN.as_str()) {
        // Something between us and the browser calls us by a name that people do not use.
        Some(from) if from != origin && text("sec-fetch-site") == Some("same-origin") => Err(Foreign::Address),
        Some(from) if from != origin => Err(Foreign::Site),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_good_for_its_own_session_only() {
        let key = FormKey::new(&[7; 32]);
        let token = key.token(Of::Session("a"));
        assert_eq!(key.fits(Some(&token), Of::Session("a")), Ok(()));
        for of in [Of::Session("b"), Of::Browser("a")] {
            assert_eq!(key.fits(Some(&token), of), Err(Foreign::Token));
        }
        assert_eq!(FormKey::new(&[8; 32]).fits(Some(&token), Of::Session("a")), Err(Foreign::Token));
        for sent in [None, Some("")] {
            assert_eq!(key.fits(sent, Of::Session("a")), Err(Foreign::Token));
        }
    }

    #[test]
    fn another_site_is_told_by_either_header() {
        let here = "https://id.corp.example";
        assert_eq!(from_here(&headers(&[]), here), Ok(()));
        assert_eq!(from_here(&headers(&[("origin", here), ("sec-fetch-site", "same-origin")]), here), Ok(()));
        let elsewhere = headers(&[("origin", "https://login.corp.example"), ("sec-fetch-site", "same-origin")]);
        assert_eq!(from_here(&elsewhere, here), Err(Foreign::Address));
        for wrong in [
            ("origin", "null"),
            ("origin", "https://evil.test"),
            ("origin", "http://id.corp.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(from_here(&headers(&[wrong]), here), Err(Foreign::Site), "{wrong:?}");
        }
    }
}
