//! HTTP as the connector uses it: one request, one bounded answer, no redirects followed by themselves, no cookies.
//!
//! Owns the mapping from a failed connection to `LK-CONN-010…013`, and the rule that plain HTTP goes to loopback names only.
//! Knows nothing of the protocol above it.

mod tls;
mod transport;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use latchkey_wire::Code;
use ureq::http::Request;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use url::{Host, Url};

use crate::problem::{Local, Problem, Result};
use tls::Gate;
pub use tls::{Seen, Trust, spki_sha256};
use transport::TlsConnector;

/// One answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most as long as asked for.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All headers of this name.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What to send.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where to.
    pub url: &'a Url,
    /// Headers beside `Host` and `User-Agent`.
    pub headers: Vec<(&'a str, String)>,
    /// The body of a `POST`.
    pub body: Option<Vec<u8>>,
    /// Longest answer accepted, bytes.
    pub limit: u64,
}

/// A client with one idea of whom to trust.
pub struct Client {
    agent: ureq::Agent,
    gate: Arc<Gate>,
    has_proxy: bool,
}

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Whom to trust.
    pub trust: Trust,
    /// `proxyUrl`; the environment's proxy counts where it is absent.
    pub proxy: Option<String>,
    /// For one request, all in all.
    pub timeout: Duration,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// The proxy's address or a certificate cannot be used.
    pub fn new(settings: &ClientSettings) -> Result<Self> {
        let gate = Arc::new(Gate::new(&settings.trust)?);
        let proxy = match &settings.proxy {
            Some(url) => Some(ureq::Proxy::new(url).map_err(|e| Problem::of(Code::Conn013).because(e))?),
            None => ureq::Proxy::try_from_env(),
        };
        let has_proxy = proxy.is_some();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(crate::AGENT)
            .timeout_global(Some(settings.timeout))
            .max_idle_connections(2)
            .build();
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(TlsConnector::new(gate.clone())?);
        let agent = ureq::Agent::with_parts(config, connector, DefaultResolver::default());
        Ok(Client { agent, gate, has_proxy })
    }

    /// The certificate of the last TLS connection, trusted or not.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        self.gate.seen()
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// `LK-CONN-010` the name does not resolve, `011` TLS, `012` the clock, `013` the proxy; or no answer at all.
    pub fn send(&self, ask: &Ask<'_>) -> Result<Answer> {
        if ask.url.scheme() != "https" && !(ask.url.scheme() == "http" && is_loopback(ask.url)) {
            return Err(Problem::of(Code::Conn011)
                .because(format!("{} is not https, and plain http is for loopback names only", origin(ask.url))));
        }
        let mut builder = Request::builder().method(ask.method).uri(ask.url.as_str());
        for (name, value) in &ask.headers {
            builder = builder.header(*name, value);
        }
        let unusable = |e: ureq::http::Error| {
            Problem::local(Local::Usage, format!("{} cannot be asked for: {e}", origin(ask.url)), "check the address")
        };
        let answer = match &ask.body {
            Some(body) => {
                let request = builder.body(body.as_slice()).map_err(unusable)?;
                let request = self.agent.configure_request(request);
                let request = if is_loopback(ask.url) { request.proxy(None) } else { request };
                self.agent.run(request.build())
            }
            None => {
                let request = builder.body(()).map_err(unusable)?;
                let request = self.agent.configure_request(request);
                let request = if is_loopback(ask.url) { request.proxy(None) } else { request };
                self.agent.run(request.build())
            }
        };
        let answer = answer.map_err(|e| self.explain(ask.url, &e))?;
        let (parts, body) = answer.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let mut bytes = Vec::new();
        body.into_reader()
            .take(ask.limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| unreachable(ask.url, &e.to_string()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > ask.limit {
            return Err(Problem::local(
                Local::BadAnswer,
                format!("the answer of {} is longer than {} bytes", origin(ask.url), ask.limit),
                "check that the address is right",
            ));
        }
        Ok(Answer { status: parts.status.as_u16(), headers, body: bytes })
    }

    fn explain(&self, url: &Url, error: &ureq::Error) -> Problem {
        if matches!(error, ureq::Error::HostNotFound) {
            return Problem::of(Code::Conn010).because(origin(url));
        }
        if matches!(error, ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl) {
            return Problem::of(Code::Conn013).because(error);
        }
        let text = error.to_string();
        if text.contains("failed to lookup address") || text.contains("Name or service not known") {
            return Problem::of(Code::Conn010).because(origin(url));
        }
        if let Some(refusal) = self.gate.refusal() {
            let code = if refusal.clock { Code::Conn012 } else { Code::Conn011 };
            return Problem::of(code).because(format!("{}: {}", origin(url), refusal.text));
        }
        if matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_)) || is_tls(error) {
            return Problem::of(Code::Conn011).because(format!("{}: {text}", origin(url)));
        }
        if self.has_proxy && !is_loopback(url) {
            return Problem::of(Code::Conn013).because(format!("{}: {text}", origin(url)));
        }
        unreachable(url, &text)
    }
}

fn is_tls(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(e) if e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some())
}

fn unreachable(url: &Url, reason: &str) -> Problem {
    Problem::local(
        Local::NoAnswer,
        format!("{} does not answer: {reason}", origin(url)),
        "check that the server runs and that the address and the network are right",
    )
}

/// `scheme://host:port`, all that may be shown of an address that could carry secrets.
#[must_use]
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether an address is on this machine: `localhost`, `*.localhost`, 127.0.0.0/8, `::1`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
