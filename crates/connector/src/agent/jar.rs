//! A cookie jar in the form curl reads and writes (`curl -b -c`), for the service's cookies only.
//!
//! Owns RFC 6265's rules of which cookie goes where, and the file: 0600, never through a symbolic link.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use url::Url;

use crate::files::{cannot, nofollow};
use crate::problem::{Local, Problem, Result};

/// Longest jar read, and cookie kept, bytes.
const MAX_FILE: u64 = 1024 * 1024;
const MAX_COOKIE: usize = 8 * 1024;
const HTTP_ONLY: &str = "#HttpOnly_";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    http_only: bool,
    /// 0: until the end of the session.
    expires: u64,
    name: String,
    value: String,
}

/// Cookies of services.
#[derive(Clone, Debug, Default)]
pub struct Jar(Vec<Cookie>);

impl Jar {
    /// Reads a jar; an absent file is an empty one.
    ///
    /// # Errors
    /// A symbolic link, or no cookie file.
    pub fn read(path: &Path) -> Result<Self> {
        let file = match std::fs::OpenOptions::new().read(true).custom_flags(nofollow()).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Jar::default()),
            Err(e) => return Err(cannot("read the cookie jar", path, &e)),
        };
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text).map_err(|e| cannot("read the cookie jar", path, &e))?;
        Ok(Jar::parse(&text))
    }

    /// Writes the jar, 0600. A file that is already there keeps nothing of its old content.
    ///
    /// # Errors
    /// A symbolic link, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let fail = |e: &std::io::Error| cannot("write the cookie jar", path, e);
        if std::fs::symlink_metadata(path).is_ok_and(|m| !m.is_file()) {
            return Err(Problem::local(
                Local::UnsafeFile,
                format!("{} is not a plain file", path.display()),
                "name another --cookie-jar",
            ));
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let temp = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let _ = std::fs::remove_file(&temp);
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(&temp)
            .map_err(|e| fail(&e))?;
        file.write_all(self.render().as_bytes()).map_err(|e| fail(&e))?;
        std::fs::rename(&temp, path).map_err(|e| fail(&e))
    }

    /// Parses the Netscape form; lines that are none are skipped, as curl does.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let cookie = |line: &str| {
            let (line, http_only) = match line.strip_prefix(HTTP_ONLY) {
                Some(rest) => (rest, true),
                None if line.starts_with('#') => return None,
                None => (line, false),
            };
            let fields: Vec<&str> = line.split('\t').collect();
            let [domain, subdomains, path, secure, expires, name, value] = fields[..] else {
                return None;
            };
            Some(Cookie {
                domain: domain.trim_start_matches('.').to_ascii_lowercase(),
                host_only: subdomains != "TRUE",
                path: path.to_owned(),
                secure: secure == "TRUE",
                http_only,
                expires: expires.parse().ok()?,
                name: name.to_owned(),
                value: value.to_owned(),
            })
        };
        Jar(text.lines().filter_map(cookie).collect())
    }

    /// The Netscape form.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from("# Netscape HTTP Cookie File\n\n");
        let word = |yes: bool| if yes { "TRUE" } else { "FALSE" };
        for c in &self.0 {
            let mark = if c.http_only { HTTP_ONLY } else { "" };
            let dot = if c.host_only { "" } else { "." };
            text.push_str(&format!(
                "{mark}{dot}{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                c.domain,
                word(!c.host_only),
                c.path,
                word(c.secure),
                c.expires,
                c.name,
                c.value
            ));
        }
        text
    }

    /// The `Cookie` header for an address, if any cookie fits.
    #[must_use]
    pub fn header(&self, url: &Url, now: u64) -> Option<String> {
        let host = url.host_str()?.to_ascii_lowercase();
        let safe = url.scheme() == "https" || crate::http::is_loopback(url);
        let mut fitting: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|c| c.expires == 0 || c.expires > now)
            .filter(|c| !c.secure || safe)
            .filter(|c| host == c.domain || (!c.host_only && is_below(&host, &c.domain)))
            .filter(|c| path_fits(url.path(), &c.path))
            .collect();
        fitting.sort_by_key(|c| std::cmp::Reverse(c.path.len()));
        let pairs: Vec<String> = fitting.iter().map(|c| format!("{}={}", c.name, c.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Takes a `Set-Cookie` header that came from an address. One that may not be set from there is ignored.
    pub fn take(&mut self, url: &Url, header: &str, now: u64) {
        let Some(cookie) = parse_set_cookie(url, header, now) else {
            return;
        };
        self.0.retain(|c| {
            c.expires == 0 && !(c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path)
                || c.expires > now && !(c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path)
        });
        if cookie.expires == 0 || cookie.expires > now {
            self.0.push(cookie);
        }
    }
}

fn parse_set_cookie(url: &Url, header: &str, now: u64) -> Option<Cookie> {
    if header.len() > MAX_COOKIE || header.contains(['\t', '\n', '\r', '\0']) {
        return None;
    }
    let host = url.host_str()?.to_ascii_lowercase();
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let mut cookie = Cookie {
        domain: host.clone(),
        host_only: true,
        path: default_path(url.path()),
        secure: false,
        http_only: false,
        expires: 0,
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    };
    let mut max_age = None;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                // A top-level name would reach everybody below it.
                let fits = domain == host || (domain.contains('.') && is_below(&host, &domain));
                if !fits {
                    return None;
                }
                cookie.host_only = false;
                cookie.domain = domain;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => cookie.expires = http_date(value).unwrap_or(0),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        cookie.expires = match u64::try_from(seconds) {
            Ok(0) | Err(_) => 1,
            Ok(seconds) => now.saturating_add(seconds),
        };
    }
    let https = url.scheme() == "https" || crate::http::is_loopback(url);
    let prefix_kept = match cookie.name.as_str() {
        n if n.starts_with("__Host-") => cookie.secure && cookie.host_only && cookie.path == "/",
        n if n.starts_with("__Secure-") => cookie.secure,
        n => !n.is_empty(),
    };
    (prefix_kept && (https || !cookie.secure)).then_some(cookie)
}

/// Seconds since 1970; 1 for anything before, which is long gone.
fn http_date(text: &str) -> Option<u64> {
    let spaced = match text.split_once(", ") {
        Some((day, rest)) => format!("{}, {}", day.get(..3)?, rest.replacen('-', " ", 2)),
        None => return None,
    };
    let time = jiff::fmt::rfc2822::parse(&spaced).ok()?.timestamp();
    Some(u64::try_from(time.as_second()).unwrap_or(1).max(1))
}

fn is_below(host: &str, domain: &str) -> bool {
    let is_name = host.parse::<std::net::IpAddr>().is_err() && !host.starts_with('[');
    is_name && host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

fn path_fits(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        Some(0) | None => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}
