//! The cloud name: the host, with a port where needed, that browsers and connectors use.
//!
//! Owns its form, and when two ways of writing an address are the same one. Must not know where the server listens.

use url::Host;

/// Whether answers travel in TLS, as the outside sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain: loopback only.
    Http,
    /// TLS, ours or a proxy's.
    Https,
}

impl Scheme {
    /// As in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host with an optional port: `id.corp.example`, `localhost:8470`, `[2001:db8::1]:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudName {
    host: Host,
    port: Option<u16>,
}

/// Why a text is no cloud name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudNameError {
    /// A URL, or something with a path.
    #[error("a cloud name is a host name, with a port where needed, not a URL; perhaps {0:?}")]
    Url(String),
    /// Not a host name or address.
    #[error("not a host name or IP address")]
    Host,
    /// Not a port.
    #[error("the part after the colon is not a port, 1 to 65535")]
    Port,
}

impl CloudName {
    /// `localhost` with a port.
    #[must_use]
    pub fn localhost(port: u16) -> Self {
        Self { host: Host::Domain("localhost".to_owned()), port: Some(port) }
    }

    /// The host alone.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, as it is needed in a URL of this scheme.
    #[must_use]
    pub fn port_for(&self, scheme: Scheme) -> u16 {
        self.port.unwrap_or(scheme.default_port())
    }

    /// Whether plain HTTP to this name stays on the machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }

    /// Whether it is an address, which passkeys do not work on.
    #[must_use]
    pub const fn is_address(&self) -> bool {
        !matches!(self.host, Host::Domain(_))
    }

    /// The name without a port that its scheme has anyway.
    #[must_use]
    pub fn without_default_port(mut self, scheme: Scheme) -> Self {
        if self.port == Some(scheme.default_port()) {
            self.port = None;
        }
        self
    }

    /// Whether both mean the same place.
    #[must_use]
    pub fn same_place(&self, other: &Self, scheme: Scheme) -> bool {
        self.host == other.host && self.port_for(scheme) == other.port_for(scheme)
    }
}

impl std::str::FromStr for CloudName {
    type Err = CloudNameError;

    fn from_str(text: &str) -> Result<Self, CloudNameError> {
        if let Some((_, rest)) = text.split_once("://") {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return Err(CloudNameError::Url(authority.to_owned()));
        }
        if text.contains(['/', '?', '#', '@', '%', '\\']) || text.contains(char::is_whitespace) {
            let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
            return Err(CloudNameError::Url(authority.to_owned()));
        }
        let (host, port) = match text.rsplit_once(':') {
            // The last colon of a bare IPv6 address is not a port's.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None => None,
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                Some(port.parse().ok().filter(|port| *port != 0).ok_or(CloudNameError::Port)?)
            }
            Some(_) => return Err(CloudNameError::Port),
        };
        let host = match Host::parse(host).map_err(|_| CloudNameError::Host)? {
            // A final dot names the same host and would be another text.
            Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
            address => address,
        };
        if matches!(&host, Host::Domain(name) if name.is_empty() || name.len() > 253 || !is_name(name)) {
            return Err(CloudNameError::Host);
        }
        Ok(Self { host, port })
    }
}

fn is_name(name: &str) -> bool {
    name.split('.').all(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

impl std::fmt::Display for CloudName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CloudName {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_addresses_with_and_without_port() {
        for text in
            ["id.corp.example", "id.corp.example:8443", "localhost:8470", "10.0.0.7", "[2001:db8::1]:8443", "[::1]"]
        {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("ID.Corp.Example.").to_string(), "id.corp.example");
        assert_eq!(name("idé.example").to_string(), "xn--id-cja.example");
    }

    #[test]
    fn what_is_no_name_is_refused_and_a_url_is_explained() {
        for text in ["", ":80", "a:0", "a:99999", "a:b", "a b", "a..b", "2001:db8::1", "a@b", "-.-/x", "%41"] {
            assert!(text.parse::<CloudName>().is_err(), "{text:?}");
        }
        let error = "https://id.corp.example:8443/x".parse::<CloudName>().unwrap_err();
        assert_eq!(error, CloudNameError::Url("id.corp.example:8443".to_owned()));
    }

    #[test]
    fn a_default_port_is_the_same_place_and_another_is_not() {
        assert!(name("a.example:443").same_place(&name("A.example"), Scheme::Https));
        assert!(!name("a.example:443").same_place(&name("a.example"), Scheme::Http));
        assert!(!name("a.example:8443").same_place(&name("a.example"), Scheme::Https));
        assert_eq!(name("a.example:443").without_default_port(Scheme::Https).to_string(), "a.example");
    }

    #[test]
    fn loopback_names() {
        for text in ["localhost:1", "wiki.localhost", "127.0.0.1", "127.8.9.1:2", "[::1]:8470"] {
            assert!(name(text).is_loopback(), "{text}");
        }
        for text in ["localhost.example", "10.0.0.1", "notlocalhost"] {
            assert!(!name(text).is_loopback(), "{text}");
        }
    }
}
