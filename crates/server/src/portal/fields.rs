//! What a form sent.
//!
//! Owns reading both encodings of HTML forms into names and values, once, and the limit of their size. Must not know what the values mean.
//! Values of a form may be secrets: they are not printed, and they are wiped when the form is dropped.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, FromRequestParts, Multipart, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use latchkey_directory::page::{Cursor, PageRequest};
use zeroize::Zeroizing;

use crate::code::Own;
use crate::problem::{Problem, Result};

/// The largest form, bytes: a file of metadata is at most 1 MiB, a table of users for import may be a little more.
pub const MAX_FORM: usize = 4 * 1024 * 1024;
/// The largest form of somebody who is not known, bytes: a name, a password, a sealed transaction.
pub const MAX_OF_STRANGERS: usize = 64 * 1024;
/// Most fields of a form. Each costs far more memory than its bytes.
const MOST_FIELDS: usize = 4_000;

/// A form as it was sent.
#[derive(Clone, Default)]
pub struct Fields(Arc<Vec<(String, Zeroizing<String>)>>, Arc<Vec<(String, Vec<u8>)>>);

impl Fields {
    /// Reads the body, of at most so many bytes.
    pub async fn read(parts: &Parts, body: Body, most: usize) -> Result<Self> {
        let body = axum::body::to_bytes(body, most).await.map_err(|_| Problem::of(Own::Api006))?;
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.to_ascii_lowercase();
        if kind.starts_with("multipart/form-data") {
            return Self::of_parts(parts, body).await;
        }
        if kind.starts_with("application/x-www-form-urlencoded") || (kind.is_empty() && body.is_empty()) {
            let fields = Self::of_text(&body);
            return if fields.0.len() > MOST_FIELDS { Err(Problem::of(Own::Api006)) } else { Ok(fields) };
        }
        Err(Problem::of(Own::Api002)
            .detail("A form is sent as application/x-www-form-urlencoded or multipart/form-data."))
    }

    fn of_text(body: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(body)
            .take(MOST_FIELDS + 1)
            .map(|(name, value)| (name.into_owned(), tidy(value.into_owned())));
        Self(Arc::new(pairs.collect()), Arc::default())
    }

    async fn of_parts(parts: &Parts, body: Bytes) -> Result<Self> {
        let unreadable =
            |what: &dyn std::fmt::Display| Problem::of(latchkey_wire::Code::Api001).detail(format!("the form: {what}"));
        let mut request = Request::new(Body::from(body));
        *request.headers_mut() = parts.headers.clone();
        let mut form = Multipart::from_request(request, &()).await.map_err(|error| unreadable(&error))?;
        let (mut pairs, mut pictures) = (Vec::new(), Vec::new());
        while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            let is_picture = field.content_type().is_some_and(|kind| kind.starts_with("image/"));
            let bytes = field.bytes().await.map_err(|error| unreadable(&error))?;
            if pairs.len() + pictures.len() == MOST_FIELDS {
                return Err(Problem::of(Own::Api006));
            }
            if is_picture {
                pictures.push((name, bytes.to_vec()));
                continue;
            }
            let text =
                String::from_utf8(bytes.to_vec()).map_err(|_| unreadable(&format!("{name} is not UTF-8 text")))?;
            pairs.push((name, tidy(text)));
        }
        Ok(Self(Arc::new(pairs), Arc::new(pictures)))
    }

    /// The first value under a name, as it was typed but for spaces around it; nothing if it is empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The first value under a name, with its spaces: for passwords.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The picture under a name, or whatever else was sent in its place; nothing if no file was chosen.
    #[must_use]
    pub fn picture(&self, name: &str) -> Option<&[u8]> {
        let picture = self.1.iter().find(|(found, _)| found == name).map(|(_, bytes)| bytes.as_slice());
        picture.or_else(|| self.raw(name).map(str::as_bytes)).filter(|bytes| !bytes.is_empty())
    }

    /// Every value under a name that is not empty.
    #[must_use]
    pub fn many(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.trim().to_owned());
        values.filter(|value| !value.is_empty()).collect()
    }

    /// The lines, or words divided by commas, of a text area.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<String> {
        let all = self.raw(name).unwrap_or_default();
        all.split([',', '\n', ' ', ';']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a box was ticked.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The value under a name, read as something. What is not that is a wrong field under `/name`.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> std::result::Result<Option<T>, String>
    where
        T::Err: std::fmt::Display,
    {
        self.text(name).map(|text| text.parse().map_err(|error: T::Err| error.to_string())).transpose()
    }
}

