//! Whom to trust: the operating system, `caFile`, or a key that the root-signed cloud document lists (protocol.md, TLS).
//!
//! Owns the certificate check and the memory of what was seen, for `doctor`. Knows no HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::problem::{Local, Problem, Result};

/// An idea of whom to trust.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Only for fetching what is public and signed by itself: the cloud document.
    AnyForSignedDocument,
    /// The operating system's CAs, an extra one, and listed keys.
    Listed {
        /// `caFile`, as PEM.
        extra_pem: Option<Vec<u8>>,
        /// SHA-256 of the public keys that the root-signed document lists.
        keys: Vec<[u8; 32]>,
    },
}

/// The certificate of a connection, for a person who must find out who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// SHA-256 of the public key, base64url.
    pub key_sha256: String,
}

#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) text: String,
    pub(super) clock: bool,
}

#[derive(Debug)]
enum Rule {
    Any,
    Listed {
        /// `None` when there is not a single CA to ask.
        web: Option<Arc<WebPkiServerVerifier>>,
        keys: Vec<[u8; 32]>,
    },
}

/// The verifier that rustls asks.
#[derive(Debug)]
pub(super) struct Gate {
    rule: Rule,
    provider: Arc<CryptoProvider>,
    last: Mutex<(Option<Seen>, Option<Refusal>)>,
}

impl Gate {
    pub(super) fn new(trust: &Trust) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let rule = match trust {
            Trust::AnyForSignedDocument => Rule::Any,
            Trust::Listed { extra_pem, keys } => {
                Rule::Listed { web: web(extra_pem.as_deref(), &provider)?, keys: keys.clone() }
            }
        };
        Ok(Gate { rule, provider, last: Mutex::default() })
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        self.provider.clone()
    }

    pub(super) fn seen(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(super) fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (None, None);
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Rule::Listed { web, keys } = &self.rule else {
            return Ok(ServerCertVerified::assertion());
        };
        let by_authority = match web {
            Some(web) => web.verify_server_cert(leaf, chain, name, &[], now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        if by_authority.is_ok() {
            return by_authority;
        }
        // The root key vouches for this very key: name and dates of the certificate around it do not matter. That the peer
        // holds the private key is proved by the handshake's signature, which is checked in any case.
        match spki_sha256(leaf) {
            Some(key) if keys.contains(&key) => Ok(ServerCertVerified::assertion()),
            _ => by_authority,
        }
    }
}

fn web(extra: Option<&[u8]>, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<WebPkiServerVerifier>>> {
    let mut roots = RootCertStore::empty();
    // A machine without CAs, or with a broken one among them, still reaches a cloud whose key is listed.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = extra {
        let unusable = |e: String| {
            Problem::local(
                Local::Usage,
                format!("caFile is not a PEM file with certificates: {e}"),
                "give the CA's certificate in PEM form, beginning with -----BEGIN CERTIFICATE-----",
            )
        };
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
            roots.add(certificate).map_err(|e| unusable(e.to_string()))?;
            found = true;
        }
        if !found {
            return Err(unusable("it has none".to_owned()));
        }
    }
    if roots.is_empty() {
        return Ok(None);
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map(Some)
        .map_err(|e| Problem::local(Local::Failed, format!("the system's CAs cannot be used: {e}"), "check caFile"))
}

/// SHA-256 over a certificate's SubjectPublicKeyInfo; `None` if it cannot be parsed.
#[must_use]
pub fn spki_sha256(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(latchkey_wire::bytes::sha256(parsed.public_key().raw).0)
}

fn describe(certificate: &CertificateDer<'_>) -> Option<Seen> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Seen {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        key_sha256: latchkey_wire::bytes::to_base64url(&spki_sha256(certificate)?),
    })
}

impl ServerCertVerifier for Gate {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let verdict = self.judge(leaf, chain, name, now);
        let seen = describe(leaf);
        let refusal = verdict.as_ref().err().map(|error| Refusal {
            text: match &seen {
                Some(s) => format!("{error}; it showed {}, issued by {}, key {}", s.subject, s.issuer, s.key_sha256),
                None => error.to_string(),
            },
            clock: matches!(
                error,
                rustls::Error::InvalidCertificate(
                    CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
                )
            ),
        });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (seen, refusal);
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
