//! Listeners: TCP for the public, a Unix socket for the operator.
//!
//! Owns binding, accepting, the limits of a connection, and the proof that a request came from the operator. Must not know
//! routes.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use http::Request;
use http::request::Parts;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::host::PeerAddr;
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::net::limits::Source;
use crate::problem::Problem;

/// A connection that has sent no whole request after so long is closed; so is one that is idle between two requests.
const FIRST_REQUEST: Duration = Duration::from_secs(20);
/// TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A connection without an open request is closed after so long, and whoever is at its other end asks on a new one. HTTP/2 would stay for as
/// long as its pings are answered.
const IDLE: Duration = Duration::from_secs(30);
/// Idle time and time to send a head, HTTP/1.
const HEADER: Duration = Duration::from_secs(30);
/// Most of a head, HTTP/1 and HTTP/2: bytes.
const HEAD_BYTES: usize = 32 * 1024;
/// Most header fields.
const HEADERS: usize = 100;
/// Most requests at once on an HTTP/2 connection.
const STREAMS: u32 = 128;
/// Most public connections, if the operating system gives that many files.
const CONNECTIONS: u64 = 16_384;
/// Files kept for the store, the log and the operator.
const SPARE_FILES: u64 = 128;
/// Most connections of the operator: one of its scripts must not take the files of the public.
const OPERATOR_CONNECTIONS: usize = 64;

/// Who asks over the operator's socket: root or the server's own user. The kernel said so; only this module can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    uid: u32,
    /// Nobody else builds it.
    proof: Proof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Proof;

impl Operator {
    /// The user id, for the audit.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// An operator in a test of handlers, where there is no socket.
    #[cfg(test)]
    pub(crate) const fn for_tests(uid: u32) -> Self {
        Self { uid, proof: Proof }
    }

    fn of(stream: &UnixStream) -> Option<Self> {
        let uid = stream.peer_cred().ok()?.uid();
        let own = rustix::process::geteuid().as_raw();
        (uid == 0 || uid == own).then_some(Self { uid, proof: Proof })
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Problem> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| Problem::of(Own::Auth004))
    }
}

/// Binds the public listener.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address).map_err(|error| not_bound(address, &error))?;
    listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener))
        .map_err(|error| Failure::io(address, &error))
}

fn not_bound(address: SocketAddr, error: &std::io::Error) -> Failure {
    let (detail, fix) = match error.kind() {
        ErrorKind::AddrInUse => (
            format!("port {} of {} is taken by another program", address.port(), address.ip()),
            "stop that program, or use another port with --listen".to_owned(),
        ),
        ErrorKind::PermissionDenied => {
            let program =
                std::env::current_exe().map_or_else(|_| "latchkey".to_owned(), |path| path.display().to_string());
            (
                format!("this user may not listen on port {}", address.port()),
                format!("setcap cap_net_bind_service=+ep {program}, or use a port above 1023 with --listen"),
            )
        }
        ErrorKind::AddrNotAvailable => (
            format!("{} is no address of this machine", address.ip()),
            "use one of `ip address`, or 0.0.0.0 for all, with --listen".to_owned(),
        ),
        _ => (format!("cannot listen on {address}: {error}"), Own::Serve005.fix().to_owned()),
    };
    Failure::new(Own::Serve005, detail, fix)
}

/// Binds the operator's socket. The directory's lock is held, so a socket that is there is a dead one.
pub fn bind_operator(path: &Path) -> Result<UnixListener> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path.display(), &error)),
    }
    let listener = UnixListener::bind(path).map_err(|error| {
        if path.as_os_str().len() > 107 {
            let detail = format!("the path of the socket is too long: {}", path.display());
            Failure::new(Own::Serve002, detail, "name a data directory with a shorter path with --data")
        } else {
            Failure::io(path.display(), &error)
        }
    })?;
    // Nobody else could reach it before either: the directory is 0700.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| Failure::io(path.display(), &error))?;
    Ok(listener)
}

/// How many public connections there may be at once. Raises the limit of open files as far as this user may.
pub fn connection_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // A lower limit is a smaller server, not a broken one.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(SPARE_FILES).clamp(64, CONNECTIONS)).unwrap_or(64)
}

