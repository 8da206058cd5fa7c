//! The form of a SAML page: the one that holds `SAMLRequest`.
//!
//! Owns reading HTML far enough to find it, by a real tokenizer. Runs no script, fetches nothing.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer};
use html5ever::tokenizer::{CharacterTokens, EndTag};
use url::Url;

/// A form as it stands in the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The `action` as written; empty means the page itself.
    pub action: String,
    /// Whether it posts.
    pub posts: bool,
    /// Names and values, in order.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Where it goes, from a page at `base`.
    #[must_use]
    pub fn target(&self, base: &Url) -> Option<Url> {
        if self.action.trim().is_empty() { Some(base.clone()) } else { base.join(self.action.trim()).ok() }
    }

    /// The body of a POST.
    #[must_use]
    pub fn encode(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// What a page holds that matters to a sign-in.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// All forms.
    pub forms: Vec<Form>,
    /// The title.
    pub title: String,
}

/// Reads a page.
#[must_use]
pub fn read_page(html: &str) -> Page {
    let tokenizer = Tokenizer::new(Reader::default(), html5ever::tokenizer::TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(html));
    // A script handle would stop the tokenizer; our sink never returns one, so one feed reads everything.
    let _ = tokenizer.feed(&queue);
    tokenizer.end();
    let seen = tokenizer.sink.seen.into_inner();
    Page { forms: seen.forms, title: seen.title.split_whitespace().collect::<Vec<_>>().join(" ") }
}

#[derive(Default)]
struct Reader {
    seen: RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    forms: Vec<Form>,
    in_form: bool,
    in_title: bool,
    title: String,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut seen = self.seen.borrow_mut();
        match token {
            TagToken(tag) if tag.kind == StartTag => return start(&mut seen, &tag),
            TagToken(tag) if tag.kind == EndTag => match &*tag.name {
                "form" => seen.in_form = false,
                "title" => seen.in_title = false,
                _ => {}
            },
            CharacterTokens(text) if seen.in_title && seen.title.len() < 512 => seen.title.push_str(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn start(seen: &mut Seen, tag: &Tag) -> TokenSinkResult<()> {
    let attribute = |name: &str| tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| a.value.to_string());
    match &*tag.name {
        // A form inside a form is ignored, as in a browser.
        "form" if !seen.in_form => {
            seen.in_form = true;
            seen.forms.push(Form {
                action: attribute("action").unwrap_or_default(),
                posts: attribute("method").is_some_and(|m| m.eq_ignore_ascii_case("post")),
                fields: Vec::new(),
            });
        }
        "input" if seen.in_form => {
            let kind = attribute("type").unwrap_or_default().to_ascii_lowercase();
            let sent =
                !matches!(kind.as_str(), "submit" | "button" | "image" | "reset" | "checkbox" | "radio" | "file");
            if let (true, Some(name), Some(form)) = (sent, attribute("name"), seen.forms.last_mut())
                && !name.is_empty()
                && attribute("disabled").is_none()
            {
                form.fields.push((name, attribute("value").unwrap_or_default()));
            }
        }
        "title" => {
            seen.in_title = seen.title.is_empty();
            return TokenSinkResult::RawData(RawKind::Rcdata);
        }
        "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
        "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => return TokenSinkResult::RawData(RawKind::Rawtext),
        _ => {}
    }
    TokenSinkResult::Continue
}
