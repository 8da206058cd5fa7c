//! How an organization looks: logo, one accent colour, and a few texts.
//!
//! Owns what may be set and why something is refused. Texts are plain: nobody may put markup or script into a sign-in page. Must not know pages.

pub mod colour;
pub mod picture;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::colour::{Colour, Shades};
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::orgs::{OrganizationView, find, settings};
use crate::patch::Patch;
use crate::query::Filter;
use crate::scope::Org;
use crate::sha256;
use crate::store::{Tx, WriteTx};
use crate::table::record;
use crate::time::Timestamp;
use crate::value::Blob;
use crate::{Directory, FieldProblem, Intent, Result};

record! {
    /// How an organization looks. Without this row it looks as the product does.
    pub struct BrandingRow in "branding" key ["org"] {
        /// The accent colour, `#rrggbb`.
        pub accent: Option<String>,
        /// The heading of the sign-in page.
        pub sign_in_title: Option<String>,
        /// A line below it.
        pub sign_in_help: Option<String>,
        /// Whom to ask.
        pub support_contact: Option<String>,
        /// From whom mails come.
        pub sender_name: Option<String>,
        /// The logo's media type.
        pub logo_type: Option<String>,
        /// Pixels.
        pub logo_width: Option<u64>,
        /// Pixels.
        pub logo_height: Option<u64>,
        /// Bytes.
        pub logo_bytes: Option<u64>,
        /// SHA-256 of the logo, in hexadecimal: part of its address.
        pub logo_sha256: Option<String>,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

record! {
    /// The logo itself, apart from what every page reads.
    pub struct LogoRow in "branding_logo" key ["org"] {
        /// The file as it was sent.
        pub body: Blob,
    }
}

/// How an organization looks, as callers see it. What is absent is as the product has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrandingView {
    /// The accent colour in the light theme, `#rrggbb`.
    pub accent: Option<String>,
    /// What it is in the dark theme: the nearest lighter one that can be read there.
    pub accent_dark: Option<String>,
    /// The heading of the sign-in page.
    pub sign_in_title: Option<String>,
    /// A line below it.
    pub sign_in_help: Option<String>,
    /// Whom to ask: on sign-in pages and refusals.
    pub support_contact: Option<String>,
    /// From whom mails come.
    pub sender_name: Option<String>,
    /// The logo.
    pub logo: Option<LogoView>,
    /// When it was last changed.
    #[schema(value_type = Option<String>)]
    pub updated_at: Option<Timestamp>,
}

/// What is known of the logo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogoView {
    /// `image/png`, `image/jpeg` or `image/webp`.
    pub media_type: String,
    /// Pixels.
    pub width: u64,
    /// Pixels.
    pub height: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal. It is served at `/o/{org}/logo/{sha256}`.
    pub sha256: String,
}

impl BrandingView {
    /// The shades of the accent in the light and in the dark theme.
    #[must_use]
    pub fn shades(&self) -> Option<[Shades; 2]> {
        colour::shades(self.accent.as_ref()?.parse().ok()?).ok()
    }
}

impl From<BrandingRow> for BrandingView {
    fn from(row: BrandingRow) -> Self {
        let logo = || {
            Some(LogoView {
                media_type: row.logo_type.clone()?,
                width: row.logo_width?,
                height: row.logo_height?,
                bytes: row.logo_bytes?,
                sha256: row.logo_sha256.clone()?,
            })
        };
        let logo = logo();
        let mut view = Self {
            accent: row.accent,
            accent_dark: None,
            sign_in_title: row.sign_in_title,
            sign_in_help: row.sign_in_help,
            support_contact: row.support_contact,
            sender_name: row.sender_name,
            logo,
            updated_at: Some(row.updated_at),
        };
        view.accent_dark = view.shades().map(|[_, dark]| dark.accent.to_string());
        view
    }
}

/// What becomes of each: absent stays, `null` goes back to the product's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct BrandingPatch {
    /// `#rrggbb`; it must be readable on light ground.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub accent: Patch<String>,
    /// At most 60 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub sign_in_title: Patch<String>,
    /// At most 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub sign_in_help: Patch<String>,
    /// At most 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub support_contact: Patch<String>,
    /// At most 60 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub sender_name: Patch<String>,
    /// PNG, JPEG or WebP of at most 70 KB and 2000 pixels a side, in base64.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub logo: Patch<String>,
}

