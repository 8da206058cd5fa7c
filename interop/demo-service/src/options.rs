//! The command line. Owns what can be asked for; must not know how it is done.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// A small web service that signs people in with SAML 2.0.
///
/// It writes its metadata, waits until the identity provider's metadata is there, and then prints one line and serves:
/// `/` for everybody, `/secret` for people who signed in. Plain HTTP, so it listens on loopback only. The key is made
/// anew at each start and kept nowhere.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo-service", version)]
pub(crate) struct Options {
    /// Where to listen; loopback only, port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9000", value_parser = loopback)]
    pub(crate) listen: SocketAddr,

    /// How browsers reach the service [default: http://ADDR:PORT]
    #[arg(long, value_name = "URL", value_parser = origin)]
    pub(crate) public_url: Option<String>,

    /// The identity provider's metadata; waited for, then read once
    #[arg(long, value_name = "FILE")]
    pub(crate) idp_metadata: PathBuf,

    /// Where to write the service's own metadata
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_out: PathBuf,

    /// Whether requests to the identity provider are signed
    #[arg(long, value_enum, default_value_t = Requests::Signed)]
    pub(crate) requests: Requests,

    /// How requests travel to the identity provider
    #[arg(long, value_enum, default_value_t = Binding::Redirect)]
    pub(crate) binding: Binding,

    /// Which kind of name to ask for
    #[arg(long, value_enum, default_value_t = NameId::Email)]
    pub(crate) name_id: NameId,
}

/// Whether AuthnRequests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Requests {
    Signed,
    Unsigned,
}

/// The binding of AuthnRequests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Binding {
    Redirect,
    Post,
}

/// The NameID format that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NameId {
    Email,
    Persistent,
    Transient,
    Unspecified,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:9000")?;
    if address.ip().is_loopback() { Ok(address) } else { Err("plain HTTP is served on loopback only".to_owned()) }
}

fn origin(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|e| e.to_string())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    if !plain || url.fragment().is_some() || !url.has_host() {
        return Err("write a scheme and a host, such as http://localhost:9000".to_owned());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_beyond_loopback_is_refused() {
        assert!(loopback("127.0.0.1:0").is_ok());
        assert!(loopback("[::1]:9000").is_ok());
        assert!(loopback("0.0.0.0:9000").is_err());
        assert!(loopback("9000").is_err());
    }

    #[test]
    fn a_public_url_is_an_origin() {
        assert_eq!(origin("http://localhost:9000/").as_deref(), Ok("http://localhost:9000"));
        for bad in ["localhost:9000", "http://localhost:9000/x", "ftp://localhost/", "http://localhost/?a=b"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_holds_together() {
        use clap::CommandFactory as _;
        Options::command().debug_assert();
    }
}
