//! What `serve` was told, resolved: every value parsed, every rule between them checked, nothing left to guess.
//!
//! Owns the rules of TLS, loopback and cloud name (cli.md "Server"). Must not know where a value came from, but to name the
//! place to mend.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::cloud_name::{CloudName, Scheme};
use super::config::Said;
use super::log::LogFormat;
use super::mail::MailSettings;
use super::secret::Secret;
use crate::exit::Result;

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain HTTP: loopback, or behind a listed proxy.
    Off,
    /// A certification authority of our own, `DIR/tls/ca.pem`.
    Own,
    /// Files.
    Files {
        /// Certificate chain, PEM.
        certificate: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
    },
}

/// Everything `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Data directory.
    pub data: PathBuf,
    /// Address to listen on; until the listener is bound its port may be 0.
    pub listen: SocketAddr,
    /// Port of the first start, where a free one was asked for.
    pub kept_port: Option<u16>,
    /// The cloud name; `None` until the port is known, on loopback.
    named: Option<CloudName>,
    /// Certificate.
    pub tls: TlsMode,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// PostgreSQL; `None`: the embedded store.
    pub database: Option<Secret>,
    /// The master key's file.
    pub master_key_file: Option<PathBuf>,
    /// DNS server for domain verification; `None`: the zone's own.
    pub dns_server: Option<SocketAddr>,
    /// The mail server; `None`: no mail is sent.
    pub mail: Option<MailSettings>,
    /// Listener of `/metrics`.
    pub metrics_listen: Option<SocketAddr>,
    /// Where to write the ready document.
    pub ready_file: Option<PathBuf>,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Go on although the clock looks wrong.
    pub accept_clock: bool,
}

/// Default address.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);

