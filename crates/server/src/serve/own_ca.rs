//! A certification authority of our own, for a cloud that has no certificate yet.
//!
//! Owns `DIR/tls`: `ca.pem` and `ca.key`, made once; `server.pem` and `server.key`, of which the certificate is made anew when
//! the cloud name changes or its end is near. The server's key stays: the cloud document lists it, and connectors trust it by
//! that. Must not know who connects.

use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use url::Host;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::cloud_name::CloudName;
use super::datadir::write_private;
use super::tls::{certificates, read};
use crate::code::Own;
use crate::exit::{Failure, Result};

/// Name of the authority's certificate, which people hand to browsers.
pub const CA_FILE: &str = "ca.pem";
const CA_KEY_FILE: &str = "ca.key";
/// Name of the server's certificate.
pub const LEAF_FILE: &str = "server.pem";
/// Name of its key.
pub const LEAF_KEY_FILE: &str = "server.key";

const DAY: i64 = 86_400;
/// Life of the authority.
const CA_LIFE: i64 = 3650 * DAY;
/// Life of the server's certificate: under what browsers allow a private authority.
const LEAF_LIFE: i64 = 180 * DAY;
/// A certificate with less than this left is made anew.
const LEAF_MARGIN: i64 = 60 * DAY;

/// Certificate chain and key for this cloud name, made now if need be. `now` is Unix time in seconds.
pub fn provide(folder: &Path, name: &CloudName, now: i64) -> Result<(PathBuf, PathBuf)> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(format!("{}: {error}", folder.display()))),
    }
    let (ca, ca_key) = (folder.join(CA_FILE), folder.join(CA_KEY_FILE));
    match (ca.exists(), ca_key.exists()) {
        (true, true) => {}
        (false, false) => make_authority(&ca, &ca_key, name, now)?,
        (true, false) => return Err(half(&ca, &ca_key)),
        (false, true) => return Err(half(&ca_key, &ca)),
    }
    let (leaf, leaf_key) = (folder.join(LEAF_FILE), folder.join(LEAF_KEY_FILE));
    if !leaf_key.exists() {
        let key = KeyPair::generate().map_err(failed)?;
        save(&leaf_key, Zeroizing::new(key.serialize_pem()).as_bytes(), 0o600)?;
    }
    let key = key_pair(&leaf_key)?;
    if !still_good(&leaf, &ca, &key, name, now) {
        let issuer = Issuer::from_ca_cert_pem(&text(&ca)?, key_pair(&ca_key)?).map_err(failed)?;
        let certificate = leaf_params(name, now)?.signed_by(&key, &issuer).map_err(failed)?;
        save(&leaf, format!("{}{}", certificate.pem(), text(&ca)?).as_bytes(), 0o644)?;
        tracing::info!(cloud_name = %name, "made a server certificate by the cloud's own authority");
    }
    Ok((leaf, leaf_key))
}

fn failed(reason: impl std::fmt::Display) -> Failure {
    Failure::new(Own::Serve009, format!("the cloud's own certificate authority: {reason}"), Own::Serve009.fix())
}

fn half(there: &Path, missing: &Path) -> Failure {
    let detail = format!("{} is there and {} is missing", there.display(), missing.display());
    Failure::new(
        Own::Serve009,
        detail,
        "put the missing half back, or move the other one away and a new authority is made",
    )
}

fn text(file: &Path) -> Result<String> {
    String::from_utf8(read(file)?).map_err(|_| failed(format!("{} is not PEM", file.display())))
}

fn key_pair(file: &Path) -> Result<KeyPair> {
    KeyPair::from_pem(&Zeroizing::new(text(file)?)).map_err(|error| failed(format!("{}: {error}", file.display())))
}

fn save(file: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    write_private(file, bytes, mode).map_err(|error| failed(format!("{}: {error}", file.display())))
}

fn make_authority(ca: &Path, ca_key: &Path, name: &CloudName, now: i64) -> Result<()> {
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Never the leaf's subject: OpenSSL takes a leaf of the same name for self-signed.
    params.distinguished_name.push(DnType::CommonName, common_name(&format!("Latchkey CA of {}", name.host())));
    params.distinguished_name.push(DnType::OrganizationName, "Latchkey");
    valid(&mut params, now - DAY, now + CA_LIFE)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    // The key first: a key without its certificate is found and named at the next start, the other way round is not mendable.
    save(ca_key, Zeroizing::new(key.serialize_pem()).as_bytes(), 0o600)?;
    save(ca, certificate.pem().as_bytes(), 0o644)
}

