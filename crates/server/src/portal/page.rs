//! The frame around every page, and how a page is sent.
//!
//! Owns what templates ask of their page (texts, times, navigation, the form's token, wrong fields) and the headers that go with HTML. Must not
//! know what a page shows.
//!
//! The style sheet stands in the page itself, so that the first paint takes one round trip; its hash stands in the policy, so that no other style
//! counts. The one script comes afterwards, and every page works without it.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
};
use http::{HeaderValue, StatusCode};
use latchkey_directory::Timestamp;
use latchkey_directory::orgs::OrganizationView;

use super::assets;
use super::look::Look;
use super::rooms::{self, Room};
use super::text;
use super::visit::Visit;
use crate::exit::FieldError;
use crate::problem::Problem;

/// What stands in place of a name, an address or a number that is not to be seen.
pub const MASK: &str = "•••";

/// A name, or what stands in its place.
#[must_use]
pub fn masked(name: String, hide: bool) -> String {
    if hide { MASK.to_owned() } else { name }
}

/// Whose page it is.
#[derive(Debug, Clone)]
pub struct Who {
    /// How the person signs in.
    pub login_name: String,
    /// The name shown.
    pub name: String,
    /// One or two letters of it.
    pub initials: String,
}

/// What every template has as `page`.
#[derive(Debug, Clone)]
pub struct Page {
    /// What the page is called.
    pub title: String,
    /// The organization's name; the product's where there is none.
    pub organization: String,
    /// `/o/SLUG`, to which every path of the organization is added.
    pub base: String,
    /// The form's token.
    pub csrf: String,
    /// The person.
    pub who: Option<Who>,
    /// The rooms this person may enter: the switcher at the top.
    pub rooms: Vec<Room>,
    /// The pages of the room that this page is in.
    pub pages: Vec<Room>,
    /// What was done a moment ago.
    pub said: Option<Cow<'static, str>>,
    /// What is wrong with the form below.
    pub wrong: Vec<FieldError>,
    /// What is wrong with it as a whole.
    pub failed: Option<Failed>,
    /// The path of the page itself, without its query.
    pub path: String,
    /// How the organization looks.
    pub look: Arc<Look>,
}

/// Why a form was not accepted, as a whole.
#[derive(Debug, Clone)]
pub struct Failed {
    /// What is wrong.
    pub words: String,
    /// What to do.
    pub way_out: String,
    /// Code and reference.
    pub code: String,
    /// The reference.
    pub reference: String,
}

impl Page {
    /// For somebody who is known.
    pub(super) fn of(visit: &Visit, title: String) -> Self {
        let name = visit.display_name.clone().unwrap_or_else(|| visit.login_name.clone());
        let path = visit.path.split('?').next().unwrap_or_default().to_owned();
        let base = visit.at("");
        let here = path.strip_prefix(&base).unwrap_or("/").to_owned();
        Self {
            title,
            organization: visit.organization.name.clone(),
            csrf: visit.csrf().to_owned(),
            who: Some(Who { login_name: visit.login_name.clone(), initials: initials(&name), name }),
            rooms: rooms::rooms(&visit.rights, &here),
            pages: rooms::pages(&visit.rights, &here),
            said: said(&visit.path),
            wrong: Vec::new(),
            failed: None,
            path,
            base,
            look: Arc::clone(&visit.look),
        }
    }

    /// For somebody who is not.
    #[must_use]
    pub fn bare(organization: Option<&OrganizationView>, title: &str, csrf: String, look: Arc<Look>) -> Self {
        Self {
            title: title.to_owned(),
            organization: organization.map_or_else(|| text::t("common.product").into_owned(), |o| o.name.clone()),
            base: organization.map_or_else(String::new, |o| format!("/o/{}", o.slug)),
            csrf,
            who: None,
            rooms: Vec::new(),
            pages: Vec::new(),
            said: None,
            wrong: Vec::new(),
            failed: None,
            path: String::new(),
            look,
        }
    }

    /// With a problem that stands beside what the page shows, whatever can be done about it; what was not found or not allowed stays a page of
    /// its own.
    pub fn failing(mut self, problem: Problem) -> Result<Self, Problem> {
        if matches!(problem.status().as_u16(), 401 | 403 | 404 | 500) {
            return Err(problem);
        }
        self.fill(&problem);
        Ok(self)
    }

    /// With what is wrong with the form, if the problem is one that the person can mend there; otherwise the problem itself.
    pub fn refused(mut self, problem: Problem) -> Result<Self, Problem> {
        let mendable = matches!(problem.status().as_u16(), 400 | 409 | 412 | 422 | 429);
        if !mendable {
            return Err(problem);
        }
        self.fill(&problem);
        Ok(self)
    }

    /// The status to show it with: another one if what was sent was not accepted.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.failed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }

