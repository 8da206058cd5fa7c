//! Making an organization: the one place that makes its keys.

use latchkey_directory::keys::{KeyView, NewKey};
use latchkey_directory::orgs::{NewOrganization, OrganizationView};
use latchkey_directory::values::KeyUse;
use latchkey_directory::{Error, Intent, OrgId, Result, Timestamp};
use latchkey_saml::SignatureAlgorithm;
use zeroize::Zeroizing;

use super::App;
use crate::enroll::certificate::generate_ca;

/// How long the self-signed certificates of SAML keys last: services trust the key, and keys are rolled through metadata.
const SAML_CERTIFICATE_YEARS: u16 = 10;

impl App {
    /// Makes an organization with its challenge, assertion, metadata and CA keys.
    pub async fn create_organization(&self, intent: &Intent, slug: String, name: String) -> Result<OrganizationView> {
        let now = self.directory.now();
        let id = OrgId::generate(now);
        let label = slug.clone();
        let org = id.clone();
        // RSA keys take a moment; a request's thread is not for that.
        let keys = tokio::task::spawn_blocking(move || new_keys(&org, &label, now))
            .await
            .map_err(|e| Error::Internal(e.to_string()))??;
        let entity_id = self.entity_id(&id);
        self.directory.create_organization(intent, NewOrganization { slug, name, id, entity_id, keys }).await
    }

    /// Adds a key to an organization: published from now on, and not used yet.
    pub async fn add_key(
        &self,
        intent: &Intent,
        organization: &OrganizationView,
        usage: KeyUse,
        algorithm: &'static str,
    ) -> Result<KeyView> {
        let (org, label, now) = (organization.id.clone(), organization.slug.clone(), self.directory.now());
        let made = tokio::task::spawn_blocking(move || new_key(usage, algorithm, &org, &label, now))
            .await
            .map_err(|e| Error::Internal(e.to_string()))??;
        let view = self.directory.add_key(intent, &organization.id, made).await?;
        self.keys.forget(&organization.id);
        Ok(view)
    }
}

/// The algorithm of a new key: the one that is named, or the one of its use.
pub fn key_algorithm(usage: KeyUse, named: Option<&str>) -> Result<&'static str> {
    let default = match usage {
        KeyUse::Assertion | KeyUse::Metadata => "rsa-2048",
        KeyUse::Ca => "p-256",
        KeyUse::Challenge | KeyUse::Root => "ed25519",
        KeyUse::Audit | KeyUse::Pairwise => {
            let detail = format!("the {usage} key is never changed: assertion, metadata, challenge, ca or root");
            return Err(Error::field("/use", detail));
        }
    };
    // Keys are named by what they sign with, and by what they are.
    let algorithm = match named {
        None => default,
        Some("rsa-sha256" | "rsa-2048") => "rsa-2048",
        Some("ecdsa-p256" | "p-256") => "p-256",
        Some("ed25519") => "ed25519",
        Some(other) => {
            return Err(Error::field("/algorithm", format!("{other:?} is not rsa-sha256 or ecdsa-p256")));
        }
    };
    let fits = algorithm == default || (usage, algorithm) == (KeyUse::Assertion, "p-256");
    if fits { Ok(algorithm) } else { Err(Error::field("/algorithm", format!("a {usage} key is {default}"))) }
}

fn new_keys(org: &OrgId, label: &str, now: Timestamp) -> Result<Vec<NewKey>> {
    Ok(vec![
        NewKey::ed25519(KeyUse::Challenge),
        new_key(KeyUse::Assertion, "rsa-2048", org, label, now)?,
        new_key(KeyUse::Assertion, "p-256", org, label, now)?,
        new_key(KeyUse::Metadata, "rsa-2048", org, label, now)?,
        new_key(KeyUse::Ca, "p-256", org, label, now)?,
    ])
}

/// Makes one key for an organization. Blocks for as long as making an RSA key takes.
///
/// # Errors
/// [`Error::Invalid`] for a use and algorithm that do not go together.
pub fn new_key(usage: KeyUse, algorithm: &str, org: &OrgId, label: &str, now: Timestamp) -> Result<NewKey> {
    let internal = |e: &dyn std::fmt::Display| Error::Internal(e.to_string());
    let saml = |algorithm: SignatureAlgorithm, name: &'static str| {
        let at = jiff::Timestamp::from_millisecond(now.millis()).map_err(|e| internal(&e))?;
        let common_name = format!("Latchkey {usage} {label}");
        let key = latchkey_saml::keys::generate(algorithm, &common_name, at, SAML_CERTIFICATE_YEARS)
            .map_err(|e| internal(&e))?;
        Ok(NewKey { usage, algorithm: name, public: key.certificate, private: key.pkcs8 })
    };
    match (usage, algorithm) {
        (KeyUse::Challenge, "ed25519") => Ok(NewKey::ed25519(usage)),
        (KeyUse::Assertion | KeyUse::Metadata, "rsa-2048") => saml(SignatureAlgorithm::RsaSha256, "rsa-2048"),
        (KeyUse::Assertion, "p-256") => saml(SignatureAlgorithm::EcdsaP256, "p-256"),
        (KeyUse::Ca, "p-256") => {
            let ca = generate_ca(org.as_str(), now.seconds()).map_err(|e| internal(&e))?;
            Ok(NewKey { usage, algorithm: "p-256", public: ca.certificate, private: Zeroizing::new(ca.pkcs8.to_vec()) })
        }
        _ => Err(Error::field(
            "/algorithm",
            format!(
                "a {usage} key is not {algorithm}: assertion rsa-2048 or p-256, metadata rsa-2048, ca p-256, challenge ed25519"
            ),
        )),
    }
}