/// How many public connections there may be at once, and how many of them one source may hold: three of four, so that nobody holds the last
/// one, and twenty thousand machines behind one address still find room. Proxies that are listed bring everybody, and have no share.
#[derive(Clone)]
pub struct Shares {
    places: usize,
    most: usize,
    proxies: Arc<[IpNet]>,
    held: Held,
}

/// How many places each source holds.
type Held = Arc<Mutex<HashMap<Source, usize>>>;

impl Shares {
    /// Of this many places, with these proxies.
    #[must_use]
    pub fn of(places: usize, proxies: &[IpNet]) -> Self {
        Self { places, most: (places * 3 / 4).max(1), proxies: proxies.into(), held: Arc::default() }
    }

    /// Another place for this peer, if its share allows; given back when dropped.
    fn take(&self, peer: IpAddr) -> Option<Share> {
        if self.proxies.iter().any(|proxies| proxies.contains(&peer.to_canonical())) {
            return Some(Share(None));
        }
        let source = Source::of(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(source).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share(Some((Arc::clone(&self.held), source))))
    }
}

/// A place that a source holds.
struct Share(Option<(Held, Source)>);

impl Drop for Share {
    fn drop(&mut self) {
        let Some((held, source)) = &self.0 else { return };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(source) {
            *count -= 1;
            if *count == 0 {
                held.remove(source);
            }
        }
    }
}

/// All connections of the process, until the last is done.
#[derive(Debug, Default)]
pub struct Connections(Arc<GracefulShutdown>);

impl Connections {
    /// Serves the public until `stopping`.
    pub fn serve_public(
        &self,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        router: Router,
        shares: Shares,
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = tls.map(TlsAcceptor::from);
        let places = Arc::new(Semaphore::new(shares.places));
        let watchers = self.0.clone();
        async move {
            accept(
                stopping,
                places,
                || async { listener.accept().await },
                |(stream, peer), place| {
                    let Some(share) = shares.take(peer.ip()) else {
                        tracing::debug!(%peer, "closed a connection: its source holds its share of them");
                        return;
                    };
                    // Small answers go out at once; a socket that cannot is still a socket.
                    let _ = stream.set_nodelay(true);
                    let (router, acceptor, watcher) = (router.clone(), acceptor.clone(), watchers.watcher());
                    tokio::spawn(async move {
                        public(stream, peer, acceptor, router, watcher).await;
                        drop((share, place));
                    });
                },
            )
            .await;
        }
    }

    /// Serves the operator until `stopping`.
    pub fn serve_operator(
        &self,
        listener: UnixListener,
        router: Router,
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let places = Arc::new(Semaphore::new(OPERATOR_CONNECTIONS));
        let watchers = self.0.clone();
        async move {
            accept(
                stopping,
                places,
                || async { listener.accept().await },
                |(stream, _), place| {
                    let (router, watcher) = (router.clone(), watchers.watcher());
                    tokio::spawn(async move {
                        match Operator::of(&stream) {
                            Some(operator) => connection(stream, router, watcher, operator).await,
                            None => connection(stream, not_for_strangers(), watcher, ()).await,
                        }
                        drop(place);
                    });
                },
            )
            .await;
        }
    }

    /// No new requests on any connection; comes back when the last answer is out, or after `patience`. Says how many
    /// connections had to be cut.
    pub async fn finish(self, patience: Duration) -> usize {
        let open = self.0.count();
        // The listeners have ended and given their share back.
        let Some(all) = Arc::into_inner(self.0) else { return open };
        match tokio::time::timeout(patience, all.shutdown()).await {
            Ok(()) => 0,
            Err(_) => open,
        }
    }
}

