//! REST as the command line speaks it: over the operator's Unix socket, or over HTTPS as an API client.
//!
//! Owns the connection, the time limits and what a failed connection is called. One connection is kept and used again. Knows
//! the form of a problem document (api.md), and no resource.

mod address;
mod credentials;
mod tls;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use url::Url;

use crate::code::Own;
use crate::exit::{Exit, Failure, Result};
use address::authority;
pub(crate) use address::{ONLY, base, segment};
pub(crate) use credentials::Credentials;

/// Largest answer that is read as a whole, bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// For name, connection and TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// From the request to the end of an ordinary answer. A domain's name servers may take a while to be asked.
const ANSWER: Duration = Duration::from_secs(90);
/// So often an access token is asked for again while the server is busy.
const TOKEN_TRIES: u32 = 2;

/// Where the server is.
#[derive(Debug)]
pub(crate) enum Target {
    /// `DIR/latchkey.sock`: the operator.
    Socket(PathBuf),
    /// `--server`: an API client.
    Server {
        /// Scheme, host and port.
        base: Url,
        /// `--ca-file`, read.
        ca_pem: Option<Vec<u8>>,
    },
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    if_match: Option<String>,
    content_type: &'static str,
    body: Option<Bytes>,
    bearer: Option<String>,
}

impl Ask {
    fn new(method: &'static str, target: String) -> Self {
        Ask { method, target, if_match: None, content_type: "application/json", body: None, bearer: None }
    }

    /// `GET`.
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Ask::new("GET", target.into())
    }

    /// `DELETE`.
    pub(crate) fn delete(target: impl Into<String>) -> Self {
        Ask::new("DELETE", target.into())
    }

    /// `POST` of a document.
    pub(crate) fn post(target: impl Into<String>, body: &Value) -> Self {
        Ask::new("POST", target.into()).with(body)
    }

    /// `PUT` of a document.
    pub(crate) fn put(target: impl Into<String>, body: &Value) -> Self {
        Ask::new("PUT", target.into()).with(body)
    }

    /// `PATCH` with a merge patch.
    pub(crate) fn patch(target: impl Into<String>, body: &Value) -> Self {
        let mut ask = Ask::new("PATCH", target.into()).with(body);
        ask.content_type = "application/merge-patch+json";
        ask
    }

    /// `POST` of something that is not JSON.
    pub(crate) fn post_bytes(target: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Self {
        let mut ask = Ask::new("POST", target.into());
        ask.content_type = content_type;
        ask.body = Some(Bytes::from(body));
        ask
    }

    /// Only if the resource still has this `ETag`.
    pub(crate) fn if_match(mut self, etag: Option<String>) -> Self {
        self.if_match = etag;
        self
    }

    fn with(mut self, body: &Value) -> Self {
        self.body = Some(Bytes::from(body.to_string()));
        self
    }
}

