//! Consumer addresses: which of them people are sent to (`saml.md` 6).
//!
//! Owns the rule and its one switch. Must not know metadata; the address itself is kept byte for byte by whoever asks.

/// Whether plain http consumer addresses are allowed (loopback always is).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpPolicy {
    /// The administrator's explicit switch for this service.
    AllowHttp,
    /// https only.
    #[default]
    HttpsOnly,
}

/// A consumer address that we would never send a person to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcsUrlError {
    /// It has a `#…` part.
    #[error("a consumer address may have no fragment (#…)")]
    Fragment,
    /// Plain http without the switch.
    #[error("a consumer address must be https (or http by this service's explicit setting, or on loopback)")]
    Http,
    /// Neither https nor http.
    #[error("a consumer address must be an https address, not {0}:")]
    Scheme(String),
    /// Not an absolute URL, or with white space or control characters in it.
    #[error("a consumer address must be a complete address without white space")]
    Unreadable,
    /// It carries a user name or password.
    #[error("a consumer address may carry no user name or password")]
    UserInfo,
}

/// Checks an assertion consumer address (`saml.md` 6); the address itself is kept byte for byte.
pub fn check_acs_url(url: &str, http: HttpPolicy) -> Result<(), AcsUrlError> {
    // The URL parser forgives white space and control characters; a byte-for-byte comparison would not.
    if url.len() > 2048 || url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(AcsUrlError::Unreadable);
    }
    let parsed = url::Url::parse(url).map_err(|_| AcsUrlError::Unreadable)?;
    match parsed.scheme() {
        "https" => {}
        "http" => {
            let loopback = match parsed.host() {
                Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                None => false,
            };
            if !loopback && http == HttpPolicy::HttpsOnly {
                return Err(AcsUrlError::Http);
            }
        }
        other => return Err(AcsUrlError::Scheme(other.to_owned())),
    }
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') || !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(AcsUrlError::UserInfo);
    }
    if parsed.fragment().is_some() {
        return Err(AcsUrlError::Fragment);
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(AcsUrlError::Unreadable);
    }
    Ok(())
}
