//! Mail: what it says, and how it leaves.
//!
//! Owns the connection to the mail server, the words of a letter ([`letter`]), from whom it comes ([`brand`]) and the task that empties the outbox
//! ([`sender`]). Must not know why a letter was written: the directory puts it into the outbox, in the commit of what it tells about.

pub mod brand;
pub mod letter;
pub mod sender;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use zeroize::Zeroizing;

use self::brand::Brand;
use self::letter::Written;
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::serve::mail::{MailSettings, MailTls};

/// How long the mail server may take for one answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long sending one mail may take, from connecting on: less than a sender may keep a letter.
const WHOLE: Duration = Duration::from_secs(60);

/// Why a mail did not leave, in the words of whoever refused it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(String);

impl From<lettre::transport::smtp::Error> for NotSent {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(deeper) = source {
            let more = deeper.to_string();
            if !words.contains(&more) {
                words.push_str(": ");
                words.push_str(&more);
            }
            source = deeper.source();
        }
        Self(words)
    }
}

/// The way to the mail server.
#[derive(Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    settings: MailSettings,
}

fn wrong(detail: String, fix: &str) -> Failure {
    Failure::new(Own::Serve002, detail, fix)
}

fn tls(settings: &MailSettings) -> Result<Tls> {
    if settings.tls == MailTls::Off {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &settings.ca_file {
        let shown = file.display();
        let pem = std::fs::read(file)
            .map_err(|error| wrong(format!("mail_ca_file {shown} cannot be read: {error}"), "name a PEM file"))?;
        // What is no certificate would be skipped in silence.
        let count = pem.windows(27).filter(|part| part == b"-----BEGIN CERTIFICATE-----").count();
        let certificate = Certificate::from_pem(&pem).ok().filter(|_| count > 0);
        let certificate = certificate
            .ok_or_else(|| wrong(format!("mail_ca_file {shown} holds no certificate"), "name a PEM file of the CA"))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters
        .build_rustls()
        .map_err(|error| wrong(format!("TLS to the mail server: {}", NotSent::from(error)), Own::Mail002.fix()))?;
    Ok(if settings.tls == MailTls::Implicit { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

/// The first line of the file.
fn password(file: &std::path::Path) -> Result<Zeroizing<String>> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        let fix = "make it readable for the user that the server runs as, and for nobody else";
        wrong(format!("mail_password_file {shown} cannot be read: {error}"), fix)
    })?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(wrong(format!("mail_password_file {shown} is empty"), "write the password into its first line"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

impl Mailer {
    /// Reads the files and makes the way ready; nothing is connected yet.
    ///
    /// # Errors
    /// The password's or the CA's file cannot be used.
    pub fn open(settings: &MailSettings) -> Result<Self> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.clone())
            .port(settings.port)
            .timeout(Some(ANSWER))
            .tls(tls(settings)?);
        if let Some((user, file)) = &settings.login {
            builder = builder.credentials(Credentials::new(user.clone(), password(file)?.to_string()));
        }
        Ok(Self { transport: builder.build(), from: settings.from.clone(), settings: settings.clone() })
    }

    /// What it was made of.
    #[must_use]
    pub const fn settings(&self) -> &MailSettings {
        &self.settings
    }

    /// Connects, proves who we are, and asks whether somebody is there.
    ///
    /// # Errors
    /// What was in the way.
    pub async fn connect(&self) -> std::result::Result<(), NotSent> {
        match tokio::time::timeout(WHOLE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(NotSent("the mail server did not answer NOOP with success".to_owned())),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(NotSent("the mail server took more than a minute".to_owned())),
        }
    }

    /// Sends a letter. Answers what the server said.
    ///
    /// # Errors
    /// What was in the way.
    pub async fn send(
        &self,
        brand: &Brand,
        to: &str,
        id: &str,
        written: &Written,
    ) -> std::result::Result<String, NotSent> {
        let message = self.message(brand, to, id, written)?;
        match tokio::time::timeout(WHOLE, self.transport.send(message)).await {
            Ok(Ok(response)) => Ok(format!("{} {}", response.code(), response.first_line().unwrap_or_default())),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(NotSent("the mail server took more than a minute".to_owned())),
        }
    }

    fn message(&self, brand: &Brand, to: &str, id: &str, written: &Written) -> std::result::Result<Message, NotSent> {
        let bad = |error: &dyn std::fmt::Display| NotSent(format!("{to:?}: {error}"));
        let recipient: Address = to.parse().map_err(|error: lettre::address::AddressError| bad(&error))?;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(Mailbox::new(Some(one_line(&brand.sender)), self.from.clone()))
            .to(Mailbox::new(None, recipient))
            .subject(one_line(&written.subject))
            .date_now()
            // The same at each try, so that a mail that came twice is seen to be one.
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(written.text.clone(), written.html.clone()))
            .map_err(|error| bad(&error))
    }
}

/// A name as it may stand in a header: whatever would end the line is not of it.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}
