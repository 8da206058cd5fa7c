//! What `serve` was told about mail, resolved.
//!
//! Owns the rules between the keys: which belong together, which port goes with which TLS, and that nothing leaves the machine in the clear. Must not
//! know how a mail is sent, nor read any file.

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::Address;

use super::config::Said;
use crate::exit::Result;

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte.
    Implicit,
    /// Not at all: loopback only.
    Off,
    /// From `STARTTLS` on, which the server must offer.
    Starttls,
}

impl MailTls {
    /// The spelling of the setting.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Off => "off",
            Self::Starttls => "starttls",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::Off => 25,
            Self::Starttls => 587,
        }
    }
}

/// The mail server and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS.
    pub tls: MailTls,
    /// The name there, and the file with its password.
    pub login: Option<(String, PathBuf)>,
    /// The address that mails come from.
    pub from: Address,
    /// Certification authorities that count beside the public ones.
    pub ca_file: Option<PathBuf>,
}

/// The keys that mean nothing without a server.
const OTHERS: [&str; 5] = ["mail-from", "mail-tls", "mail-user", "mail-password-file", "mail-ca-file"];

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Host and port; an IPv6 address with a port stands in brackets.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?.parse().ok()?) };
            return Some((host.to_owned(), port));
        }
        None if text.parse::<IpAddr>().is_ok() => (text, None),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        },
    };
    let fits = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
    (fits && port != Some(0)).then(|| (host.to_owned(), port))
}

impl MailSettings {
    /// Gives the keys their meaning; `None` if no mail server was named.
    pub fn resolve(said: &Said) -> Result<Option<Self>> {
        let Some(server) = said.one("mail-server") else {
            return match OTHERS.into_iter().find(|flag| said.one(flag).is_some()) {
                Some(flag) => Err(said.wrong(flag, "given without a mail server", "add --mail-server HOST")),
                None => Ok(None),
            };
        };
        let tls = match said.one("mail-tls") {
            None | Some("starttls") => MailTls::Starttls,
            Some("implicit") => MailTls::Implicit,
            Some("off") => MailTls::Off,
            Some(other) => {
                let detail = format!("{other:?} is not starttls, implicit or off");
                return Err(said.wrong("mail-tls", detail, "write starttls, implicit or off"));
            }
        };
        let Some((host, port)) = host_and_port(server) else {
            let detail = format!("{server:?} is no host with or without a port");
            return Err(said.wrong("mail-server", detail, "write HOST or HOST:PORT, as smtp.corp.example:587"));
        };
        if tls == MailTls::Off && !is_loopback(&host) {
            let detail = format!("off would send codes and links to {host} in the clear");
            return Err(said.wrong("mail-tls", detail, "leave it away (starttls), or write implicit"));
        }
        let Some(from) = said.one("mail-from") else {
            let fix = "add --mail-from ADDRESS, as latchkey@corp.example";
            return Err(said.wrong("mail-server", "given without an address that mails come from", fix));
        };
        let from = from.parse::<Address>().map_err(|error| {
            let detail = format!("{from:?} is no mail address: {error}");
            said.wrong("mail-from", detail, "write LOCAL@DOMAIN, as latchkey@corp.example")
        })?;
        let login = match (said.one("mail-user"), said.one("mail-password-file")) {
            (Some(user), Some(file)) => Some((user.to_owned(), PathBuf::from(file))),
            (None, None) => None,
            (Some(_), None) => {
                return Err(said.wrong("mail-user", "a name without its password", "add --mail-password-file FILE"));
            }
            (None, Some(_)) => {
                let detail = "a password without the name it belongs to";
                return Err(said.wrong("mail-password-file", detail, "add --mail-user NAME"));
            }
        };
        let ca_file = said.one("mail-ca-file").map(PathBuf::from);
        Ok(Some(Self { port: port.unwrap_or_else(|| tls.port()), host, tls, login, from, ca_file }))
    }

    /// Host and port, as they are shown.
    #[must_use]
    pub fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use super::*;
    use crate::serve::config::Typed;

    fn resolve(pairs: &[(&str, &str)]) -> Result<Option<MailSettings>> {
        let named: BTreeMap<String, &str> =
            pairs.iter().map(|(key, value)| (format!("LATCHKEY_MAIL_{}", key.to_uppercase()), *value)).collect();
        let said = Said::gather(&Typed::default(), |name| named.get(name).map(OsString::from)).unwrap();
        MailSettings::resolve(&said)
    }

    #[test]
    fn without_a_server_there_is_no_mail_and_nothing_about_it() {
        assert_eq!(resolve(&[]).unwrap(), None);
        for key in ["from", "tls", "user", "password_file", "ca_file"] {
            let failure = resolve(&[(key, "x")]).unwrap_err();
            assert!(failure.fix.contains("--mail-server"), "{key}: {}", failure.fix);
        }
    }

    #[test]
    fn the_port_goes_with_the_protection_unless_it_is_named() {
        let from = ("from", "latchkey@corp.example");
        for (server, tls, host, port) in [
            ("smtp.corp.example", "starttls", "smtp.corp.example", 587),
            ("smtp.corp.example", "implicit", "smtp.corp.example", 465),
            ("smtp.corp.example:2525", "starttls", "smtp.corp.example", 2525),
            ("localhost", "off", "localhost", 25),
            ("[::1]:2525", "off", "::1", 2525),
            ("127.0.0.1", "off", "127.0.0.1", 25),
        ] {
            let settings = resolve(&[("server", server), ("tls", tls), from]).unwrap().unwrap();
            assert_eq!((settings.host.as_str(), settings.port), (host, port), "{server} {tls}");
        }
    }

    #[test]
    fn nothing_leaves_the_machine_in_the_clear_and_halves_are_refused() {
        let from = ("from", "latchkey@corp.example");
        let server = ("server", "smtp.corp.example");
        for pairs in [
            &[server, from, ("tls", "off")][..],
            &[server, from, ("tls", "yes")],
            &[server],
            &[server, ("from", "Latchkey")],
            &[server, ("from", "a@b.example\r\nBcc: x@y.example")],
            &[server, from, ("user", "u")],
            &[server, from, ("password_file", "f")],
            &[("server", "smtp.corp.example:x"), from],
            &[("server", "https://smtp.corp.example"), from],
            &[("server", ""), from],
        ] {
            let failure = resolve(pairs).unwrap_err();
            assert_eq!(failure.exit.number(), 2, "{pairs:?}");
        }
    }
}