/// Takes connections while there are places for them.
async fn accept<C, F: Future<Output = std::io::Result<C>>>(
    mut stopping: watch::Receiver<bool>,
    places: Arc<Semaphore>,
    next: impl Fn() -> F,
    serve: impl Fn(C, tokio::sync::OwnedSemaphorePermit),
) {
    loop {
        let taken = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok()?;
            Some((next().await, place))
        };
        let stopped = async {
            // The guard must not live on into the accepting branch.
            let _ = stopping.wait_for(|stopping| *stopping).await.is_ok();
        };
        tokio::select! {
            biased;
            () = stopped => return,
            taken = taken => match taken {
                Some((Ok(connection), place)) => serve(connection, place),
                Some((Err(error), _)) => {
                    // A connection that died in the queue is nobody's business; no files left is everybody's, and waiting helps.
                    if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                None => return,
            },
        }
    }
}

async fn public(stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    let Some(acceptor) = acceptor else {
        return connection(stream, router, watcher, PeerAddr(peer)).await;
    };
    let handshake = async {
        let mut first = [0u8; 1];
        // Every TLS connection begins with a handshake record, 22. A browser that was sent here by http:// is told so.
        if stream.peek(&mut first).await? == 1 && first[0] != 22 {
            return speak_plainly(stream).await.map(|()| None);
        }
        acceptor.accept(stream).await.map(Some)
    };
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(Some(stream))) => connection(stream, router, watcher, PeerAddr(peer)).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn speak_plainly(mut stream: TcpStream) -> std::io::Result<()> {
    let body = "This port speaks HTTPS. Use https:// and the cloud's name.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Tells whoever is neither root nor the server's own user that this socket is not for them.
fn not_for_strangers() -> Router {
    Router::new().fallback(|| async { Problem::of(Own::Auth004).reason("a stranger at the operator's socket") })
}

/// Serves one connection to its end. `who` goes along with each request.
async fn connection<I, W>(stream: I, router: Router, watcher: Watcher, who: W)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    W: Clone + Send + Sync + 'static,
{
    let (open, opened) = watch::channel(0);
    let open = Arc::new(open);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let busy = Busy::new(&open);
        request.extensions_mut().insert(who.clone());
        let answer = router.clone().oneshot(request.map(axum::body::Body::new));
        async move {
            // The request is open until the last of its answer was handed on.
            answer.await.map(|answer| answer.map(|body| Answer { body, _busy: busy }))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(HEADER)
        .keep_alive_timeout(HEADER);
    let serving = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::debug!(%error, "connection ended");
        },
        () = silence(opened, FIRST_REQUEST, IDLE) => tracing::debug!("closed a connection that asked for nothing"),
    }
}

/// A request that is open on a connection.
struct Busy(Arc<watch::Sender<usize>>);

