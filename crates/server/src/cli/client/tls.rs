//! TLS to `--server`: the system's certificate authorities and `--ca-file`.
//!
//! Owns whom to trust and the sentence when that fails. Knows no HTTP.

use std::sync::Arc;

use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::code::Own;
use crate::exit::{Failure, Result};

/// Shakes hands with the server that `host` names.
///
/// # Errors
/// The certificate is not trusted, or is of another name.
pub(super) async fn connect(stream: TcpStream, host: &str, ca_pem: Option<&[u8]>) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::usage(format!("{host} is not a name TLS can check"), "check --server"))?;
    let connector = TlsConnector::from(Arc::new(config(ca_pem)?));
    connector.connect(name, stream).await.map_err(|e| explain(host, &e, ca_pem.is_some()))
}

fn config(ca_pem: Option<&[u8]>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // What the system's folder has beside certificates is not our business.
    let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca_pem {
        add(&mut roots, pem)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::new(Own::Cli003, format!("TLS cannot start: {e}"), "report this"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<()> {
    let unusable = |why: String| {
        Failure::new(
            Own::Cli004,
            format!("--ca-file has no usable certificate: {why}"),
            "give a certificate in PEM form, beginning with -----BEGIN CERTIFICATE-----",
        )
    };
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
        roots.add(certificate).map_err(|e| unusable(e.to_string()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(unusable("it is empty".to_owned())) }
}

fn explain(host: &str, error: &std::io::Error, has_ca: bool) -> Failure {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (detail, fix) = match refusal {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                format!("the certificate of {host} is not valid yet: a clock is wrong, here or there"),
                "set the clock",
            ),
            // The authorities of two servers bear one name; then it is the signature that does not fit.
            CertificateError::UnknownIssuer | CertificateError::BadSignature if has_ca => (
                format!("the certificate of {host} is from neither --ca-file nor the system's authorities"),
                "check that --ca-file is DIR/tls/ca.pem of this very server, and that nothing intercepts TLS",
            ),
            CertificateError::UnknownIssuer => (
                format!("the certificate of {host} is from no authority that this machine trusts"),
                "give the server's own authority: --ca-file ca.pem (DIR/tls/ca.pem on the server)",
            ),
            other => (
                format!("the certificate of {host} is not accepted: {other}"),
                "use the name that the certificate is for",
            ),
        },
        _ => (format!("no TLS connection to {host}: {error}"), "check that --server names the port that speaks TLS"),
    };
    Failure::new(Own::Cli002, detail, fix)
}