/// A successful answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// `ETag`.
    pub(crate) etag: Option<String>,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` when there is none.
    ///
    /// # Errors
    /// It is not JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| unusable("it is not JSON"))
    }
}

/// A client with one idea of where the server is and who asks.
pub(crate) struct Client {
    target: Target,
    credentials: Option<Credentials>,
    runtime: tokio::runtime::Runtime,
    connection: RefCell<Option<SendRequest<Full<Bytes>>>>,
    bearer: RefCell<Option<String>>,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// The operating system gives no event loop.
    pub(crate) fn new(target: Target, credentials: Option<Credentials>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::io("starting an event loop", &e))?;
        Ok(Client { target, credentials, runtime, connection: RefCell::new(None), bearer: RefCell::new(None) })
    }

    /// Whether this is the operator.
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.target, Target::Socket(_))
    }

    /// Sends a request of the organization `org` and reads the whole answer.
    ///
    /// # Errors
    /// No connection (exit 6), or what the server's problem document says.
    pub(crate) fn send(&self, org: Option<&str>, ask: Ask) -> Result<Answer> {
        let mut body = Vec::new();
        let etag = self.stream(org, ask, Some(ANSWER), &mut |chunk| {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(unusable("it is longer than 64 MiB"));
            }
            body.extend_from_slice(chunk);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Answer { etag, body: Bytes::from(body) })
    }

    /// Sends a request and hands every piece of the answer to `each` as it comes, until that says to stop. Without a `limit`
    /// the answer may take for ever.
    ///
    /// # Errors
    /// As [`Client::send`], and what `each` returns.
    pub(crate) fn stream(
        &self,
        org: Option<&str>,
        mut ask: Ask,
        limit: Option<Duration>,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<Option<String>> {
        ask.bearer = self.bearer(org)?;
        self.runtime.block_on(async {
            let work = self.exchange(&ask, each);
            match limit {
                Some(limit) => tokio::time::timeout(limit, work)
                    .await
                    .unwrap_or_else(|_| Err(self.unreachable(format!("no answer within {} seconds", limit.as_secs())))),
                None => work.await,
            }
        })
    }

    /// Forgets the access token, so that the next request asks for one. False for the operator, who needs none.
    pub(crate) fn renews_access(&self) -> bool {
        self.bearer.borrow_mut().take().is_some()
    }

    /// A bearer token for this organization; the operator needs none.
    fn bearer(&self, org: Option<&str>) -> Result<Option<String>> {
        let (Target::Server { base, .. }, Some(credentials)) = (&self.target, &self.credentials) else {
            return Ok(None);
        };
        if let Some(token) = self.bearer.borrow().as_ref() {
            return Ok(Some(token.clone()));
        }
        let Some(org) = org else {
            return Err(Failure::of(Own::Auth004));
        };
        let path = format!("/o/{}/oauth2/token", segment(org)?);
        let endpoint = base
            .join(&path)
            .map_err(|e| Failure::usage(format!("--server: {e}"), "write --server https://id.corp.example"))?;
        let (form, basic) = credentials.token_request(endpoint.as_str(), jiff::Timestamp::now())?;
        let mut ask = Ask::post_bytes(path, "application/x-www-form-urlencoded", form.into_bytes());
        ask.bearer = basic;
        let mut tries = 0;
        let body = loop {
            match self.exchange_whole(&ask) {
                // A busy server gives no token late rather than an old answer; asking again changes nothing else.
                Err(failure) if failure.exit == Exit::LATER && tries < TOKEN_TRIES => {
                    tries += 1;
                    std::thread::sleep(Duration::from_secs(failure.retry_after.unwrap_or(1).min(2)));
                }
                Err(failure) if org == ONLY => return Err(maybe_several(failure)),
                done => break done?,
            }
        };
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = answer["access_token"].as_str().ok_or_else(|| unusable("it has no access token"))?;
        let header = format!("Bearer {token}");
        *self.bearer.borrow_mut() = Some(header.clone());
        Ok(Some(header))
    }

    /// Sends a request and reads a short answer.
    fn exchange_whole(&self, ask: &Ask) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        self.runtime.block_on(async {
            let mut keep = |chunk: &[u8]| {
                body.extend_from_slice(chunk);
                Ok(if body.len() > 65_536 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            };
            tokio::time::timeout(ANSWER, self.exchange(ask, &mut keep))
                .await
                .unwrap_or_else(|_| Err(self.unreachable("no answer")))
        })?;
        Ok(body)
    }

    async fn exchange(
        &self,
        ask: &Ask,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<Option<String>> {
        let request = self.request(ask)?;
        // A kept connection may have been closed by the server; then nothing of the request has been read.
        let mut kept = self.connection.borrow_mut().take();
        if let Some(sender) = &mut kept
            && sender.ready().await.is_err()
        {
            kept = None;
        }
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await.map_err(|e| self.unreachable(reason(&e)))?;
        let (parts, mut body) = answer.into_parts();
        if !parts.status.is_success() {
            let bytes = self.problem_body(&mut body).await;
            return Err(refusal(parts.status.as_u16(), &bytes, retry_after(&parts.headers)));
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.unreachable(reason(&e)))?;
            if let Some(chunk) = frame.data_ref()
                && each(chunk)?.is_break()
            {
                return Ok(None);
            }
        }
        *self.connection.borrow_mut() = Some(sender);
        Ok(parts.headers.get("etag").and_then(|v| v.to_str().ok()).map(str::to_owned))
    }

    async fn problem_body(&self, body: &mut Incoming) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |chunk| chunk));
            if bytes.len() > 1024 * 1024 {
                break;
            }
        }
        bytes
    }

    fn request(&self, ask: &Ask) -> Result<http::Request<Full<Bytes>>> {
        let host = match &self.target {
            Target::Socket(_) => "localhost".to_owned(),
            Target::Server { base, .. } => authority(base),
        };
        let mut builder = http::Request::builder()
            .method(ask.method)
            .uri(&ask.target)
            .header("host", host)
            .header("accept", "application/json, application/problem+json, */*;q=0.5")
            .header("user-agent", concat!("latchkey/", env!("CARGO_PKG_VERSION")));
        if let Some(etag) = &ask.if_match {
            builder = builder.header("if-match", etag);
        }
        if let Some(bearer) = &ask.bearer {
            builder = builder.header("authorization", bearer);
        }
        if ask.body.is_some() {
            builder = builder.header("content-type", ask.content_type);
        }
        builder.body(Full::new(ask.body.clone().unwrap_or_default())).map_err(|e| {
            Failure::usage(format!("the request cannot be made: {e}"), "check names and ids for odd characters")
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let connecting = async {
            match &self.target {
                Target::Socket(path) => {
                    let stream = UnixStream::connect(path).await.map_err(|e| no_socket(path, &e))?;
                    self.speak(stream).await
                }
                Target::Server { base, ca_pem } => {
                    let host = base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
                    let port = base.port_or_known_default().unwrap_or(443);
                    let stream = TcpStream::connect((host, port)).await.map_err(|e| self.unreachable(e))?;
                    if base.scheme() == "http" {
                        return self.speak(stream).await;
                    }
                    let stream = tls::connect(stream, host, ca_pem.as_deref()).await?;
                    self.speak(stream).await
                }
            }
        };
        tokio::time::timeout(CONNECT, connecting)
            .await
            .unwrap_or_else(|_| Err(self.unreachable("no connection within 10 seconds")))
    }

    async fn speak<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| self.unreachable(reason(&e)))?;
        // Its error reaches us through the request that waits on it.
        drop(tokio::spawn(connection));
        Ok(sender)
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Failure {
        match &self.target {
            Target::Socket(path) => Failure::new(
                Own::Cli002,
                format!("the server at {} does not answer: {why}", path.display()),
                "look at the log of `latchkey serve`",
            ),
            Target::Server { base, .. } => Failure::new(
                Own::Cli002,
                format!("{} does not answer: {why}", base.origin().ascii_serialization()),
                "check --server, the network, and that the server runs",
            ),
        }
    }
}

fn retry_after(headers: &http::HeaderMap) -> Option<u64> {
    headers.get("retry-after")?.to_str().ok()?.parse().ok()
}

fn no_socket(path: &std::path::Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => Failure::new(
            Own::Cli002,
            format!("no server runs here: there is no {shown}"),
            "start it with `latchkey serve`, or say where its data is: --data DIR (or LATCHKEY_DATA)",
        ),
        ErrorKind::ConnectionRefused => Failure::new(
            Own::Cli002,
            format!("no server answers at {shown}; the last one ended without cleaning up"),
            "start it again with `latchkey serve`",
        ),
        ErrorKind::PermissionDenied => Failure::new(
            Own::Auth004,
            format!("{shown} is for root and the server's own user"),
            "run this as that user (sudo), or give --server and the credentials of an API client",
        ),
        _ => Failure::new(Own::Cli002, format!("{shown}: {error}"), Own::Cli002.fix()),
    }
}

/// The failure that an answer without success tells of.
fn refusal(status: u16, body: &[u8], retry_after: Option<u64>) -> Failure {
    let document = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let mut failure = Failure::of_document(status, &document).unwrap_or_else(|| {
        // RFC 6749 5.2: the token endpoint may answer in a form of its own.
        match document["error"].as_str() {
            Some(error) => {
                let more = document["error_description"].as_str().unwrap_or(error);
                Failure::new(
                    Own::Auth003,
                    format!("the client's credentials are not accepted: {more}"),
                    Own::Auth003.fix(),
                )
            }
            None => Failure::new(
                Own::Cli005,
                format!("the server answered {status} and nothing that can be read"),
                "check that --server is a Latchkey server and that no proxy answers in its place",
            ),
        }
        .exit_with(Exit::of_status(status))
    });
    failure.retry_after = failure.retry_after.or(retry_after);
    failure
}

/// To whoever is not known, a cloud with several organizations says no more than that the credentials are not accepted.
fn maybe_several(failure: Failure) -> Failure {
    if failure.exit != Exit::REFUSED {
        return failure;
    }
    let detail = "the client's credentials are not accepted, or there are several organizations and --org is missing";
    Failure {
        detail: detail.to_owned(),
        fix: format!("give --org SLUG or set LATCHKEY_ORG; {}", failure.fix),
        ..failure
    }
}

fn unusable(why: &str) -> Failure {
    Failure::new(Own::Cli005, format!("the server's answer cannot be used: {why}"), Own::Cli005.fix())
}

/// The innermost reason; hyper's own words are about its insides.
fn reason(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
