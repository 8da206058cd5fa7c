//! Fetching what somebody named by its address: metadata, later keys, logos, webhooks (saml.md, rule 7; security.md, A31).
//!
//! Owns the guard: which addresses of the network are connected to, how long, how much, and that nothing of the answer is shown that is
//! not the document asked for. Must not know what is fetched.
//!
//! A name is resolved once for each connection, every address it has is judged, and the connection goes to one of those very addresses;
//! nothing asks the name again in between. Proxy settings of the environment are not obeyed: behind a proxy the address would be judged
//! by us and chosen by somebody else.

mod error;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

pub use error::{BadAnswer, FetchError};

use super::address::{Place, place};

/// So many redirects are followed, on the same host only.
const MAX_REDIRECTS: usize = 3;

/// The longest address.
const MAX_URL: usize = 2048;

/// So many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;

/// How long one address is waited for, so that a dead one leaves time for the next.
const CONNECT: Duration = Duration::from_secs(3);

/// The longest head of an answer.
const MAX_HEAD: usize = 32 * 1024;

/// On whose word something is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// An administrator of one organization: the public internet, and what the operator's list allows.
    Public,
    /// The operator over the server's own socket: private networks and this machine too.
    Operator {
        /// Plain HTTP as well, to this machine only.
        allow_http: bool,
    },
}

/// The document, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes; never more than the limit. Not to be shown to anybody before it was understood.
    pub body: Vec<u8>,
    /// Where it was in the end.
    pub url: Url,
}

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All of them.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system's programs do, `/etc/hosts` included.
pub struct SystemResolve;

#[async_trait]
impl Resolve for SystemResolve {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
    }
}

/// What a fetcher goes by.
#[derive(Default)]
pub struct FetchSettings {
    /// Private networks that every organization may fetch from: the operator's configuration. Link-local ones are not opened by it.
    pub allow: Vec<IpNet>,
    /// CAs to trust beside the system's, in DER.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

/// Fetches.
pub struct Fetcher {
    resolve: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    allow: Vec<IpNet>,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    /// Over all: names, connections, redirects, body.
    total: Duration,
    /// Bytes of the body.
    body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: Duration::from_secs(10), body: 1024 * 1024 }
    }
}

impl Fetcher {
    /// With the system's CAs and resolver. Reads the CAs from disk; make one and keep it.
    ///
    /// # Errors
    /// What rustls says of an extra CA that it cannot use.
    pub fn new(settings: FetchSettings) -> Result<Self, rustls::Error> {
        Self::with_resolver(settings, Arc::new(SystemResolve))
    }

