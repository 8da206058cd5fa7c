//! `latchkey serve`: from flags to a listening server, and its end.
//!
//! Owns the life of the process and everything of it that needs neither directory nor store. What is served is an [`App`] that
//! the caller builds from what was [`Opened`]. Must not know the domain.

pub mod cloud_name;
pub mod config;
pub mod datadir;
mod edge;
pub mod health;
mod hints;
pub mod host;
pub mod listen;
pub mod log;
pub mod mail;
pub mod master_key;
mod metrics_page;
pub mod own_ca;
pub(crate) mod pages;
mod ready;
pub mod secret;
pub mod settings;
pub mod tls;
pub mod unit;
pub mod way;

pub use edge::RequestId;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use zeroize::Zeroizing;

use self::config::{Said, Typed};
use self::datadir::DataDir;
use self::health::{Check, Checks, unix_now};
use self::host::Front;
use self::listen::{Connections, Shares};
use self::master_key::MasterKey;
use self::ready::{Ready, ReadyFile};
use self::settings::{Settings, TlsMode};
use self::tls::{Tls, TlsKeys};
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Most connections to the page of metrics.
const METRICS_CONNECTIONS: usize = 64;
/// How long accepted requests may take after the server was told to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often readiness is asked until the server is announced.
const READY_EVERY: Duration = Duration::from_millis(100);
/// How often the certificate is looked at, so that our own never ends.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(12 * 60 * 60);

/// What the shell opened, for whoever builds the application.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Everything that was set, with the port known.
    pub settings: Arc<Settings>,
    /// The data directory, absolute.
    pub data: PathBuf,
    /// The embedded store's file, there or not.
    pub store_file: PathBuf,
    /// Whether there was no embedded store yet.
    pub fresh: bool,
    /// The master key.
    pub master_key: MasterKey,
    /// The TLS keys that the cloud document lists.
    pub tls_keys: TlsKeys,
    /// Becomes true when the server is told to stop: long answers should end then.
    pub stopping: watch::Receiver<bool>,
}

/// Work to be done after the last answer is out.
pub type AtStop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is served. The routers must not have fallbacks of their own: what no route takes is answered by the shell.
pub struct App {
    /// Routes of the public listener.
    pub public: Router,
    /// Routes of the operator's socket; handlers take [`listen::Operator`] as an argument.
    pub operator: Router,
    /// What must be in order before the server may be used, beside the clock.
    pub checks: Vec<Arc<dyn Check>>,
    /// The root key's pin, as the option `cloudKey` takes it.
    pub cloud_key: String,
    /// The set-up link of a cloud without an organization. A secret: printed once, and never logged.
    pub setup_url: Option<Zeroizing<String>>,
    /// Runs after the last answer is out.
    pub at_stop: Option<AtStop>,
}

/// Runs the server until it is told to stop.
pub fn command<B, F>(typed: &Typed, output: Output, build: B) -> Result<()>
where
    B: FnOnce(Opened) -> F,
    F: Future<Output = Result<App>>,
{
    let said = Said::gather(typed, |name| std::env::var_os(name))?;
    let settings = Settings::resolve(&said)?;
    log::start(settings.log_format, std::env::var("LATCHKEY_LOG").ok().as_deref())?;
    // Keys are in memory: no core file, and whatever is written is for this user alone unless said otherwise.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let data = match DataDir::open(&settings.data) {
        Ok(data) => data,
        Err(failure) => {
            // A file left by a crash would say that we answer. One of a server that runs is right.
            if failure.code != Own::Serve004.as_str() {
                drop(ReadyFile::prepare(settings.ready_file.as_deref()));
            }
            return Err(failure);
        }
    };
    let ready_file = ReadyFile::prepare(settings.ready_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime cannot be started", &error))?;
    let result = runtime.block_on(Box::pin(run(settings, &data, ready_file, typed, output, build)));
    // Connections that outlasted our patience are cut here.
    runtime.shutdown_timeout(Duration::from_secs(1));
    // The socket goes before the lock does.
    let _ = std::fs::remove_file(data.socket());
    result
}