impl BrandingPatch {
    fn named(&self) -> Vec<&'static str> {
        let named = [
            ("accent", &self.accent),
            ("sign_in_title", &self.sign_in_title),
            ("sign_in_help", &self.sign_in_help),
            ("support_contact", &self.support_contact),
            ("sender_name", &self.sender_name),
            ("logo", &self.logo),
        ];
        named.into_iter().filter(|(_, patch)| **patch != Patch::Keep).map(|(name, _)| name).collect()
    }

    /// Changes the row. The logo is answered where it is a new one.
    fn apply(self, row: &mut BrandingRow, wrong: &mut Vec<FieldProblem>) -> Patch<Vec<u8>> {
        let mut text = |name: &str, patch: Patch<String>, slot: &mut Option<String>, most: usize| match patch
            .try_map(|text| plain(&text, most))
        {
            Ok(patch) => patch.apply(slot),
            Err(detail) => wrong.push(FieldProblem::invalid(format!("/{name}"), detail)),
        };
        text("sign_in_title", self.sign_in_title, &mut row.sign_in_title, 60);
        text("sign_in_help", self.sign_in_help, &mut row.sign_in_help, 200);
        text("support_contact", self.support_contact, &mut row.support_contact, 200);
        text("sender_name", self.sender_name, &mut row.sender_name, 60);
        match self.accent.try_map(|text| accent(&text)) {
            Ok(patch) => patch.apply(&mut row.accent),
            Err(detail) => wrong.push(FieldProblem::invalid("/accent", detail)),
        }
        let logo = self.logo.try_map(|text| {
            let bytes = STANDARD.decode(text.trim()).map_err(|_| "the logo is sent in base64".to_owned())?;
            picture::look(&bytes).map(|picture| (picture, bytes))
        });
        match logo {
            Ok(Patch::Keep) => Patch::Keep,
            Ok(Patch::Clear) => {
                row.without_logo();
                Patch::Clear
            }
            Ok(Patch::Set((picture, bytes))) => {
                row.logo_type = Some(picture.media_type.to_owned());
                row.logo_width = Some(picture.width.into());
                row.logo_height = Some(picture.height.into());
                row.logo_bytes = u64::try_from(bytes.len()).ok();
                row.logo_sha256 = Some(sha256(&bytes).0.iter().map(|byte| format!("{byte:02x}")).collect());
                Patch::Set(bytes)
            }
            Err(detail) => {
                wrong.push(FieldProblem::invalid("/logo", detail));
                Patch::Keep
            }
        }
    }
}

impl BrandingRow {
    fn none(org: OrgId, at: Timestamp) -> Self {
        Self {
            org,
            accent: None,
            sign_in_title: None,
            sign_in_help: None,
            support_contact: None,
            sender_name: None,
            logo_type: None,
            logo_width: None,
            logo_height: None,
            logo_bytes: None,
            logo_sha256: None,
            updated_at: at,
        }
    }

    fn without_logo(&mut self) {
        self.logo_type = None;
        self.logo_width = None;
        self.logo_height = None;
        self.logo_bytes = None;
        self.logo_sha256 = None;
    }
}

/// Text for people, in one line: nothing that hides or turns around what stands beside it.
fn plain(text: &str, most: usize) -> std::result::Result<String, String> {
    let text = text.trim();
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.is_empty() || text.chars().count() > most || text.chars().any(|c| c.is_control() || turns(c)) {
        return Err(format!("a text here has 1 to {most} characters in one line, and none that cannot be seen"));
    }
    Ok(text.to_owned())
}

fn accent(text: &str) -> std::result::Result<String, String> {
    let given: Colour = text
        .trim()
        .parse()
        .map_err(|()| "a colour is # and six digits from 0 to 9 and a to f, as in #0c626d".to_owned())?;
    match colour::shades(given) {
        Ok(_) => Ok(given.to_string()),
        Err(refused) => Err(format!(
            "text in {given} cannot be read on light ground: its contrast is {}.{:02} to 1, and 4.5 is the least; the nearest that can be read is {}",
            refused.worst_percent / 100,
            refused.worst_percent % 100,
            refused.nearest
        )),
    }
}

/// The logo as it is served.
pub struct Logo {
    /// Its media type.
    pub media_type: String,
    /// The file.
    pub body: Vec<u8>,
}

fn row<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<Option<BrandingRow>> {
    Ok(Org::of(tx, org).one(Filter::all())?)
}

fn view<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<BrandingView> {
    Ok(row(tx, org)?.map(Into::into).unwrap_or_default())
}