    /// As [`Fetcher::new`], with a resolver of the caller's.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn with_resolver(settings: FetchSettings, resolve: Arc<dyn Resolve>) -> Result<Self, rustls::Error> {
        let FetchSettings { allow, extra_roots } = settings;
        let mut roots = RootCertStore::empty();
        // A machine without CAs, or with a broken one among them, still fetches from where an extra one is trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for root in extra_roots {
            roots.add(root)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { resolve, tls: Arc::new(tls), allow, limits: Limits::default() })
    }

    /// Fetches the document at this address. `accept` is the media type wanted; what is answered may be another.
    ///
    /// # Errors
    /// [`FetchError`]; its text names nothing that was found on the way.
    pub async fn fetch(&self, url: &str, reach: Reach, accept: &'static str) -> Result<Fetched, FetchError> {
        let url = checked(url, reach)?;
        timeout(self.limits.total, self.follow(url, reach, accept)).await.unwrap_or(Err(FetchError::Timeout))
    }

    async fn follow(&self, mut url: Url, reach: Reach, accept: &'static str) -> Result<Fetched, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let mut exchange = self.ask(&url, reach, accept).await?;
            let status = exchange.response.status();
            if status == StatusCode::OK {
                return Ok(Fetched { body: self.body(&mut exchange.response).await?, url });
            }
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Err(BadAnswer::Status(status.as_u16()).into());
            }
            url = redirected(&url, exchange.response.headers().get(LOCATION), reach)?;
        }
        Err(BadAnswer::Redirects.into())
    }

    /// The addresses of the host, all of them judged.
    async fn addresses(&self, url: &Url, reach: Reach) -> Result<Vec<SocketAddr>, FetchError> {
        let found = match url.host().ok_or(FetchError::Url("it has no host"))? {
            Host::Ipv4(v4) => vec![v4.into()],
            Host::Ipv6(v6) => vec![v6.into()],
            Host::Domain(name) => self.resolve.addresses(name).await.map_err(|_| FetchError::Name)?,
        };
        if found.is_empty() {
            return Err(FetchError::Name);
        }
        // One bad address is enough: a name of both kinds is a mistake or a trick, and which is used must not be left to chance.
        if !found.iter().all(|address| self.allowed(*address, url, reach)) {
            return Err(FetchError::Forbidden);
        }
        let port = url.port_or_known_default().ok_or(FetchError::Url("it has no port"))?;
        Ok(found.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, port)).collect())
    }

    fn allowed(&self, address: IpAddr, url: &Url, reach: Reach) -> bool {
        let address = address.to_canonical();
        if url.scheme() == "http" && !address.is_loopback() {
            return false;
        }
        match place(address) {
            Place::Public => true,
            Place::Private => {
                matches!(reach, Reach::Operator { .. }) || self.allow.iter().any(|network| network.contains(&address))
            }
            Place::Never => false,
        }
    }

    async fn ask(&self, url: &Url, reach: Reach, accept: &'static str) -> Result<Exchange, FetchError> {
        let stream = connect(self.addresses(url, reach).await?).await?;
        if url.scheme() == "http" {
            return exchange(stream, url, accept).await;
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
            Some(Host::Ipv4(v4)) => Some(ServerName::from(IpAddr::from(v4))),
            Some(Host::Ipv6(v6)) => Some(ServerName::from(IpAddr::from(v6))),
            None => None,
        };
        let name = name.ok_or(FetchError::Url("its host is not a name that TLS can check"))?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await.map_err(FetchError::tls)?;
        exchange(stream, url, accept).await
    }

    async fn body(&self, response: &mut Response<Incoming>) -> Result<Vec<u8>, FetchError> {
        // We asked for none, and do not unpack what might unfold.
        let encoded = response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
        if encoded {
            return Err(BadAnswer::Encoding.into());
        }
        let too_large = || FetchError::TooLarge { limit: self.limits.body };
        let body = response.body_mut();
        if body.size_hint().lower() > self.limits.body as u64 {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BadAnswer::NotHttp)?;
            let Some(data) = frame.data_ref() else { continue };
            if bytes.len() + data.len() > self.limits.body {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
        }
        Ok(bytes)
    }
}

/// A request that was answered, and the task that drives its connection: dropped together.
struct Exchange {
    response: Response<Incoming>,
    _connection: JoinSet<()>,
}

async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, FetchError> {
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(FetchError::Unreachable)
}

async fn exchange<S>(stream: S, url: &Url, accept: &'static str) -> Result<Exchange, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_header_size(MAX_HEAD);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|_| FetchError::from(BadAnswer::NotHttp))?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // What goes wrong here the request sees too.
        let _ = connection.await;
    });
    let request = request(url, accept)?;
    let response = sender.send_request(request).await.map_err(|_| FetchError::from(BadAnswer::NotHttp))?;
    Ok(Exchange { response, _connection: tasks })
}

fn request(url: &Url, accept: &'static str) -> Result<Request<Empty<Bytes>>, FetchError> {
    let unusable = |_| FetchError::Url("it cannot stand in a request");
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    Request::get(path)
        .header(HOST, HeaderValue::from_str(host).map_err(|_| FetchError::Url("its host cannot stand in a request"))?)
        .header(USER_AGENT, concat!("latchkey/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(unusable)
}

/// Reads an address that somebody typed in.
fn checked(text: &str, reach: Reach) -> Result<Url, FetchError> {
    if text.len() > MAX_URL {
        return Err(FetchError::Url("it is too long"));
    }
    let mut url = Url::parse(text).map_err(|_| FetchError::Url("it is none"))?;
    let http = matches!(reach, Reach::Operator { allow_http: true });
    match url.scheme() {
        "https" => {}
        "http" if http => {}
        "http" => return Err(FetchError::Url("it is http and not https")),
        _ => return Err(FetchError::Url("it is not https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Url("it names a user or a password"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Where a redirect leads, if it may: the same host and port, or the same host from http to https.
fn redirected(from: &Url, location: Option<&HeaderValue>, reach: Reach) -> Result<Url, FetchError> {
    let location = location.and_then(|location| location.to_str().ok()).ok_or(BadAnswer::NotHttp)?;
    let to = from.join(location).map_err(|_| BadAnswer::NotHttp)?;
    let to = checked(to.as_str(), reach).map_err(|_| BadAnswer::RedirectElsewhere)?;
    let same = to.host() == from.host()
        && match (from.scheme(), to.scheme()) {
            ("http", "https") => true,
            (before, after) => before == after && to.port_or_known_default() == from.port_or_known_default(),
        };
    if same { Ok(to) } else { Err(BadAnswer::RedirectElsewhere.into()) }
}

#[cfg(test)]
mod tests;
