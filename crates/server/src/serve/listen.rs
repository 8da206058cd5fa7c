//! Listeners: TCP for the public, a Unix socket for the operator.
//!
//! Owns binding, accepting, the limits of a connection, and the proof that a request came from the operator. Must not know
//! routes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use http::Request;
use http::request::Parts;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::host::PeerAddr;
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::problem::Problem;

/// A connection that has sent no whole request after so long is closed; so is one that is idle between two requests.
const FIRST_REQUEST: Duration = Duration::from_secs(20);
/// TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
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
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let acceptor = tls.map(TlsAcceptor::from);
        let places = Arc::new(Semaphore::new(connection_limit()));
        let watchers = self.0.clone();
        async move {
            accept(
                stopping,
                places,
                || async { listener.accept().await },
                |(stream, peer), place| {
                    // Small answers go out at once; a socket that cannot is still a socket.
                    let _ = stream.set_nodelay(true);
                    let (router, acceptor, watcher) = (router.clone(), acceptor.clone(), watchers.watcher());
                    tokio::spawn(async move {
                        public(stream, peer, acceptor, router, watcher).await;
                        drop(place);
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
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        seen.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(who.clone());
        router.clone().oneshot(request.map(axum::body::Body::new))
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
    // Telling HTTP/1 from HTTP/2 and the latter's preface have no time limit of their own.
    let impatience = async {
        tokio::time::sleep(FIRST_REQUEST).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::debug!(%error, "connection ended");
        },
        () = impatience => tracing::debug!("closed a connection that asked for nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::AsyncReadExt as _;
    use tokio::sync::Notify;

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
        let accepting =
            tokio::spawn(connections.serve_public(listener, None, Router::new().route("/slow", slow), stopping));
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
        let accepting =
            tokio::spawn(connections.serve_public(listener, None, Router::new().route("/", endless), stopping));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        entered.notified().await;
        stop.send(true).unwrap();
        accepting.await.unwrap();
        assert!(connections.finish(Duration::from_millis(1)).await > 0);
    }
}
