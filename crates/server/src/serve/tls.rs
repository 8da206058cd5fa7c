//! TLS of the public listener: files, or a certification authority of our own.
//!
//! Owns the current certificate, changing it without a restart, and the hashes of its keys for the cloud document. Must not
//! know connections.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::datadir::DataDir;
use super::own_ca;
use super::settings::{Settings, TlsMode};
use crate::code::Own;
use crate::exit::{Failure, Result};

/// SHA-256 of a SubjectPublicKeyInfo.
pub type SpkiSha256 = [u8; 32];

/// The certificate in use. Cheap to ask at each handshake, and replaced whole.
#[derive(Debug)]
struct Current(watch::Sender<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }
}

/// TLS of the public listener.
#[derive(Debug)]
pub struct Tls {
    current: Arc<Current>,
    spki: watch::Sender<Vec<SpkiSha256>>,
    config: Arc<ServerConfig>,
}

/// The TLS keys of this moment, for the cloud document. Empty without TLS of our own.
#[derive(Debug, Clone)]
pub struct TlsKeys(watch::Receiver<Vec<SpkiSha256>>);

impl TlsKeys {
    /// Hashes of the keys that the public listener shows.
    #[must_use]
    pub fn current(&self) -> Vec<SpkiSha256> {
        self.0.borrow().clone()
    }

    /// Waits until they change; never ends if they cannot.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// No TLS of our own.
    #[must_use]
    pub fn none() -> Self {
        Self(watch::channel(Vec::new()).1)
    }
}

impl Tls {
    /// Loads or makes the certificate that the settings ask for; `None` without TLS. `now` is Unix time in seconds.
    pub fn open(settings: &Settings, data: &DataDir, now: i64) -> Result<Option<Self>> {
        let Some(key) = load(settings, data, now)? else { return Ok(None) };
        let spki = hashes(&key)?;
        let current = Arc::new(Current(watch::channel(Arc::new(key)).0));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(Self { current, spki: watch::channel(spki).0, config: Arc::new(config) }))
    }

    /// Reads the certificate again. On failure the old one stays.
    pub fn reload(&self, settings: &Settings, data: &DataDir, now: i64) -> Result<()> {
        if let Some(key) = load(settings, data, now)? {
            let spki = hashes(&key)?;
            self.current.0.send_replace(Arc::new(key));
            self.spki.send_if_modified(|old| {
                let changed = *old != spki;
                *old = spki;
                changed
            });
        }
        Ok(())
    }

    /// For accepting connections.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// For the cloud document.
    #[must_use]
    pub fn keys(&self) -> TlsKeys {
        TlsKeys(self.spki.subscribe())
    }
}

fn unusable(reason: impl std::fmt::Display) -> Failure {
    Failure::new(Own::Serve009, format!("the certificate or its key cannot be used: {reason}"), Own::Serve009.fix())
}

fn load(settings: &Settings, data: &DataDir, now: i64) -> Result<Option<CertifiedKey>> {
    let (certificate, key) = match &settings.tls {
        TlsMode::Off => return Ok(None),
        TlsMode::Files { certificate, key } => (certificate.clone(), key.clone()),
        TlsMode::Own => own_ca::provide(&data.tls(), &settings.cloud_name(), now)?,
    };
    let certified = certified(&certificate, &key)?;
    if let TlsMode::Files { certificate, .. } = &settings.tls {
        warn_of_its_dates(&certified, certificate, now);
    }
    Ok(Some(certified))
}

/// A chain and the private key that belongs to its first certificate.
pub(crate) fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| unusable(format!("{} has no private key in PEM form: {error}", key.display())))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(unusable)
}

fn warn_of_its_dates(key: &CertifiedKey, file: &Path, now: i64) {
    let Some(Ok((_, leaf))) = key.cert.first().map(|leaf| X509Certificate::from_der(leaf)) else { return };
    let file = file.display();
    let left = leaf.validity().not_after.timestamp() - now;
    if left < 0 {
        tracing::warn!(%file, "the certificate has expired: renew it and send HUP");
    } else if left < 14 * 86_400 {
        tracing::warn!(%file, days = left / 86_400, "the certificate expires soon: renew it and send HUP");
    }
    if leaf.validity().not_before.timestamp() > now {
        tracing::warn!(%file, "the certificate is not valid yet: check the clock");
    }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| unusable(format!("{}: {error}", file.display())))
}

/// The certificates of a PEM file; none is an error.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| unusable(format!("{} is not PEM: {error}", file.display())))?;
    if chain.is_empty() {
        return Err(unusable(format!("{} has no certificate in it", file.display())));
    }
    Ok(chain)
}

fn hashes(key: &CertifiedKey) -> Result<Vec<SpkiSha256>> {
    let leaf = key.cert.first().ok_or_else(|| unusable("there is no certificate"))?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(unusable)?;
    let hash = digest::digest(&digest::SHA256, leaf.tbs_certificate.subject_pki.raw);
    Ok(vec![hash.as_ref().try_into().map_err(unusable)?])
}