async fn run<B, F>(
    mut settings: Settings,
    data: &DataDir,
    ready_file: ReadyFile,
    typed: &Typed,
    output: Output,
    build: B,
) -> Result<()>
where
    B: FnOnce(Opened) -> F,
    F: Future<Output = Result<App>>,
{
    let mut signals = Signals::listen()?;
    let listener = bind(&mut settings, data)?;
    let settings = Arc::new(settings);
    let metrics = metrics_page::install()?;
    let metrics_listener = settings.metrics_listen.map(listen::bind).transpose()?;
    let key_file = settings.master_key_file.clone().unwrap_or_else(|| data.master_key_file());
    let master_key = MasterKey::open(&key_file, data.is_fresh())?;
    let tls = Tls::open(&settings, data, unix_now())?;
    let (stop, stopping) = watch::channel(false);
    let opened = Opened {
        settings: settings.clone(),
        data: data.path().to_owned(),
        store_file: data.store_file(),
        fresh: data.is_fresh(),
        master_key,
        tls_keys: tls.as_ref().map_or_else(TlsKeys::none, Tls::keys),
        stopping: stopping.clone(),
    };
    let mut app = tokio::select! {
        app = build(opened) => app?,
        () = signals.stop() => return Ok(()),
    };

    let checks = Checks::new(app.checks);
    let connections = Connections::default();
    let front = Arc::new(Front::new(&settings));
    let public = edge::public(app.public, checks.clone(), Arc::clone(&front));
    let operator = edge::operator(app.operator, checks.clone(), front);
    let socket = listen::bind_operator(&data.socket())?;
    let mut listeners = vec![
        tokio::spawn(connections.serve_public(
            listener,
            tls.as_ref().map(Tls::config),
            public,
            Shares::of(listen::connection_limit(), &settings.trusted_proxies),
            stopping.clone(),
        )),
        tokio::spawn(connections.serve_operator(socket, operator, stopping.clone())),
    ];
    if let Some(listener) = metrics_listener {
        let page = metrics_page::router(metrics);
        let shares = Shares::of(METRICS_CONNECTIONS, &[]);
        listeners.push(tokio::spawn(connections.serve_public(listener, None, page, shares, stopping)));
    }

    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    tokio::spawn(hints::warn_if_unresolved(settings.cloud_name(), settings.listen));
    let ready = Ready {
        url: settings.public_url(),
        cloud_name: settings.cloud_name().to_string(),
        cloud_key: app.cloud_key,
        socket: data.socket(),
        ca_file: (settings.tls == TlsMode::Own).then(|| data.tls().join(own_ca::CA_FILE)),
        data: data.path().to_owned(),
    };
    let mut announced = false;
    let mut certificate = tokio::time::interval(CERTIFICATE_EVERY);
    certificate.reset();
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break,
                Told::Reload => reload(tls.as_ref(), &settings, data),
            },
            () = until_ready(&checks), if !announced => {
                announced = true;
                ready_file.write(&ready)?;
                let setup_url = app.setup_url.take();
                if output.json {
                    output.document(&ready.announcement(setup_url.as_ref().map(|url| url.as_str())));
                } else {
                    output.text(&ready.line());
                }
                hints::say(output, &settings, typed);
                if let Some(url) = setup_url.filter(|_| !output.json) {
                    output.text(&format!("set up: open {} within 15 minutes, once; for another: latchkey setup-link --data {}\n", &*url, data.path().display()));
                }
            }
            _ = certificate.tick() => reload(tls.as_ref(), &settings, data),
        }
    }

    tracing::info!("stopping: finishing what was accepted");
    drop(ready_file);
    // Nobody listens any more if the last listener ended by itself.
    let _ = stop.send(true);
    for listener in listeners {
        // A listener that panicked has said so.
        let _ = listener.await;
    }
    let cut = tokio::select! {
        cut = connections.finish(PATIENCE) => cut,
        // Asked twice: now.
        () = signals.stop() => 1,
    };
    if cut > 0 {
        tracing::warn!(cut, "cut connections that did not finish");
    }
    if let Some(at_stop) = app.at_stop {
        at_stop.await;
    }
    Ok(())
}

/// The public side with its edge, for tests of what the edge tells the pages.
#[cfg(test)]
pub(crate) fn public_for_tests(app: axum::Router, settings: &Settings) -> axum::Router {
    edge::public(app, Checks::new(Vec::new()), Arc::new(Front::new(settings)))
}

/// Binds the public listener. Port 0 takes a free one once and keeps it in the directory's configuration.
fn bind(settings: &mut Settings, data: &DataDir) -> Result<TcpListener> {
    let mut address = settings.listen;
    let free = address.port() == 0 && settings.kept_port.is_none();
    if let Some(port) = settings.kept_port {
        address.set_port(port);
    }
    let listener = listen::bind(address).map_err(|failure| match settings.kept_port {
        Some(port) => Failure {
            fix: format!(
                "stop that program, or take `listen` out of {}/latchkey.toml for another port than {port}",
                data.path().display()
            ),
            ..failure
        },
        None => failure,
    })?;
    settings.listen = listener.local_addr().map_err(|error| Failure::io(address, &error))?;
    if free {
        data.keep_listen(settings.listen)?;
    }
    Ok(listener)
}

/// Waits until every check holds; says once why it waits.
async fn until_ready(checks: &Checks) {
    let mut said = None;
    loop {
        let failed =
            checks.all().await.into_iter().find_map(|(name, outcome)| outcome.err().map(|unready| (name, unready)));
        let Some((name, unready)) = failed else { return };
        if said != Some(name) {
            said = Some(name);
            tracing::warn!(
                check = name,
                code = unready.code.as_str(),
                "not ready: {}. fix: {}",
                unready.detail,
                unready.fix
            );
        }
        tokio::time::sleep(READY_EVERY).await;
    }
}

fn reload(tls: Option<&Tls>, settings: &Settings, data: &DataDir) {
    let Some(tls) = tls else { return };
    match tls.reload(settings, data, unix_now()) {
        Ok(()) => tracing::info!("read the certificate again"),
        Err(failure) => tracing::error!("the certificate stays as it was: {}", failure.detail),
    }
}

/// What the process is told from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

/// What somebody wants of the process.
enum Told {
    Stop,
    Reload,
}

impl Signals {
    fn listen() -> Result<Self> {
        let on = |kind| signal(kind).map_err(|error| Failure::io("signals", &error));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            reload: on(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.reload.recv() => Told::Reload,
        }
    }

    /// Waits for the word to stop; nothing can be read again at this time.
    async fn stop(&mut self) {
        while let Told::Reload = self.next().await {}
    }
}
