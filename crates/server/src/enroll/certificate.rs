//! The device CA and the certificates of devices (protocol.md, messages; security.md, keys).
//!
//! Owns making a CA, issuing a device certificate from a public key, and recognizing one of our own in a renewal (rule 5) or an
//! adoption. Must not know which epoch or device state allows a certificate, nor where the CA's private key is kept.

use std::time::Duration;

use aws_lc_rs::rand;
use latchkey_wire::certificate::{Extension, OID_ARCS, OID_DER};
use latchkey_wire::{PublicJwk, Seconds};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
    date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::asn1_rs::Oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256};
use zeroize::Zeroizing;

/// How long a device certificate is good unless the organization says otherwise.
pub const LIFETIME: Duration = Duration::from_secs(7 * DAY);

/// So far back a certificate begins before it was issued, for devices whose clock is a little behind.
pub const BACK_DATED: Duration = Duration::from_secs(5 * 60);

/// How long a device CA is good. A new one may take over at any time, because the root-signed cloud document lists them.
const CA_LIFETIME: Duration = Duration::from_secs(3653 * DAY);

/// Larger than any certificate this server ever issued; more is not even parsed.
const MAX_CERTIFICATE: usize = 4096;

/// The longest value of a name (X.520, `ub-common-name`).
const MAX_NAME: usize = 64;

/// The last second of the year 9999, where X.509 times end.
const LAST_SECOND: Seconds = 253_402_300_799;

const DAY: u64 = 24 * 60 * 60;

/// Why a certificate was not made or not recognized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate is ours, but its extension is not.
    #[error("the extension of the certificate: {0}")]
    Extension(String),
    /// The device key is no P-256 key: the caller's mistake, an enrollment with another never gets here.
    #[error("a device certificate is made for a P-256 key")]
    KeyKind,
    /// Not a certificate as this server issues them.
    #[error("not a certificate of this server: {0}")]
    NotOurs(&'static str),
    /// A key, a name or a time of our own that cannot stand in a certificate.
    #[error("the certificate cannot be made: {0}")]
    Own(String),
    /// It names one of our CAs and none of them signed it.
    #[error("no device CA of this organization signed the certificate")]
    Signature,
}

/// A device CA that was just made: to be sealed and stored.
pub struct NewCa {
    /// The private key as PKCS#8.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// The certificate in DER, as the cloud document lists it.
    pub certificate: Vec<u8>,
}

/// Makes a device CA: P-256, its subject distinct from that of every device and of every other CA, able to sign certificates of devices
/// and nothing else.
///
/// # Errors
/// [`CertificateError::Own`]: an organization id that is no name, or a time outside X.509's.
pub fn generate_ca(org: &str, now: Seconds) -> Result<NewCa, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let serial = random_serial();
    let mut params = params(&serial, now, CA_LIFETIME)?;
    params.distinguished_name = name("Latchkey device CA", org)?;
    // Two CAs of one organization, before and after a change, must not be taken for each other.
    let distinct: String = serial[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), distinct);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key)?;
    Ok(NewCa { pkcs8: Zeroizing::new(key.serialize_der()), certificate: certificate.der().to_vec() })
}

/// A device CA with its private key: issues.
pub struct DeviceCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

impl DeviceCa {
    /// The CA from what [`generate_ca`] made.
    ///
    /// # Errors
    /// [`CertificateError::Own`]: not a key, not a certificate, or not of each other.
    pub fn open(pkcs8: &[u8], certificate: &[u8]) -> Result<Self, CertificateError> {
        let der = PrivatePkcs8KeyDer::from(pkcs8);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)?;
        let parsed = parse(certificate).map_err(|e| CertificateError::Own(e.to_string()))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(CertificateError::Own("the key is not that of the CA's certificate".into()));
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(certificate), key)?;
        Ok(Self { issuer, certificate: certificate.to_vec() })
    }

    /// The CA's own certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Issues a device certificate: the key is the device's, everything else our word. It begins [`BACK_DATED`] before
    /// `extension.issued` and ends `lifetime` after it.
    ///
    /// # Errors
    /// [`CertificateError::KeyKind`], or [`CertificateError::Own`] for ids and times that do not fit.
    pub fn issue(
        &self,
        device_key: &PublicJwk,
        extension: &Extension,
        lifetime: Duration,
    ) -> Result<Vec<u8>, CertificateError> {
        let PublicJwk::P256 { .. } = device_key else {
            return Err(CertificateError::KeyKind);
        };
        let mut params = params(&random_serial(), extension.issued / 1000, lifetime)?;
        params.distinguished_name = name(&extension.device_id, &extension.org)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let content = extension.to_der().map_err(|e| CertificateError::Own(e.to_string()))?;
        params.custom_extensions = vec![CustomExtension::from_oid_content(&OID_ARCS, content.0)];
        let certificate = params.signed_by(&DeviceKey(device_key.raw()), &self.issuer)?.der().to_vec();
        if certificate.len() > MAX_CERTIFICATE {
            return Err(CertificateError::Own(format!("{} bytes, more than we would read", certificate.len())));
        }
        Ok(certificate)
    }
}

/// A certificate that one of our device CAs signed. Only [`OwnCertificate::verify`] makes one.
///
/// It says what was true when it was issued. Whether it has expired since, and whether that matters, is the caller's rule: a
/// registered device renews with an expired one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    extension: Extension,
    device_key: PublicJwk,
    not_after: Seconds,
}