impl Settings {
    /// Gives every value its meaning.
    pub fn resolve(said: &Said) -> Result<Self> {
        let listen = match said.one("listen") {
            Some(text) => address(text).ok_or_else(|| {
                said.wrong(
                    "listen",
                    format!("{text:?} is not an address with a port"),
                    "write ADDR:PORT, as 0.0.0.0:443",
                )
            })?,
            None => LISTEN,
        };
        let kept_port = said
            .kept_listen
            .as_deref()
            .and_then(address)
            .filter(|kept| listen.port() == 0 && kept.ip() == listen.ip() && kept.port() != 0)
            .map(|kept| kept.port());
        let named = match said.one("cloud-name") {
            Some(text) => Some(text.parse::<CloudName>().map_err(|error| {
                said.wrong(
                    "cloud-name",
                    format!("{text:?} is no cloud name: {error}"),
                    "write HOST or HOST:PORT, as id.corp.example",
                )
            })?),
            None => None,
        };
        let loopback = listen.ip().is_loopback();
        if named.is_none() && !loopback {
            return Err(said.wrong(
                "listen",
                format!("{listen} is not loopback, so the cloud needs a name that devices and browsers can reach"),
                "add --cloud-name HOST, as id.corp.example",
            ));
        }
        let trusted_proxies = said
            .about("trusted-proxy")
            .into_iter()
            .flat_map(|given| &given.values)
            .map(|text| {
                network(text).ok_or_else(|| {
                    said.wrong("trusted-proxy", format!("{text:?} is not a network"), "write a CIDR, as 10.0.0.9/32")
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let tls = tls(said, loopback, named.as_ref(), !trusted_proxies.is_empty())?;
        let socket = |flag: &str| {
            said.one(flag)
                .map(|text| {
                    address(text).ok_or_else(|| {
                        said.wrong(
                            flag,
                            format!("{text:?} is not an address with a port"),
                            "write ADDR:PORT, as 127.0.0.1:9470",
                        )
                    })
                })
                .transpose()
        };
        Ok(Self {
            data: said.data.clone(),
            listen,
            kept_port,
            named: named.map(|name| name.without_default_port(scheme(&tls, !trusted_proxies.is_empty(), false))),
            tls,
            dns_server: socket("dns-server")?,
            mail: MailSettings::resolve(said)?,
            metrics_listen: socket("metrics-listen")?,
            trusted_proxies,
            database: said
                .one("database")
                .map(|url| {
                    let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
                    known.then(|| Secret::new(url)).ok_or_else(|| {
                        said.wrong(
                            "database",
                            "not the URL of a PostgreSQL database",
                            "write postgresql://USER@HOST/NAME; without it the store is embedded",
                        )
                    })
                })
                .transpose()?,
            master_key_file: said.one("master-key-file").map(PathBuf::from),
            ready_file: said.one("ready-file").map(PathBuf::from),
            log_format: match said.one("log-format") {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(other) => {
                    return Err(said.wrong(
                        "log-format",
                        format!("{other:?} is neither text nor json"),
                        "write text or json",
                    ));
                }
            },
            accept_clock: match said.one("accept-clock") {
                None | Some("false" | "0") => false,
                Some("true" | "1") => true,
                Some(other) => {
                    return Err(said.wrong(
                        "accept-clock",
                        format!("{other:?} is neither true nor false"),
                        "write true or false",
                    ));
                }
            },
        })
    }

    /// The cloud name. Before the port is known, `localhost` with the port asked for.
    #[must_use]
    pub fn cloud_name(&self) -> CloudName {
        self.named
            .clone()
            .unwrap_or_else(|| CloudName::localhost(self.listen.port()).without_default_port(self.scheme()))
    }

    /// Scheme of the public URL. A proxy that speaks for a name of the network ends TLS.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        let loopback = self.named.as_ref().is_none_or(CloudName::is_loopback);
        scheme(&self.tls, !self.trusted_proxies.is_empty(), loopback)
    }

    /// The cloud's primary address, which is also its origin: `https://id.corp.example`, no slash at the end.
    #[must_use]
    pub fn public_url(&self) -> String {
        format!("{}://{}", self.scheme().as_str(), self.cloud_name())
    }

    /// What an administrator should know although it is no error.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let name = self.cloud_name();
        if self.tls == TlsMode::Own && !name.is_loopback() {
            warnings.push(
                "browsers will warn and refuse passkeys until a trusted certificate is set: --tls-cert, --tls-key; connectors trust this one by the token's pin"
                    .to_owned(),
            );
        }
        if name.is_address() && !name.is_loopback() {
            warnings.push(format!(
                "{name} is an address: it works, but passkeys do not; give the cloud a name when you can"
            ));
        }
        if self.scheme() == Scheme::Http && !name.is_loopback() {
            warnings.push(format!(
                "connectors refuse plain HTTP to {name}: use --tls own, certificate files, or a proxy named with --trusted-proxy"
            ));
        }
        let port = name.port_for(self.scheme());
        if self.trusted_proxies.is_empty() && port != self.listen.port() {
            warnings.push(format!(
                "the cloud name {name} means port {port}, and this server listens on {}: right only if that port is forwarded; else --cloud-name {}:{}",
                self.listen.port(),
                name.host(),
                self.listen.port()
            ));
        }
        warnings
    }
}

fn scheme(tls: &TlsMode, proxied: bool, loopback_name: bool) -> Scheme {
    match tls {
        TlsMode::Off if !proxied || loopback_name => Scheme::Http,
        _ => Scheme::Https,
    }
}

fn tls(said: &Said, loopback: bool, named: Option<&CloudName>, proxied: bool) -> Result<TlsMode> {
    let rank = |flag: &str| said.about(flag).map(|given| given.source.rank());
    let files = match (said.one("tls-cert"), said.one("tls-key")) {
        (Some(certificate), Some(key)) => Some(TlsMode::Files { certificate: certificate.into(), key: key.into() }),
        (None, None) => None,
        (Some(_), None) => return Err(said.wrong("tls-cert", "a certificate without its key", "add --tls-key FILE")),
        (None, Some(_)) => return Err(said.wrong("tls-key", "a key without its certificate", "add --tls-cert FILE")),
    };
    let word = match said.one("tls") {
        None => None,
        Some("own") => Some(TlsMode::Own),
        Some("off") => Some(TlsMode::Off),
        Some(other) => {
            let fix = "write own or off, or give --tls-cert and --tls-key";
            return Err(said.wrong("tls", format!("{other:?} is neither own nor off"), fix));
        }
    };
    let mode = match (files, word) {
        (Some(_), Some(_)) if rank("tls") == rank("tls-cert") => {
            return Err(said.wrong("tls", "given together with certificate files", "give one or the other"));
        }
        (Some(files), Some(word)) => {
            if rank("tls") > rank("tls-cert") {
                word
            } else {
                files
            }
        }
        (Some(mode), None) | (None, Some(mode)) => mode,
        // Plain HTTP is right only where it cannot leave the machine, or where a proxy was named that ends TLS before us.
        (None, None) if loopback && (proxied || named.is_none_or(CloudName::is_loopback)) => TlsMode::Off,
        (None, None) => TlsMode::Own,
    };
    if mode == TlsMode::Off && !loopback && !proxied {
        return Err(said.wrong(
            "tls",
            "off, on an address that is not loopback, would send everything in the clear",
            "name the proxy that ends TLS with --trusted-proxy CIDR, or leave --tls away",
        ));
    }
    Ok(mode)
}

fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?)),
        None => text.parse().ok(),
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::config::Typed;
    use clap::FromArgMatches as _;

    fn resolve(arguments: &[&str]) -> Result<Settings> {
        let command = <Typed as clap::Args>::augment_args(clap::Command::new("serve").no_binary_name(true));
        let typed = Typed::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap();
        Settings::resolve(&Said::gather(&typed, |_| None).unwrap())
    }

    fn url(arguments: &[&str]) -> String {
        resolve(arguments).unwrap().public_url()
    }

    #[test]
    fn loopback_is_plain_and_called_localhost() {
        assert_eq!(url(&[]), "http://localhost:8470");
        assert_eq!(url(&["--tls", "own"]), "https://localhost:8470");
        assert_eq!(url(&["--listen", "127.0.0.1:80"]), "http://localhost");
        assert_eq!(
            url(&["--listen", "[::1]:9000", "--cloud-name", "wiki.localhost:9000"]),
            "http://wiki.localhost:9000"
        );
    }

    #[test]
    fn elsewhere_needs_a_name_and_gets_tls() {
        assert!(resolve(&["--listen", "0.0.0.0:443"]).unwrap_err().fix.contains("--cloud-name"));
        let settings = resolve(&["--listen", "0.0.0.0:443", "--cloud-name", "id.corp.example:443"]).unwrap();
        assert_eq!((settings.tls.clone(), settings.public_url().as_str()), (TlsMode::Own, "https://id.corp.example"));
        assert!(settings.warnings()[0].contains("--tls-cert"));
    }

    #[test]
    fn a_name_of_the_network_is_never_plain_unless_a_proxy_ends_tls() {
        let name = ["--cloud-name", "id.corp.example"];
        assert_eq!(resolve(&name).unwrap().tls, TlsMode::Own);
        let settings = resolve(&[&name[..], &["--trusted-proxy", "127.0.0.1/32"]].concat()).unwrap();
        assert_eq!((settings.tls.clone(), settings.public_url().as_str()), (TlsMode::Off, "https://id.corp.example"));
    }

    #[test]
    fn a25_tls_off_without_a_proxy_is_refused() {
        let arguments = ["--listen", "0.0.0.0:80", "--cloud-name", "id.corp.example", "--tls", "off"];
        let failure = resolve(&arguments).unwrap_err();
        assert_eq!(failure.exit.number(), 2);
        assert!(failure.fix.contains("--trusted-proxy"));
        assert!(resolve(&[&arguments[..], &["--trusted-proxy", "10.0.0.9"]].concat()).is_ok());
        assert!(resolve(&["--tls", "off"]).is_ok());
    }

    #[test]
    fn halves_and_contradictions_are_refused() {
        for arguments in [
            &["--tls-cert", "c"][..],
            &["--tls-key", "k"],
            &["--tls", "own", "--tls-cert", "c", "--tls-key", "k"],
            &["--tls", "yes"],
            &["--listen", "8470"],
            &["--cloud-name", "https://x"],
            &["--trusted-proxy", "proxy"],
            &["--log-format", "xml"],
            &["--database", "mysql://x"],
        ] {
            let failure = resolve(arguments).unwrap_err();
            assert_eq!(failure.exit.number(), 2, "{arguments:?}");
            assert!(failure.detail.contains(arguments[0]), "{}", failure.detail);
        }
    }
}