/// Where a page of a list leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Whether this is the first page.
    pub first: bool,
    /// The address of the first.
    pub newest: String,
    /// The address of the next, if there is one.
    pub older: Option<String>,
}

/// What the address asked for: the pairs of its query, read as a form's fields are.
#[derive(Clone, Default)]
pub struct Asked(Fields);

impl std::ops::Deref for Asked {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Self::Rejection> {
        Ok(Self(Fields::of_text(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

impl Asked {
    /// The page of a list: fifty rows after `after`. A cursor that is none begins anew.
    #[must_use]
    pub fn page_request(&self) -> PageRequest {
        PageRequest { after: self.parsed("after").ok().flatten(), ..PageRequest::default() }
    }

    /// The address of the same list from another row on: with all that was asked for but the place.
    #[must_use]
    pub fn with_after(&self, path: &str, after: Option<&Cursor>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in
            self.0.0.iter().filter(|(name, value)| !matches!(name.as_str(), "after" | "said") && !value.is_empty())
        {
            query.append_pair(name, value);
        }
        if let Some(after) = after {
            query.append_pair("after", &after.to_string());
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Where this page of the list at `path` leads, when the next one begins at `next`.
    #[must_use]
    pub fn paging(&self, path: &str, next: Option<&Cursor>) -> Paging {
        Paging {
            first: self.text("after").is_none(),
            newest: self.with_after(path, None),
            older: next.map(|next| self.with_after(path, Some(next))),
        }
    }

    /// The values under a name that mean something; others are left out.
    #[must_use]
    pub fn all_of<T: std::str::FromStr>(&self, name: &str) -> Vec<T> {
        self.many(name).iter().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Browsers send line ends as CR LF; nobody here wants the CR.
fn tidy(text: String) -> Zeroizing<String> {
    let text = Zeroizing::new(text);
    if text.contains('\r') { Zeroizing::new(text.replace("\r\n", "\n")) } else { text }
}

impl<S: Sync> FromRequestParts<S> for Fields {
    type Rejection = Problem;

    /// The guard has read the form already, to look at its token.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal("a form behind a door that reads none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: &str) -> Result<Fields> {
        let request = Request::builder().header(CONTENT_TYPE, kind).body(Body::from(body.to_owned())).unwrap();
        let (parts, body) = request.into_parts();
        Fields::read(&parts, body, MAX_FORM).await
    }

    #[tokio::test]
    async fn both_encodings_give_the_same_fields() {
        let one = read("application/x-www-form-urlencoded", "a=1&b=+x+&a=2&empty=&t=l1%0D%0Al2").await.unwrap();
        let body = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n x \r\n--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--X\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--X\r\nContent-Disposition: form-data; name=\"t\"; filename=\"f.txt\"\r\n\r\nl1\r\nl2\r\n--X--\r\n";
        let other = read("multipart/form-data; boundary=X", body).await.unwrap();
        for fields in [one, other] {
            assert_eq!((fields.text("b"), fields.raw("b")), (Some("x"), Some(" x ")));
            assert_eq!(fields.many("a"), ["1", "2"]);
            assert_eq!((fields.text("empty"), fields.is_on("empty"), fields.is_on("gone")), (None, true, false));
            assert_eq!(fields.words("t"), ["l1", "l2"]);
            assert_eq!(fields.parsed::<u64>("a"), Ok(Some(1)));
            assert!(fields.parsed::<u64>("b").is_err());
        }
    }

    #[tokio::test]
    async fn other_bodies_are_refused() {
        assert_eq!(read("application/json", "{}").await.err().unwrap().status().as_u16(), 415);
        assert_eq!(read("text/plain", "a=1").await.err().unwrap().status().as_u16(), 415);
        let many = "a&".repeat(MOST_FIELDS + 1);
        assert_eq!(read("application/x-www-form-urlencoded", &many).await.err().unwrap().status().as_u16(), 413);
        let large = "a".repeat(MAX_FORM + 1);
        assert_eq!(read("application/x-www-form-urlencoded", &large).await.err().unwrap().status().as_u16(), 413);
    }
}
