//! What a service learns about a person: NameID and attributes.
//!
//! Owns the facts that a mapping may name, the pairwise identifier, and what the request may ask for. Must not know responses.

use aws_lc_rs::hmac;
use latchkey_directory::records::User;
use latchkey_saml::attributes::{Facts, ReleasedAttribute};
use latchkey_saml::name_id::{NameId, NameIdFormat};
use latchkey_saml::names::StatusCode;
use latchkey_saml::request::{RequestFacts, SubjectHint};

use super::known::{NameIdSetting, SamlSettings};

/// The fact that holds the user's groups; reading them costs a question more.
pub const GROUPS: &str = "groups";

/// Why this person cannot be told to this service as it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Stable code of the SAML library.
    pub code: &'static str,
    /// The second-level status for the service.
    pub status: StatusCode,
    /// For the administrator.
    pub detail: String,
}

impl Unfit {
    /// The top-level status: whether what the request names cannot be met, or we will not (core 3.2.2.2).
    #[must_use]
    pub const fn top(&self) -> StatusCode {
        match self.status {
            StatusCode::InvalidNameIdPolicy | StatusCode::UnknownPrincipal => StatusCode::Requester,
            _ => StatusCode::Responder,
        }
    }
}

/// Whether an answer to this service needs the user's groups.
#[must_use]
pub fn needs_groups(settings: &SamlSettings) -> bool {
    settings.mapping.rules().iter().any(|rule| rule.source == GROUPS)
        || settings.name_id == NameIdSetting::Unspecified(GROUPS.to_owned())
}

/// The values of one fact.
#[must_use]
pub fn fact(user: &User, groups: &[String], source: &str) -> Vec<String> {
    let one = |value: &Option<String>| value.iter().cloned().collect();
    match source {
        // Everybody has a login name that is an address; services that want one fail without it.
        "mail" if user.emails.is_empty() => vec![user.login_name.clone()],
        "mail" => user.emails.0.clone(),
        "displayName" => match (&user.display_name, &user.given_name, &user.family_name) {
            (Some(name), _, _) => vec![name.clone()],
            (None, Some(given), Some(family)) => vec![format!("{given} {family}")],
            (None, given, family) => given.iter().chain(family).cloned().collect(),
        },
        "givenName" => one(&user.given_name),
        "sn" => one(&user.family_name),
        "uid" => user.login_name.split_once('@').map(|(local, _)| local.to_owned()).into_iter().collect(),
        "loginName" => vec![user.login_name.clone()],
        "department" => one(&user.department),
        GROUPS => groups.to_vec(),
        "userId" => vec![user.id.clone()],
        other => user.attributes.get(other).cloned().unwrap_or_default(),
    }
}

/// The attributes to release.
#[must_use]
pub fn attributes(settings: &SamlSettings, user: &User, groups: &[String]) -> Vec<ReleasedAttribute> {
    let mut facts = Facts::new();
    for rule in settings.mapping.rules() {
        facts.entry(rule.source.clone()).or_insert_with(|| fact(user, groups, &rule.source));
    }
    settings.mapping.release(&facts)
}

/// The pairwise identifier: of this user at this service, the same for ever, and of no use to anybody else.
#[must_use]
pub fn pairwise(secret: &[u8; 32], user_id: &str, entity_id: &str) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    // Lengths stand in front, so that no two pairs give the same bytes.
    for part in ["latchkey-pairwise-v1", user_id, entity_id] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    data_encoding::BASE32_NOPAD.encode(context.sign().as_ref()).to_ascii_lowercase()
}

/// The identifier for this person at this service, as setting and request want it.
///
/// An opaque identifier (persistent, transient) is given whenever it is asked for, since it tells less than any setting. The others only
/// where the administrator set them.
pub fn name_id(
    settings: &SamlSettings,
    request: Option<&RequestFacts>,
    user: &User,
    groups: &[String],
    entity_id: &str,
    secret: &[u8; 32],
) -> Result<NameId, Unfit> {
    let asked = request.and_then(|facts| facts.name_id_format);
    let format = match asked {
        None => settings.name_id.format(),
        Some(opaque @ (NameIdFormat::Persistent | NameIdFormat::Transient)) => opaque,
        Some(format) if format == settings.name_id.format() => format,
        Some(format) => {
            return Err(Unfit {
                code: "LK-SAML-026",
                status: StatusCode::InvalidNameIdPolicy,
                detail: format!(
                    "the request asks for {}, the service is set to {}",
                    format.name(),
                    settings.name_id.format().name()
                ),
            });
        }
    };
    let value = match (format, &settings.name_id) {
        (NameIdFormat::Email, _) => user.login_name.clone(),
        (NameIdFormat::Persistent, _) => pairwise(secret, &user.id, entity_id),
        (NameIdFormat::Transient, _) => transient(),
        (NameIdFormat::Unspecified, NameIdSetting::Unspecified(source)) => {
            let found = fact(user, groups, source).into_iter().find(|value| !value.is_empty());
            found.ok_or_else(|| Unfit {
                code: "LK-SAML-029",
                status: StatusCode::RequestDenied,
                detail: format!("{} has no {source}, which is this service's NameID", user.login_name),
            })?
        }
        (NameIdFormat::Unspecified, _) => user.login_name.clone(),
    };
    if let Some(hint) = request.and_then(|facts| facts.subject.as_ref()) {
        is_subject(hint, &value, user, entity_id, secret)?;
    }
    Ok(NameId { format, value })
}

