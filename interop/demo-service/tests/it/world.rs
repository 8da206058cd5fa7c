//! The service as a process, and an identity provider in the test, both on saml-rs. That the service also agrees with
//! another implementation is shown where the identity provider is tested, not here.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use saml_rs::{
    AuthnRequest, BrowserInput, CertificatePem, Credentials, EntityId, FormField, Idp, IdpConfig, IdpValidationPolicy,
    MetadataTrustPolicy, NameId, NameIdFormat, PrivateKeyPem, ReplayPolicy, RespondSso, Saml, SamlValidationContext,
    SpDescriptor, SsoEndpoint, Subject,
};

use crate::browser::Page;

const SSO: &str = "http://idp.localhost/sso";

/// An identity provider.
pub(crate) struct Issuer {
    saml: Saml<Idp>,
}

impl Issuer {
    /// One with a key of its own.
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let config = IdpConfig::builder(EntityId::try_new("http://idp.localhost/metadata").unwrap())
            .sso_endpoint(SsoEndpoint::redirect(SSO).unwrap())
            .sso_endpoint(SsoEndpoint::post(SSO).unwrap())
            .name_id_format(NameIdFormat::EmailAddress)
            .credentials(Credentials {
                signing_key: Some(PrivateKeyPem::new(key.serialize_pem())),
                signing_certificate: Some(CertificatePem::new(certificate.pem())),
                ..Credentials::default()
            })
            .validation(IdpValidationPolicy::recommended())
            .build()
            .unwrap();
        Self { saml: Saml::idp(config).unwrap() }
    }

    /// Answers the request that `page` carries. The fields are what a browser would post to the service.
    pub(crate) fn answer(&self, page: &Page, sp_metadata: &str) -> Vec<(String, String)> {
        let sp = SpDescriptor::from_metadata_xml(sp_metadata, MetadataTrustPolicy::UnsignedForCompatibility).unwrap();
        let context = SamlValidationContext::new(SystemTime::now(), ReplayPolicy::DisabledForCompatibility);
        let request = self.saml.receive_sso(&sp, request(page), context).unwrap();
        let anna = NameId::new("anna@acme.example", Some(NameIdFormat::EmailAddress));
        let response =
            self.saml.respond_sso(&sp, &request, Subject::new(anna, Vec::new()), RespondSso::post()).unwrap();
        let form = response.post_form().unwrap();
        form.fields().iter().map(|f| (f.name().to_owned(), f.value().to_owned())).collect()
    }
}

/// The request in a redirect, or in a form.
fn request(page: &Page) -> BrowserInput<AuthnRequest> {
    if let Some(location) = &page.location {
        assert!(location.starts_with(SSO), "{location}");
        return BrowserInput::<AuthnRequest>::redirect(location.split_once('?').unwrap().1);
    }
    assert!(page.body.contains(&format!("action=\"{SSO}\"")), "{}", page.body);
    let fields = page.body.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        FormField::new(name, rest.split_once('"').unwrap().0)
    });
    BrowserInput::<AuthnRequest>::post(fields.collect())
}

/// The service, stopped when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) secret: String,
    pub(crate) acs: String,
    pub(crate) metadata: String,
}

impl Service {
    /// Starts it, hands it `issuer`'s metadata once its own is written, and waits for its line.
    pub(crate) fn start(issuer: &Issuer, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (own, idp) = (folder.path().join("sp.xml"), folder.path().join("idp.xml"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_demo-service"))
            .args(["--listen", "127.0.0.1:0"])
            .arg("--metadata-out")
            .arg(&own)
            .arg("--idp-metadata")
            .arg(&idp)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::fs::write(&idp, issuer.saml.metadata_xml()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let secret = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).to_owned();
        let metadata = std::fs::read_to_string(&own).unwrap();
        Self { child, acs: secret.replace("/secret", "/saml/acs"), secret, metadata }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