impl OwnCertificate {
    /// Reads a certificate and checks that one of these CAs signed it. The dates are not checked.
    ///
    /// # Errors
    /// [`CertificateError::NotOurs`], [`CertificateError::Signature`] or [`CertificateError::Extension`].
    pub fn verify<D: AsRef<[u8]>>(ca_ders: &[D], der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        written_as_we_write(der, &certificate)?;
        signed_by_one_of(ca_ders, &certificate)?;
        if certificate.is_ca() {
            return Err(CertificateError::NotOurs("a CA's, not a device's"));
        }
        let extension = certificate
            .get_extension_unique(&Oid::new((&OID_DER).into()))
            .map_err(|_| CertificateError::Extension("it stands there twice".into()))?
            .ok_or_else(|| CertificateError::Extension("it is missing".into()))?;
        let extension = Extension::from_der(extension.value).map_err(|e| CertificateError::Extension(e.to_string()))?;
        Ok(Self {
            extension,
            device_key: public_key(&certificate)?,
            not_after: u64::try_from(certificate.validity().not_after.timestamp())
                .map_err(|_| CertificateError::NotOurs("it ends before 1970"))?,
        })
    }

    /// What we vouched for.
    #[must_use]
    pub const fn extension(&self) -> &Extension {
        &self.extension
    }

    /// The device key.
    #[must_use]
    pub const fn device_key(&self) -> &PublicJwk {
        &self.device_key
    }

    /// When it ends or ended.
    #[must_use]
    pub const fn not_after(&self) -> Seconds {
        self.not_after
    }
}

/// When a certificate ends, from its DER; for what this server issued itself and needs no proof of.
///
/// # Errors
/// [`CertificateError::NotOurs`] if it is no certificate.
pub fn not_after(der: &[u8]) -> Result<Seconds, CertificateError> {
    u64::try_from(parse(der)?.validity().not_after.timestamp())
        .map_err(|_| CertificateError::NotOurs("it ends before 1970"))
}

/// The parser is generous about tags outside the signed part. Nothing hangs on them, but one certificate of ours has one spelling.
fn written_as_we_write(der: &[u8], certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    // SEQUENCE { OID ecdsa-with-SHA256 }
    const ALGORITHM: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let signature = &certificate.signature_value.data;
    let signed = certificate.tbs_certificate.as_ref();
    let right = u8::try_from(signature.len() + 1).is_ok_and(|length| {
        let mut tail = [&ALGORITHM[..], &[0x03, length, 0x00]].concat();
        tail.extend_from_slice(signature);
        der.first() == Some(&0x30) && der.ends_with(&[signed, &tail].concat())
    });
    if right { Ok(()) } else { Err(CertificateError::NotOurs("not written as we write it")) }
}

fn signed_by_one_of<D: AsRef<[u8]>>(ca_ders: &[D], certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    // Both places that name the algorithm, one of which is under the signature, and no other algorithm than ours.
    let algorithms = [&certificate.signature_algorithm, &certificate.tbs_certificate.signature];
    if algorithms.iter().any(|found| found.algorithm != OID_SIG_ECDSA_WITH_SHA256) {
        return Err(CertificateError::NotOurs("not signed with ECDSA and SHA-256"));
    }
    let mut named = false;
    for ca in ca_ders {
        // A CA of ours that does not parse vouches for nothing; the others still may.
        let Ok(ca) = parse(ca.as_ref()) else { continue };
        if !ca.is_ca() || ca.subject().as_raw() != certificate.issuer().as_raw() {
            continue;
        }
        named = true;
        if certificate.verify_signature(Some(ca.public_key())).is_ok() {
            return Ok(());
        }
    }
    Err(if named { CertificateError::Signature } else { CertificateError::NotOurs("another issuer") })
}

fn public_key(certificate: &X509Certificate<'_>) -> Result<PublicJwk, CertificateError> {
    let spki = certificate.public_key();
    let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    if spki.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve != Some(OID_EC_P256) {
        return Err(CertificateError::NotOurs("no P-256 key"));
    }
    PublicJwk::p256_from_point(&spki.subject_public_key.data)
        .map_err(|_| CertificateError::NotOurs("its key is no point of P-256"))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    if der.len() > MAX_CERTIFICATE {
        return Err(CertificateError::NotOurs("larger than any we issue"));
    }
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(CertificateError::NotOurs("bytes after the certificate")),
        Err(_) => Err(CertificateError::NotOurs("not a certificate in DER")),
    }
}

fn params(serial: &[u8; 16], issued: Seconds, lifetime: Duration) -> Result<CertificateParams, CertificateError> {
    let ends = issued.saturating_add(lifetime.as_secs());
    let begins = issued.saturating_sub(BACK_DATED.as_secs());
    if ends > LAST_SECOND {
        return Err(CertificateError::Own("it would end after the year 9999".into()));
    }
    let mut params = CertificateParams::default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(begins);
    params.not_after = epoch + Duration::from_secs(ends);
    params.serial_number = Some(SerialNumber::from_slice(serial));
    Ok(params)
}

fn name(common_name: &str, org: &str) -> Result<DistinguishedName, CertificateError> {
    for value in [common_name, org] {
        if value.is_empty() || value.len() > MAX_NAME {
            return Err(CertificateError::Own(format!("a name has 1 to {MAX_NAME} bytes")));
        }
    }
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, org);
    name.push(DnType::CommonName, common_name);
    Ok(name)
}

/// 126 random bits, positive and without a leading zero byte (RFC 5280, 4.1.2.2).
fn random_serial() -> [u8; 16] {
    let mut serial = [0; 16];
    rand::fill(&mut serial).expect("the operating system's random source works");
    serial[0] = (serial[0] & 0x7f) | 0x40;
    serial
}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self::Own(error.to_string())
    }
}

/// A public key whose private half we never see.
struct DeviceKey(Vec<u8>);

impl PublicKeyData for DeviceKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
