//! A small web service that signs people in with SAML 2.0, built on saml-rs. It stands in for the third-party services
//! of an organization in demonstrations and tests, and shares no code with the identity provider that it is shown with.
//!
//! The order of things at start: listen (so the port is known), make key and metadata, write the metadata, wait for the
//! identity provider's, print one line, serve.

mod memory;
mod options;
mod pages;
mod provider;
mod random;
mod web;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::net::TcpListener;

use crate::options::Options;
use crate::provider::{Service, SetupError};
use crate::web::Site;

/// How often the identity provider's metadata is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The service cannot start or go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the SAML library's cryptography did not start: {0}")]
    Crypto(saml_rs::SamlError),
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("{0}")]
    Serve(std::io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo-service: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Failure> {
    saml_rs::initialize_crypto_provider().map_err(Failure::Crypto)?;
    let listen = |e| Failure::Listen(options.listen, e);
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let origin = options.public_url.clone().unwrap_or_else(|| format!("http://{address}"));

    let service = Service::new(&origin, &options)?;
    write(&options.metadata_out, service.metadata())?;
    let provider = service.meet(&wait_for(&options.idp_metadata).await?)?;

    let site = Site::new(provider, options.binding, address.port());
    let ready = format!("ready {origin}/secret on {address}\n");
    std::io::stdout().lock().write_all(ready.as_bytes()).map_err(Failure::Serve)?;
    axum::serve(listener, web::router(site)).await.map_err(Failure::Serve)
}

/// Writes by rename: whoever waits for the file never reads half of it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    std::fs::write(&new, text).map_err(|error| Failure::File { path: new.clone(), error })?;
    std::fs::rename(&new, path).map_err(|error| Failure::File { path: path.to_owned(), error })
}

/// The file's text, once it is there and not empty.
async fn wait_for(path: &Path) -> Result<String, Failure> {
    loop {
        match tokio::fs::read_to_string(path).await {
            Ok(text) if !text.is_empty() => return Ok(text),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::File { path: path.to_owned(), error }),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