/// Core 3.3.4: a request that names its subject is answered about that one or not at all.
fn is_subject(hint: &SubjectHint, value: &str, user: &User, entity_id: &str, secret: &[u8; 32]) -> Result<(), Unfit> {
    let format = hint.format.as_deref().map_or(Some(NameIdFormat::Unspecified), NameIdFormat::from_uri);
    let same = match format {
        Some(NameIdFormat::Email) => hint.value.eq_ignore_ascii_case(&user.login_name),
        Some(NameIdFormat::Persistent) => hint.value == pairwise(secret, &user.id, entity_id),
        Some(NameIdFormat::Unspecified) => hint.value == value || hint.value.eq_ignore_ascii_case(&user.login_name),
        // A transient identifier of ours is forgotten when it was given out; an unknown format names nobody.
        Some(NameIdFormat::Transient) | None => false,
    };
    if same {
        return Ok(());
    }
    Err(Unfit {
        code: "LK-SAML-029",
        status: StatusCode::UnknownPrincipal,
        detail: format!("the request is about somebody else than {}", user.login_name),
    })
}

fn transient() -> String {
    data_encoding::BASE32_NOPAD.encode(&*latchkey_wire::sign::random_bytes::<20>()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use latchkey_directory::services::ServiceSettings;
    use latchkey_directory::value::Json;
    use latchkey_directory::values::{UserSource, UserStatus};
    use latchkey_directory::{OrgId, Timestamp};

    use super::*;

    fn anna() -> User {
        User {
            org: OrgId::cloud(),
            id: "u1".into(),
            login_name: "anna@acme.example".into(),
            login_key: "anna@acme.example".into(),
            display_name: None,
            given_name: Some("Anna".into()),
            family_name: Some("Berg".into()),
            emails: Json(Vec::new()),
            department: None,
            status: UserStatus::Active,
            protected: false,
            source: UserSource::Local,
            attributes: Json(BTreeMap::from([("employeeNumber".into(), vec!["7".into()])])),
            taken_at: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            deleted_at: None,
        }
    }

    fn settings(name_id: &str) -> SamlSettings {
        SamlSettings::parse(&ServiceSettings { name_id: name_id.into(), ..ServiceSettings::default() }).unwrap()
    }

    fn request(more: &serde_json::Value) -> RequestFacts {
        let mut facts = serde_json::json!({"i": "_1", "e": "https://sp", "a": "https://sp/acs"});
        facts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(facts).unwrap()
    }

    fn of(settings: &SamlSettings, request: Option<&RequestFacts>) -> Result<NameId, Unfit> {
        name_id(settings, request, &anna(), &[], "https://sp", &[7; 32])
    }

    #[test]
    fn the_setting_decides_unless_something_opaque_is_asked_for() {
        assert_eq!(of(&settings("email"), None).unwrap().value, "anna@acme.example");
        assert_eq!(of(&settings("unspecified:employeeNumber"), None).unwrap().value, "7");
        assert_eq!(of(&settings("unspecified:nothing"), None).unwrap_err().status, StatusCode::RequestDenied);
        let persistent = request(&serde_json::json!({"n": "persistent"}));
        let given = of(&settings("email"), Some(&persistent)).unwrap();
        assert_eq!((given.format, given.value.len()), (NameIdFormat::Persistent, 52));
        assert_eq!(given, of(&settings("persistent"), None).unwrap());
        let email = request(&serde_json::json!({"n": "email"}));
        assert_eq!(of(&settings("persistent"), Some(&email)).unwrap_err().status, StatusCode::InvalidNameIdPolicy);
        let [one, other] = [0, 1].map(|_| of(&settings("transient"), None).unwrap().value);
        assert_ne!(one, other);
    }

    #[test]
    fn a_pairwise_identifier_differs_by_user_service_and_secret() {
        let base = pairwise(&[7; 32], "u1", "https://sp");
        assert_eq!(base, pairwise(&[7; 32], "u1", "https://sp"));
        assert_ne!(base, pairwise(&[7; 32], "u2", "https://sp"));
        assert_ne!(base, pairwise(&[7; 32], "u1", "https://other"));
        assert_ne!(base, pairwise(&[8; 32], "u1", "https://sp"));
        assert_ne!(pairwise(&[7; 32], "u1h", "ttps://sp"), base);
    }

    #[test]
    fn a_request_about_somebody_else_is_not_answered() {
        let about = |value: &str, format: Option<&str>| {
            let mut hint = serde_json::json!({"v": value});
            if let Some(format) = format {
                hint["f"] = format.into();
            }
            of(&settings("email"), Some(&request(&serde_json::json!({"s": hint})))).map(drop).map_err(|e| e.status)
        };
        let email = Some(NameIdFormat::Email.uri());
        assert_eq!(about("Anna@acme.example", email), Ok(()));
        assert_eq!(about("anna@acme.example", None), Ok(()));
        assert_eq!(about(&pairwise(&[7; 32], "u1", "https://sp"), Some(NameIdFormat::Persistent.uri())), Ok(()));
        for (value, format) in [
            ("ben@acme.example", email),
            ("ben@acme.example", None),
            ("anna@acme.example", Some(NameIdFormat::Transient.uri())),
            ("anna@acme.example", Some("urn:made-up")),
        ] {
            assert_eq!(about(value, format), Err(StatusCode::UnknownPrincipal), "{value} {format:?}");
        }
    }

    #[test]
    fn only_what_is_mapped_is_released() {
        let released = attributes(&settings("email"), &anna(), &[]);
        let names: Vec<_> =
            released.iter().map(|a| (a.friendly_name.as_deref().unwrap(), a.values.join(","))).collect();
        let wanted =
            [("mail", "anna@acme.example"), ("displayName", "Anna Berg"), ("givenName", "Anna"), ("sn", "Berg")];
        assert_eq!(names, wanted.map(|(name, value)| (name, value.to_owned())));
    }
}
