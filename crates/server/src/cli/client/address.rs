//! Addresses: of the server, and of a thing on it.
//!
//! Owns which `--server` may be given credentials, and that a name stays one segment of a path.

use url::{Host, Url};

use crate::exit::{Failure, Result};

/// In the place of a slug: the only organization there is.
pub(crate) const ONLY: &str = "-";

/// `--server` as an address: `https`, or `http` on this machine; a bare host name is taken as https.
///
/// # Errors
/// It is no address, has a path, or would send credentials in the clear.
pub(crate) fn base(text: &str) -> Result<Url> {
    let wrong = |why: &str| Failure::usage(format!("--server {text}: {why}"), "write --server https://id.corp.example");
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&full).map_err(|e| wrong(&e.to_string()))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.host().is_none() || !is_bare {
        return Err(wrong("it must be scheme, host and port only"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(wrong("plain http is for loopback names only")),
        _ => Err(wrong("it must be https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

pub(super) fn authority(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A path segment, percent-encoded.
///
/// # Errors
/// It is empty or a dot segment, which no id or name is.
pub(crate) fn segment(text: &str) -> Result<String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err(Failure::usage(format!("{text:?} is no id or name"), "see the `list` command of the same noun"));
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_segment_never_leaves_its_place() {
        assert_eq!(segment("anna@acme.example").unwrap(), "anna%40acme.example");
        assert_eq!(segment("a/../b?c#d e").unwrap(), "a%2F..%2Fb%3Fc%23d%20e");
        assert_eq!(segment("käse").unwrap(), "k%C3%A4se");
        for wrong in ["", ".", ".."] {
            assert_eq!(segment(wrong).unwrap_err().exit, Exit::USAGE);
        }
    }

    #[test]
    fn credentials_go_to_https_or_this_machine_only() {
        assert_eq!(base("id.corp.example").unwrap().as_str(), "https://id.corp.example/");
        assert_eq!(base("http://127.0.0.1:8470").unwrap().port(), Some(8470));
        assert_eq!(base("http://localhost:8470").unwrap().scheme(), "http");
        for wrong in [
            "http://id.corp.example",
            "ftp://x",
            "https://",
            "https://a@b.example",
            "https://b.example/x",
            "https://b.example/?q",
        ] {
            assert_eq!(base(wrong).unwrap_err().exit, Exit::USAGE, "{wrong}");
        }
    }
}
