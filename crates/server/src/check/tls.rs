//! The certificate: there, belonging to its key, for the cloud's name, and not about to end.

use std::path::Path;

use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Finding;
use crate::code::Own;
use crate::exit::Result;
use crate::serve::datadir::TLS_FOLDER;
use crate::serve::health::unix_now;
use crate::serve::own_ca::{CA_FILE, LEAF_FILE, LEAF_KEY_FILE};
use crate::serve::settings::{Settings, TlsMode};
use crate::serve::tls::{certificates, certified};

/// A certificate with less than this left is worth a word, days.
const SOON: i64 = 14;

pub(super) fn look(settings: &Settings) -> Finding {
    match &settings.tls {
        TlsMode::Off if settings.trusted_proxies.is_empty() => Finding::good("tls", "none: plain HTTP on loopback"),
        TlsMode::Off => Finding::good("tls", "none: the proxy ends it"),
        TlsMode::Files { certificate, key } => found("tls", settings, certificate, key, "renew it and send HUP"),
        TlsMode::Own => {
            let folder = settings.data.join(TLS_FOLDER);
            let (ca, leaf, key) = (folder.join(CA_FILE), folder.join(LEAF_FILE), folder.join(LEAF_KEY_FILE));
            if !ca.exists() {
                return Finding::good("tls", "by the cloud's own authority, which the first start makes");
            }
            match days(&ca) {
                Ok(left) if left < 30 => {
                    let detail = format!("the cloud's own authority ends in {left} days");
                    let fix = format!(
                        "move {} away: the next start makes another, which has to be handed out",
                        folder.display()
                    );
                    Finding::bad("tls", Own::Serve009, detail, fix)
                }
                Ok(_) => found("tls", settings, &leaf, &key, "start or HUP the server: it makes a new one"),
                Err(failure) => Finding::failed("tls", failure),
            }
        }
    }
}

/// How many days a file's first certificate still has.
fn days(file: &Path) -> Result<i64> {
    let chain = certificates(file)?;
    Ok(chain.first().and_then(validity).map_or(0, |(_, to)| (to - unix_now()) / 86_400))
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some((parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp()))
}

fn found(name: &'static str, settings: &Settings, certificate: &Path, key: &Path, renew: &str) -> Finding {
    let pair = match certified(certificate, key) {
        Ok(pair) => pair,
        Err(failure) => return Finding::failed(name, failure),
    };
    let bad = |detail: String, fix: &str| Finding::bad(name, Own::Serve009, detail, fix);
    let shown = certificate.display();
    let leaf = pair.cert.first();
    let Some((from, to)) = leaf.and_then(validity) else {
        return bad(format!("{shown} cannot be read"), Own::Serve009.fix());
    };
    let now = unix_now();
    if to < now {
        return bad(format!("{shown} has expired"), renew);
    }
    if from > now {
        return bad(format!("{shown} is not valid yet"), "check the clock, then the certificate");
    }
    let cloud = settings.cloud_name();
    let host = cloud.host().to_string();
    let host = host.trim_matches(['[', ']']);
    let named = ServerName::try_from(host).is_ok_and(|server| {
        let parsed = leaf.and_then(|leaf| rustls::server::ParsedCertificate::try_from(leaf).ok());
        parsed.is_some_and(|parsed| rustls::client::verify_server_name(&parsed, &server).is_ok())
    });
    if !named {
        return bad(format!("{shown} is not for {host}"), "get a certificate with the cloud's name in it");
    }
    let left = (to - now) / 86_400;
    if left < SOON {
        return Finding::warning(name, Own::Serve009, format!("{shown} ends in {left} days"), renew);
    }
    Finding::good(name, format!("{shown}, for {host}, {left} days left"))
}