    fn fill(&mut self, problem: &Problem) {
        self.wrong = problem.fields().to_vec();
        for wrong in &mut self.wrong {
            wrong.detail = sentence(&wrong.detail);
        }
        // The code's own words are for scripts.
        let meanwhile = problem.status() == StatusCode::PRECONDITION_FAILED;
        let words = |own: &str, key: &str| if meanwhile { text::t(key).into_owned() } else { own.to_owned() };
        self.failed = Some(Failed {
            words: sentence(&words(problem.words(), "common.meanwhile")),
            way_out: sentence(&words(problem.way_out(), "common.meanwhile_text")),
            code: problem.code().to_string(),
            reference: problem.reference().to_owned(),
        });
    }

    /// A text of the catalogue.
    #[must_use]
    pub fn t(&self, key: &str) -> Cow<'static, str> {
        text::t(key)
    }

    /// A text with its places filled.
    #[must_use]
    pub fn tt(&self, key: &str, values: &[&str]) -> String {
        text::tt(key, values)
    }

    /// A text whose key ends with a value: `page.name("common.state", device.state)`.
    #[must_use]
    pub fn name(&self, prefix: &str, value: &impl std::fmt::Display) -> String {
        let value = value.to_string();
        text::find(&format!("{prefix}.{value}")).map_or(value, str::to_owned)
    }

    /// So many of so many.
    #[must_use]
    pub fn count_of(&self, some: &u64, all: &u64) -> String {
        self.tt("common.of", &[&grouped(*some), &grouped(*all)])
    }

    /// A number for people: 20,000.
    #[must_use]
    pub fn number(&self, number: &u64) -> String {
        grouped(*number)
    }

    /// A time for people: to the minute, UTC.
    #[must_use]
    pub fn when(&self, at: &Timestamp) -> String {
        let full = at.to_string();
        match full.get(..16) {
            Some(minute) => format!("{} UTC", minute.replace('T', " ")),
            None => full,
        }
    }

    /// What is wrong with a field, by its name in the form: `max_uses` for `/max_uses` and `/max_uses/0`.
    #[must_use]
    pub fn wrong_with(&self, field: &str) -> Option<&str> {
        let of = |error: &&FieldError| {
            let pointer = error.pointer.trim_start_matches('/');
            pointer == field || pointer.strip_prefix(field).is_some_and(|rest| rest.starts_with('/'))
        };
        self.wrong.iter().find(of).map(|error| error.detail.as_str())
    }

    /// Where the script is.
    #[must_use]
    pub fn script(&self) -> &'static str {
        assets::script_path()
    }

    /// The style sheet.
    #[must_use]
    pub fn style(&self) -> &str {
        self.look.style()
    }
}

/// What was done a moment ago, if the address says so in a word that the catalogue knows.
pub(super) fn said(path: &str) -> Option<Cow<'static, str>> {
    let (_, query) = path.split_once('?')?;
    let (_, word) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "said")?;
    text::find(&format!("common.said.{word}")).map(Cow::Borrowed)
}

/// Digits in threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What a service says in half a sentence, for its field on a page: with a capital letter and a full stop. A name stays as it is written.
fn sentence(words: &str) -> String {
    let first = words.split(' ').next().unwrap_or_default();
    let plain = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut out = String::with_capacity(words.len() + 1);
    let mut letters = words.chars();
    if plain {
        out.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
    }
    out.push_str(letters.as_str());
    if plain && !out.ends_with(['.', '!', '?', ':', '`']) {
        out.push('.');
    }
    out
}

fn initials(name: &str) -> String {
    let words = name.split([' ', '.', '@', '-']).filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    words.take(2).flat_map(char::to_uppercase).collect()
}

/// A page.
pub fn show(template: &impl Template) -> Response {
    show_as(StatusCode::OK, template)
}

/// A page with another status.
pub fn show_as(status: StatusCode, template: &impl Template) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => return Problem::internal(format!("a page: {error}")).into_response(),
    };
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    kept_by_nobody(response)
}

/// An answer of a door with the headers that each has: a page, or a file to take along.
#[must_use]
pub fn kept_by_nobody(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, assets::policy());
    // A form's Origin is sent only where the address may be told; it is told to nobody else.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// A file to be kept by whoever asked for it, and by nobody else.
pub fn download(name: &str, media_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    as_file(response)
}

/// A file that was made elsewhere, to be kept by nobody and run by nothing.
pub fn as_file(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_shown_by_two_letters() {
        for (name, letters) in [("Anna Berg", "AB"), ("anna@corp.example", "AC"), ("Ærøs", "Æ"), ("", "")] {
            assert_eq!(initials(name), letters);
        }
    }

    #[test]
    fn what_is_wrong_is_a_sentence_and_names_stay_as_they_are() {
        for (words, sentence_text) in [
            ("give it a name", "Give it a name."),
            ("Already good.", "Already good."),
            ("acme.example is not verified", "acme.example is not verified"),
            ("run `latchkey check`", "Run `latchkey check`"),
            ("", ""),
        ] {
            assert_eq!(sentence(words), sentence_text);
        }
    }

    #[test]
    fn digits_stand_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (20_000, "20,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn only_words_of_the_catalogue_are_said() {
        assert!(said("/o/acme/?said=signed-out").is_some());
        assert_eq!(said("/o/acme/?said=%3Cscript%3E"), None);
        assert_eq!(said("/o/acme/"), None);
    }
}
