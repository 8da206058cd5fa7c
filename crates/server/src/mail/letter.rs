//! The words of a letter, as plain text and as simple HTML.
//!
//! Owns which text of the catalogue stands where. Must not know to whom it goes or how.

use askama::Template;
use latchkey_directory::Timestamp;
use latchkey_directory::audit::ActorKind;
use latchkey_directory::mail::Letter;
use zeroize::Zeroizing;

use super::brand::Brand;
use crate::portal::text::{t, tt};

/// A letter that can be sent.
#[derive(Clone)]
pub struct Written {
    /// Its subject.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
}

/// What both forms are made of.
struct Words {
    subject: String,
    /// Before what the reader needs.
    lead: Vec<String>,
    /// The code, alone on a line.
    code: Option<Zeroizing<String>>,
    /// The words on a link, and where it leads.
    link: Option<(String, Zeroizing<String>)>,
    /// After it.
    rest: Vec<String>,
    /// Who writes, and why there is no answering.
    foot: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Plain<'a> {
    words: &'a Words,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    words: &'a Words,
}

/// To the minute, UTC.
fn when(at: Timestamp) -> String {
    let full = at.to_string();
    full.get(..16).map_or(full.clone(), |minute| format!("{} UTC", minute.replace('T', " ")))
}

/// Below the organization's pages: where a link to set a new password leads.
pub const RECOVER: &str = "/recover/";

/// Writes a letter.
///
/// # Errors
/// A template does not fit: our own mistake.
pub fn write(brand: &Brand, letter: &Letter) -> Result<Written, askama::Error> {
    let organization = brand.organization.as_str();
    let home = || Some((t("mail.open").into_owned(), Zeroizing::new(format!("{}/account", brand.portal))));
    let words = match letter {
        Letter::Code { code } => Words {
            subject: tt("mail.code.subject", &[organization]),
            lead: vec![tt("mail.code.lead", &[organization])],
            code: Some(Zeroizing::new(code.expose().to_owned())),
            link: None,
            rest: vec![t("mail.code.good").into_owned(), t("mail.code.not_you").into_owned()],
            foot: foot(brand),
        },
        Letter::Recovery { secret } => Words {
            subject: tt("mail.recovery.subject", &[organization]),
            lead: vec![tt("mail.recovery.lead", &[organization])],
            code: None,
            link: Some((
                t("mail.recovery.link").into_owned(),
                Zeroizing::new(format!("{}{RECOVER}{}", brand.portal, secret.expose())),
            )),
            rest: vec![t("mail.recovery.good").into_owned(), t("mail.recovery.not_you").into_owned()],
            foot: foot(brand),
        },
        Letter::MethodsChanged { change, at, yourself } => {
            let who = if *yourself { "mail.changed.yourself" } else { "mail.changed.administrator" };
            Words {
                subject: tt("mail.changed.subject", &[organization]),
                lead: vec![t(&format!("mail.change.{change}")).into_owned(), tt(who, &[&when(*at)])],
                code: None,
                link: home(),
                rest: vec![t("mail.changed.not_you").into_owned()],
                foot: foot(brand),
            }
        }
        Letter::OwnersTold { news, about, by_kind, by, at } => {
            let by = match (by, by_kind) {
                (Some(login), _) => login.clone(),
                (None, ActorKind::ApiClient) => t("mail.by.api_client").into_owned(),
                (None, ActorKind::Operator) => t("mail.by.operator").into_owned(),
                (None, _) => t("mail.by.other").into_owned(),
            };
            Words {
                subject: tt(&format!("mail.news_subject.{news}"), &[organization, about]),
                lead: vec![tt(&format!("mail.news.{news}"), &[about]), tt("mail.told.by", &[&by, &when(*at)])],
                code: None,
                link: Some((
                    t("mail.told.audit").into_owned(),
                    Zeroizing::new(format!("{}/admin/audit", brand.portal)),
                )),
                rest: vec![t("mail.told.why").into_owned()],
                foot: foot(brand),
            }
        }
    };
    written(&words)
}

/// A mail that only shows that mails come.
///
/// # Errors
/// As [`write()`].
pub fn test(brand: &Brand) -> Result<Written, askama::Error> {
    written(&Words {
        subject: tt("mail.test.subject", &[&brand.organization]),
        lead: vec![tt("mail.test.lead", &[&brand.portal])],
        code: None,
        link: None,
        rest: Vec::new(),
        foot: foot(brand),
    })
}

fn foot(brand: &Brand) -> String {
    tt("mail.foot", &[&brand.organization, &brand.portal])
}

fn written(words: &Words) -> Result<Written, askama::Error> {
    Ok(Written { subject: words.subject.clone(), text: Plain { words }.render()?, html: Html { words }.render()? })
}