fn leaf_params(name: &CloudName, now: i64) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name.push(DnType::CommonName, common_name(&name.host().to_string()));
    params.subject_alt_names = vec![match name.host() {
        Host::Domain(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
        Host::Ipv4(address) => SanType::IpAddress(IpAddr::V4(*address)),
        Host::Ipv6(address) => SanType::IpAddress(IpAddr::V6(*address)),
    }];
    valid(&mut params, now - DAY, now + LEAF_LIFE)?;
    Ok(params)
}

/// At most the 64 characters that X.509 allows; who looks at it is a person, programs look at the alternative names.
fn common_name(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Sets from when to when a certificate is good, to the day.
fn valid(params: &mut CertificateParams, from: i64, to: i64) -> Result<()> {
    let date = |seconds| {
        jiff::Timestamp::from_second(seconds).map(|at| jiff::tz::Offset::UTC.to_datetime(at).date()).map_err(failed)
    };
    let (from, to) = (date(from)?, date(to)?);
    let midnight = |date: jiff::civil::Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (midnight(from), midnight(to));
    Ok(())
}

/// Whether the certificate on disk is this key's, of this authority, for this name, and not near its end. What cannot be read is
/// not good: it is made anew.
fn still_good(leaf: &Path, ca: &Path, key: &KeyPair, name: &CloudName, now: i64) -> bool {
    let (Ok(chain), Ok(authority)) = (certificates(leaf), certificates(ca)) else { return false };
    let [leaf, issuer, ..] = chain.as_slice() else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else { return false };
    let named = match parsed.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.iter().any(|known| is_name(known, name.host())),
        _ => false,
    };
    named
        && authority.first() == Some(issuer)
        && parsed.tbs_certificate.subject_pki.raw == rcgen::PublicKeyData::subject_public_key_info(key).as_slice()
        && parsed.validity().not_before.timestamp() <= now
        && parsed.validity().not_after.timestamp() - now > LEAF_MARGIN
}

fn is_name(known: &GeneralName<'_>, host: &Host) -> bool {
    match (known, host) {
        (GeneralName::DNSName(known), Host::Domain(name)) => known == name,
        (GeneralName::IPAddress(bytes), Host::Ipv4(address)) => *bytes == address.octets(),
        (GeneralName::IPAddress(bytes), Host::Ipv6(address)) => *bytes == address.octets(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn leaf_der(folder: &Path) -> Vec<u8> {
        certificates(&folder.join(LEAF_FILE)).unwrap()[0].to_vec()
    }

    #[test]
    fn the_certificate_is_made_anew_for_a_new_name_and_near_its_end_and_keeps_its_key() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("tls");
        let (a, b): (CloudName, CloudName) = ("a.example".parse().unwrap(), "[::1]:8443".parse().unwrap());
        provide(&folder, &a, NOW).unwrap();
        let (first, key, ca) =
            (leaf_der(&folder), read(&folder.join(LEAF_KEY_FILE)).unwrap(), read(&folder.join(CA_FILE)).unwrap());
        provide(&folder, &a, NOW + 100 * DAY).unwrap();
        assert_eq!(leaf_der(&folder), first);
        provide(&folder, &a, NOW + 130 * DAY).unwrap();
        let second = leaf_der(&folder);
        assert_ne!(second, first);
        provide(&folder, &b, NOW + 130 * DAY).unwrap();
        assert_ne!(leaf_der(&folder), second);
        assert_eq!(read(&folder.join(LEAF_KEY_FILE)).unwrap(), key);
        assert_eq!(read(&folder.join(CA_FILE)).unwrap(), ca);
    }

    #[test]
    fn a_half_authority_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("tls");
        let name = "a.example".parse().unwrap();
        provide(&folder, &name, NOW).unwrap();
        std::fs::remove_file(folder.join(CA_KEY_FILE)).unwrap();
        let failure = provide(&folder, &name, NOW).unwrap_err();
        assert!(failure.detail.contains("ca.key is missing"), "{failure}");
    }

    #[test]
    fn authority_and_server_have_different_subjects_and_the_authority_may_sign() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("tls");
        provide(&folder, &"a.example".parse().unwrap(), NOW).unwrap();
        let chain = certificates(&folder.join(LEAF_FILE)).unwrap();
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let (_, ca) = X509Certificate::from_der(&chain[1]).unwrap();
        assert_ne!(leaf.subject(), ca.subject());
        assert_eq!(leaf.issuer(), ca.subject());
        assert!(ca.is_ca() && !leaf.is_ca());
        assert!(ca.key_usage().unwrap().unwrap().value.key_cert_sign());
        leaf.verify_signature(Some(ca.public_key())).unwrap();
    }
}