impl Directory {
    /// How the organization looks.
    pub async fn branding(&self, org: &OrgId) -> Result<BrandingView> {
        let org = org.clone();
        self.read(move |tx| view(tx, &org)).await
    }

    /// An organization by its id or slug, with how it looks: what every page needs.
    pub async fn face(&self, which: &str) -> Result<(OrganizationView, BrandingView)> {
        let which = which.to_owned();
        self.read(move |tx| {
            let organization = find(tx, &which)?;
            let branding = view(tx, &organization.org)?;
            Ok((organization.into(), branding))
        })
        .await
    }

    /// The logo with this SHA-256, if it is the one in use.
    pub async fn logo(&self, org: &OrgId, sha256: &str) -> Result<Option<Logo>> {
        let (org, sha256) = (org.clone(), sha256.to_owned());
        self.read(move |tx| {
            let Some(row) = row(tx, &org)?.filter(|row| row.logo_sha256.as_ref() == Some(&sha256)) else {
                return Ok(None);
            };
            let logo: Option<LogoRow> = Org::of(tx, &org).one(Filter::all())?;
            let found = row.logo_type.zip(logo);
            Ok(found.map(|(media_type, logo)| Logo { media_type, body: logo.body.0 }))
        })
        .await
    }

    /// From whom an organization's mails come.
    pub async fn sender_name(&self, org: &OrgId) -> Result<String> {
        let org = org.clone();
        self.read(move |tx| {
            let set = view(tx, &org)?.sender_name;
            match set {
                Some(name) => Ok(name),
                None => Ok(settings(tx, &org)?.name),
            }
        })
        .await
    }

    /// Changes how the organization looks.
    pub async fn change_branding(&self, intent: &Intent, org: &OrgId, patch: BrandingPatch) -> Result<BrandingView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let there = row(tx, &org)?;
            let before = there.clone().map(BrandingView::from).unwrap_or_default();
            intent.condition.check("branding", &before)?;
            let mut row = there.unwrap_or_else(|| BrandingRow::none(org.clone(), now));
            let changed = patch.named();
            let mut wrong = Vec::new();
            let logo = patch.clone().apply(&mut row, &mut wrong);
            if !wrong.is_empty() {
                return Err(crate::Error::Invalid(wrong));
            }
            row.updated_at = now;
            put(tx, &org, &row, logo)?;
            let event = NewEvent::new(&intent.actor, "branding.set", org.to_string()).with("changed", changed);
            Org::of(tx, &org).audit(event.with("accent", &row.accent).with("logo_sha256", &row.logo_sha256));
            Ok(row.into())
        })
        .await
    }

    /// Goes back to the product's own looks.
    pub async fn reset_branding(&self, intent: &Intent, org: &OrgId) -> Result<BrandingView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let before = view(tx, &org)?;
            intent.condition.check("branding", &before)?;
            let mut ours = Org::of(tx, &org);
            ours.delete::<BrandingRow>(Filter::all())?;
            ours.delete::<LogoRow>(Filter::all())?;
            ours.audit(NewEvent::new(&intent.actor, "branding.reset", org.to_string()));
            Ok(before)
        })
        .await
    }
}

fn put(tx: &mut dyn WriteTx, org: &OrgId, row: &BrandingRow, logo: Patch<Vec<u8>>) -> Result<()> {
    let mut ours = Org::of(tx, org);
    ours.delete::<BrandingRow>(Filter::all())?;
    ours.add(row)?;
    if logo != Patch::Keep {
        ours.delete::<LogoRow>(Filter::all())?;
    }
    if let Patch::Set(body) = logo {
        ours.add(&LogoRow { org: org.clone(), body: Blob(body) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_that_can_be_seen() {
        assert_eq!(plain("  Acme & Söhne <b> ", 60).unwrap(), "Acme & Söhne <b>");
        for text in ["", "  ", "a\nb", "a\u{202e}b", "a\u{0}b"] {
            assert!(plain(text, 60).is_err(), "{text:?}");
        }
        assert!(plain(&"x".repeat(61), 60).is_err());
    }

    #[test]
    fn a_colour_that_cannot_be_read_is_refused_with_the_nearest_that_can() {
        let refused = accent("#FFCC00").unwrap_err();
        let nearest = refused.rsplit(' ').next().unwrap();
        assert_eq!(accent(nearest).as_deref(), Ok(nearest));
        assert_eq!(accent("#0C626D").as_deref(), Ok("#0c626d"));
        assert!(accent("teal").unwrap_err().contains("#0c626d"));
    }
}
