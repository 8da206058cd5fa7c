//! The service's side of SAML, as saml-rs does it: own key and metadata, requests out, responses in.
//! Must not know HTTP, cookies or pages.

use std::time::{Duration, SystemTime};

use saml_rs::{
    AcsEndpoint, AssertionSignaturePolicy, AudienceValidationPolicy, AuthnRequest, AuthnRequestSigningPolicy,
    BrowserInput, CertificatePem, ClockSkew, Credentials, EntityId, FormField, IdpDescriptor, MetadataTrustPolicy,
    NameIdCreationPolicy, NameIdFormat, PendingAuthnRequest, PrivateKeyPem, RelayStateParam, ReplayCache, ReplayPolicy,
    Saml, SamlError, SamlValidationContext, Sp, SpConfig, SpValidationPolicy, SsoResponse, SsoSession, StartSso,
    Started, XmlSignatureProfile,
};

use crate::options::{Binding, NameId, Options, Requests};

/// How far the identity provider's clock may be off.
const SKEW_MS: i64 = 60_000;

/// The service could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("the key could not be made: {0}")]
    Key(#[from] rcgen::Error),
    #[error("the identity provider's metadata was not understood: {0}")]
    Metadata(SamlError),
    #[error("the SAML library refused the configuration: {0}")]
    Saml(#[from] SamlError),
}

/// The service before it knows an identity provider.
pub(crate) struct Service {
    saml: Saml<Sp>,
    binding: Binding,
    requests: Requests,
}

impl Service {
    /// Makes key, certificate and configuration for a service at `origin`.
    pub(crate) fn new(origin: &str, options: &Options) -> Result<Self, SetupError> {
        let mut config = SpConfig::builder(EntityId::try_new(format!("{origin}/saml/metadata"))?)
            .acs_endpoint(AcsEndpoint::post(format!("{origin}/saml/acs"))?)
            .name_id_format(match options.name_id {
                NameId::Email => NameIdFormat::EmailAddress,
                NameId::Persistent => NameIdFormat::Persistent,
                NameId::Transient => NameIdFormat::Transient,
                NameId::Unspecified => NameIdFormat::Unspecified,
            })
            .validation(validation(options.requests));
        config = config.credentials(credentials()?);
        Ok(Self { saml: Saml::sp(config.build()?)?, binding: options.binding, requests: options.requests })
    }

    /// What the identity provider has to be told.
    pub(crate) fn metadata(&self) -> &str {
        self.saml.metadata_xml()
    }

    /// Meets the identity provider. Its metadata comes as a file from whoever starts the service, who vouches for it; a
    /// signature on it is not looked at.
    pub(crate) fn meet(self, idp_metadata: &str) -> Result<Provider, SetupError> {
        let metadata = with_wanted_signature(idp_metadata, self.requests == Requests::Signed);
        let idp = IdpDescriptor::from_metadata_xml(&metadata, MetadataTrustPolicy::UnsignedForCompatibility)
            .map_err(SetupError::Metadata)?;
        Ok(Provider { saml: self.saml, binding: self.binding, idp })
    }
}

/// Everything the library can be asked to be strict about.
fn validation(requests: Requests) -> SpValidationPolicy {
    SpValidationPolicy {
        assertions: AssertionSignaturePolicy::RequireSigned,
        xml_signatures: XmlSignatureProfile::StrictRsaSha2,
        audience: AudienceValidationPolicy::Validate,
        authn_requests: match requests {
            Requests::Signed => AuthnRequestSigningPolicy::Sign,
            Requests::Unsigned => AuthnRequestSigningPolicy::DoNotSignForCompatibility,
        },
        name_id_creation: NameIdCreationPolicy::AllowCreate,
        ..SpValidationPolicy::recommended()
    }
}

fn credentials() -> Result<Credentials, rcgen::Error> {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Latchkey demonstration service");
    let certificate = params.self_signed(&key)?;
    Ok(Credentials {
        signing_key: Some(PrivateKeyPem::new(key.serialize_pem())),
        signing_certificate: Some(CertificatePem::new(certificate.pem())),
        ..Credentials::default()
    })
}

/// The metadata with `WantAuthnRequestsSigned` as the service does it. saml-rs refuses to sign for a provider that takes
/// unsigned requests as well, which is no contradiction: the flag says what is demanded, not what is accepted. A service
/// that does not sign keeps the provider's demand, so that the library's refusal tells of a real conflict.
fn with_wanted_signature(metadata: &str, signed: bool) -> String {
    const FLAG: &str = "WantAuthnRequestsSigned=";
    if !signed {
        return metadata.to_owned();
    }
    if let Some(at) = metadata.find(FLAG) {
        let (before, rest) = metadata.split_at(at + FLAG.len());
        let mut parts = rest.splitn(3, ['"', '\'']);
        if let (Some(""), Some(_), Some(after)) = (parts.next(), parts.next(), parts.next()) {
            return format!("{before}\"true\"{after}");
        }
    }
    metadata.replacen("IDPSSODescriptor ", "IDPSSODescriptor WantAuthnRequestsSigned=\"true\" ", 1)
}

/// The service and its identity provider.
pub(crate) struct Provider {
    saml: Saml<Sp>,
    binding: Binding,
    idp: IdpDescriptor,
}

impl Provider {
    /// The identity provider's name.
    pub(crate) fn idp(&self) -> &str {
        self.idp.entity_id().as_str()
    }

    /// The service's own metadata.
    pub(crate) fn metadata(&self) -> &str {
        self.saml.metadata_xml()
    }

    /// A request to the identity provider, which is to come back with `relay_state`.
    pub(crate) fn start(&self, relay_state: &str) -> Result<Started<AuthnRequest>, SamlError> {
        let start = match self.binding {
            Binding::Redirect => StartSso::redirect(),
            Binding::Post => StartSso::post(),
        };
        let relay_state = RelayStateParam::try_from_option(Some(relay_state))?;
        self.saml.start_sso(&self.idp, start.relay_state(relay_state).apply_web_browser_sso_generation_rules())
    }

    /// Checks the answer to `pending`: signature, issuer, destination, recipient, audience, times, `InResponseTo`, and by
    /// `seen` that it comes for the first time.
    pub(crate) fn finish(
        &self,
        pending: &PendingAuthnRequest,
        fields: Vec<FormField>,
        now: SystemTime,
        seen: &mut dyn ReplayCache,
    ) -> Result<SsoSession, SamlError> {
        let context = SamlValidationContext::new(now, ReplayPolicy::RequireCache(seen))
            .with_clock_skew(ClockSkew::from_millis(-SKEW_MS, SKEW_MS))
            .with_replay_retention(Duration::from_secs(3600));
        self.saml.finish_sso(&self.idp, pending, BrowserInput::<SsoResponse>::post(fields), context)
    }
}

#[cfg(test)]
mod tests {
    use super::with_wanted_signature;

    #[test]
    fn a_service_that_signs_reads_metadata_as_wanting_signatures() {
        let wants = r#"<md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="p">"#;
        let other = r#"<md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="p">"#;
        let silent = r#"<md:IDPSSODescriptor protocolSupportEnumeration="p">"#;
        for metadata in [wants, other, silent] {
            assert_eq!(with_wanted_signature(metadata, true), wants);
            assert_eq!(with_wanted_signature(metadata, false), metadata);
        }
    }
}