impl Busy {
    fn new(open: &Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(Arc::clone(open))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// The body of an answer; its request is open as long as it is.
struct Answer {
    body: axum::body::Body,
    _busy: Busy,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Comes back when the connection has had no request for too long. Telling HTTP/1 from HTTP/2, the latter's preface, and its connection while
/// nothing is asked have no time limit of their own.
async fn silence(mut open: watch::Receiver<usize>, first: Duration, idle: Duration) {
    if tokio::time::timeout(first, open.changed()).await.is_err() {
        return;
    }
    while open.wait_for(|open| *open == 0).await.is_ok() {
        // Whatever happens meanwhile begins the time anew, also what is over again.
        match tokio::time::timeout(idle, open.changed()).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::AsyncReadExt as _;
    use tokio::sync::Notify;

    fn shares() -> Shares {
        Shares::of(64, &[])
    }

    #[tokio::test]
    async fn a26_no_source_holds_every_connection() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopping) = watch::channel(false);
        let connections = Connections::default();
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(connections.serve_public(listener, None, router, Shares::of(8, &[]), stopping));
        // All from one address; the ones beyond its share are closed, and another address still gets its answer.
        let from = |host: &str| {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(format!("{host}:0").parse().unwrap()).unwrap();
            async move { socket.connect(address).await.unwrap() }
        };
        let mut kept = Vec::new();
        for n in 0..20 {
            let mut stream = from("127.0.0.2").await;
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let mut answer = [0; 256];
            let answered = stream.read(&mut answer).await.unwrap_or(0) > 0;
            assert_eq!(answered, n < 6, "{n}");
            kept.push(stream);
        }
        let mut other = from("127.0.0.3").await;
        other.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        other.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        // What is given back can be had again.
        kept.clear();
        let again = async {
            loop {
                let mut stream = from("127.0.0.2").await;
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
                if stream.read(&mut [0; 256]).await.unwrap_or(0) > 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
    }

    #[test]
    fn a_listed_proxy_brings_everybody_and_has_no_share() {
        let shares = Shares::of(4, &["10.0.0.0/8".parse().unwrap()]);
        let take = |ip: &str| shares.take(ip.parse().unwrap());
        let proxied: Vec<_> = (0..100).map(|_| take("::ffff:10.0.0.1").unwrap()).collect();
        let others: Vec<_> = (0..4).filter_map(|_| take("192.0.2.1")).collect();
        assert_eq!((proxied.len(), others.len()), (100, 3));
        drop((proxied, others));
        assert!(shares.held.lock().unwrap().is_empty(), "nothing is kept of who is gone");
    }

    #[tokio::test]
    async fn a26_a_connection_that_asks_nothing_is_closed_however_often_it_answers_pings() {
        /// When it is closed, in tenths of a second, if requests begin and end so, and the first may take one second, the next two.
        async fn ends(plan: &[(u64, bool)]) -> Option<u128> {
            let (open, opened) = watch::channel(0);
            let open = Arc::new(open);
            let started = tokio::time::Instant::now();
            let silence = tokio::spawn(silence(opened, Duration::from_secs(1), Duration::from_secs(2)));
            let mut busy = Vec::new();
            for (tenths, begins) in plan {
                tokio::time::sleep_until(started + Duration::from_millis(tenths * 100)).await;
                if *begins { busy.push(Busy::new(&open)) } else { drop(busy.pop()) }
            }
            let ended = tokio::time::timeout_at(started + Duration::from_secs(10), silence).await;
            ended.ok().map(|_| started.elapsed().as_millis() / 100)
        }
        let (none, one, another, open, two) = tokio::join!(
            ends(&[]),
            ends(&[(1, true), (2, false)]),
            ends(&[(1, true), (2, false), (12, true), (12, false)]),
            ends(&[(1, true)]),
            ends(&[(1, true), (2, true), (3, false)]),
        );
        assert!(none.is_some_and(|tenths| tenths >= 10), "no request at all: {none:?}");
        assert!(one.is_some_and(|tenths| tenths >= 22), "none any more: {one:?}");
        assert!(another.is_some_and(|tenths| tenths >= 32), "a short one in between: {another:?}");
        assert_eq!((open, two), (None, None), "one that is open, such as a roll-out that is watched");
    }

    #[tokio::test]
    async fn what_was_accepted_is_finished_and_nothing_else_is() {
        let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (in_handler, released) = (entered.clone(), go_on.clone());
        let slow = get(move || async move {
            in_handler.notify_one();
            released.notified().await;
            "done"
        });
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let connections = Connections::default();
        let accepting = tokio::spawn(connections.serve_public(
            listener,
            None,
            Router::new().route("/slow", slow),
            shares(),
            stopping,
        ));
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        entered.notified().await;

        stop.send(true).unwrap();
        accepting.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "still accepting");
        let finishing = tokio::spawn(connections.finish(Duration::from_secs(60)));
        let mut nothing = Vec::new();
        idle.read_to_end(&mut nothing).await.unwrap();
        assert!(nothing.is_empty() && !finishing.is_finished());
        go_on.notify_one();
        let mut answer = String::new();
        busy.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        assert_eq!(finishing.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_after_a_while() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let connections = Connections::default();
        let entered = Arc::new(Notify::new());
        let in_handler = entered.clone();
        let endless = get(move || async move {
            in_handler.notify_one();
            std::future::pending::<&'static str>().await
        });
        let accepting = tokio::spawn(connections.serve_public(
            listener,
            None,
            Router::new().route("/", endless),
            shares(),
            stopping,
        ));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        entered.notified().await;
        stop.send(true).unwrap();
        accepting.await.unwrap();
        assert!(connections.finish(Duration::from_millis(1)).await > 0);
    }
}
