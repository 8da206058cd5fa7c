//! How an organization's pages look: the style sheet with its accent, and the policy that names this sheet by its hash.
//!
//! Owns both, together, so that neither can be had without the other: no page needs a style attribute, and no style counts but the one that was made
//! here. Must not know pages, nor why a colour was accepted.

use std::sync::{Arc, OnceLock};

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use latchkey_directory::branding::BrandingView;
use latchkey_directory::branding::colour::{Colour, Shades};
use latchkey_wire::bytes::sha256;

use super::assets;

/// So many sheets are remembered: one for each accent in use.
const REMEMBERED: u64 = 256;

/// A style sheet with the policy that allows it and no other.
pub struct Sheet {
    text: String,
    source: String,
    policy: HeaderValue,
}

impl Sheet {
    fn of(text: String) -> Arc<Self> {
        let source = format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes()).0));
        let policy = assets::policy_with(&source, "'self'");
        Arc::new(Self { text, source, policy })
    }

    fn plain() -> Arc<Self> {
        static PLAIN: OnceLock<Arc<Sheet>> = OnceLock::new();
        Arc::clone(PLAIN.get_or_init(|| Self::of(assets::STYLE.to_owned())))
    }

    /// The sheet with this accent, made now or remembered.
    fn with(shades: &[Shades; 2]) -> Arc<Self> {
        static SHEETS: OnceLock<moka::sync::Cache<Colour, Arc<Sheet>>> = OnceLock::new();
        let sheets = SHEETS.get_or_init(|| moka::sync::Cache::new(REMEMBERED));
        sheets.get_with(shades[0].accent, || Self::of(format!("{}{}", assets::STYLE, accented(shades))))
    }
}

/// The lines that take the place of the product's own accent.
fn accented([light, dark]: &[Shades; 2]) -> String {
    let pair = |name: &str, light: Colour, dark: Colour| format!("--{name}:light-dark({light},{dark});");
    format!(
        "\n:root{{{}{}{}{}}}\n",
        pair("accent", light.accent, dark.accent),
        pair("accent-strong", light.strong, dark.strong),
        pair("accent-soft", light.soft, dark.soft),
        pair("on-accent", light.on, dark.on)
    )
}

/// How one organization's pages look.
pub struct Look {
    sheet: Arc<Sheet>,
    /// Where the logo is.
    pub logo: Option<Mark>,
    /// The heading of the sign-in page.
    pub title: Option<String>,
    /// A line below it.
    pub help: Option<String>,
    /// Whom to ask.
    pub support: Option<String>,
}

/// A logo on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its address, of our own.
    pub src: String,
    /// Pixels.
    pub width: u64,
    /// Pixels.
    pub height: u64,
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("logo", &self.logo).field("title", &self.title).finish_non_exhaustive()
    }
}

impl Look {
    /// The product's own.
    #[must_use]
    pub fn plain() -> Arc<Self> {
        Self::of(&BrandingView::default(), "")
    }

    /// An organization's, whose paths begin with `base`.
    #[must_use]
    pub fn of(branding: &BrandingView, base: &str) -> Arc<Self> {
        let logo = branding.logo.as_ref().map(|logo| Mark {
            src: format!("{base}/logo/{}", logo.sha256),
            width: logo.width,
            height: logo.height,
        });
        Self::with_logo(branding, logo)
    }

    /// The same with a logo that is somewhere else.
    #[must_use]
    pub fn with_logo(branding: &BrandingView, logo: Option<Mark>) -> Arc<Self> {
        Arc::new(Self {
            sheet: branding.shades().map_or_else(Sheet::plain, |shades| Sheet::with(&shades)),
            logo,
            title: branding.sign_in_title.clone(),
            help: branding.sign_in_help.clone(),
            support: branding.support_contact.clone(),
        })
    }

    /// The style sheet.
    #[must_use]
    pub fn style(&self) -> &str {
        &self.sheet.text
    }

    /// The policy of a page that has this sheet.
    #[must_use]
    pub fn policy(&self) -> HeaderValue {
        self.sheet.policy.clone()
    }

    /// The same for a page with a form that goes elsewhere: `forms` are sources as a policy names them.
    #[must_use]
    pub fn policy_to(&self, forms: &str) -> HeaderValue {
        assets::policy_with(&self.sheet.source, forms)
    }

    /// Gives an answer the policy of this look, where it has the one that every page has; a page with a narrower one keeps it.
    pub fn dress(&self, response: &mut Response) {
        if response.headers().get(CONTENT_SECURITY_POLICY) == Some(&assets::policy()) {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, self.policy());
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_directory::branding::colour::{DARK, LIGHT, READABLE};

    use super::*;

    /// The two values of a property of the sheet.
    fn pair(name: &str) -> [Colour; 2] {
        let after = assets::STYLE.split_once(&format!("--{name}: light-dark(")).unwrap().1;
        let mut two = after.split(')').next().unwrap().split(", ").map(|text| {
            let text = if text.len() == 4 {
                text.chars().skip(1).fold("#".to_owned(), |all, c| all + &format!("{c}{c}"))
            } else {
                text.to_owned()
            };
            text.parse().unwrap()
        });
        [two.next().unwrap(), two.next().unwrap()]
    }

    #[test]
    fn the_grounds_that_accents_are_checked_on_are_those_of_the_style_sheet() {
        for (at, name) in ["surface", "canvas", "sunken", "warn-soft", "bad-soft"].into_iter().enumerate() {
            assert_eq!(pair(name), [LIGHT[at], DARK[at]], "{name}");
        }
        let own = |at: usize| Shades {
            accent: pair("accent")[at],
            strong: pair("accent-strong")[at],
            soft: pair("accent-soft")[at],
            on: pair("on-accent")[at],
        };
        assert!(own(0).read(&LIGHT) && own(1).read(&DARK), "the product's own accent");
        assert!(pair("ink")[0].contrast(LIGHT[0]) >= READABLE);
    }

    #[test]
    fn each_accent_has_a_sheet_and_a_policy_that_names_it_by_its_hash() {
        let with = |accent: &str| {
            Look::of(&BrandingView { accent: Some(accent.to_owned()), ..BrandingView::default() }, "/o/acme")
        };
        let (plain, blue, red) = (Look::plain(), with("#1d4ed8"), with("#9f1239"));
        for look in [&plain, &blue, &red] {
            let hash = STANDARD.encode(sha256(look.style().as_bytes()).0);
            let policy = look.policy();
            let policy = policy.to_str().unwrap();
            assert!(policy.contains(&format!("style-src 'sha256-{hash}';")) && !policy.contains("unsafe"), "{policy}");
            assert!(!look.style().contains("</"));
        }
        assert_eq!(plain.policy(), assets::policy());
        assert_ne!(blue.policy(), red.policy());
        assert!(blue.style().contains("--accent:light-dark(#1d4ed8,"), "{}", blue.style());
    }

    #[test]
    fn only_the_policy_that_every_page_has_is_replaced() {
        let blue = Look::of(&BrandingView { accent: Some("#1d4ed8".to_owned()), ..BrandingView::default() }, "");
        let dressed = |policy: HeaderValue| {
            let mut response = Response::new(axum::body::Body::empty());
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            blue.dress(&mut response);
            response.headers()[CONTENT_SECURITY_POLICY].clone()
        };
        assert_eq!(dressed(assets::policy()), blue.policy());
        let narrow = HeaderValue::from_static("default-src 'none'; sandbox");
        assert_eq!(dressed(narrow.clone()), narrow);
    }
}
