//! What a code means, and what happened under a reference: whose fault it is and how to mend it. Portal, REST and command line say the same.
//!
//! Owns the explanation. Must not know who asks.

use latchkey_directory::Error;
use latchkey_directory::OrgId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::code::{Code, Own};
use crate::problem::{Problem, Result};

/// An explanation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// The code.
    pub code: String,
    /// What it means.
    pub title: String,
    /// Whose turn it is: `administrator`, `device`, `service`, `operator` or `caller`.
    pub fault: &'static str,
    /// How to mend it.
    pub fix: String,
    /// What the person in front of the device reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The reference that was asked for.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it happened, RFC 3339; the first of its minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The token, device or service it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The full reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many times within that minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// From which network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A code or a reference, explained. `beyond` is where else to look for a reference: the operator's own place.
pub async fn explain(app: &App, org: &OrgId, beyond: Option<&OrgId>, what: &str) -> Result<Explanation> {
    let what = what.trim();
    if let Ok(code) = what.to_ascii_uppercase().parse::<Code>() {
        return Ok(of_code(code.as_str(), Some(code)));
    }
    if let Some((detail, fix)) = nowhere(what) {
        return Err(Problem::not_found().detail(detail).fix(fix));
    }
    let mut found = app.directory.refusal_under(org, what).await;
    if let (Err(Error::NotFound { .. }), Some(beyond)) = (&found, beyond) {
        found = app.directory.refusal_under(beyond, what).await;
    }
    let refusal = found.map_err(|error| match error {
        Error::NotFound { .. } => Problem::not_found().detail(format!("nothing is recorded under {what}")).fix(format!(
            "refusals of devices, sign-ins and changes are recorded; a mistake in a call (LK-API-…, LK-AUTH-…, LK-HOST-001) is only in the \
             server's log, so look there for ref={what}; its code is explained by: latchkey explain CODE"
        )),
        error => error.into(),
    })?;
    let known = refusal.code.parse::<Code>().ok();
    Ok(Explanation {
        reference: Some(what.to_owned()),
        at: Some(refusal.at.to_string()),
        action: refusal.action,
        subject: Some(refusal.subject).filter(|subject| !subject.is_empty()),
        detail: Some(refusal.detail).filter(|detail| !detail.is_empty()),
        count: Some(refusal.count),
        network: Some(refusal.network).filter(|network| !network.is_empty()),
        ..of_code(&refusal.code, known)
    })
}

/// Why nothing can be known of what looks like a code or a reference: what is wrong, and where to look instead.
#[must_use]
pub fn nowhere(what: &str) -> Option<(String, &'static str)> {
    let upper = what.to_ascii_uppercase();
    if upper.starts_with("LOCAL-") {
        return Some((
            format!("{what} was made by the program that printed it; no server knows it"),
            "see the words beside it, or the log on that machine; its code is explained by: latchkey explain CODE",
        ));
    }
    (upper.starts_with("LK-") && upper.parse::<Code>().is_err()).then(|| {
        (
            format!("{what} is no code of this version"),
            "see /docs/errors for the codes there are; a newer version may have more",
        )
    })
}

/// What a code means, for whoever asks without a server.
#[must_use]
pub fn code(code: Code) -> serde_json::Value {
    // The struct has nothing that could not be written.
    serde_json::to_value(of_code(code.as_str(), Some(code))).unwrap_or_default()
}

/// What a code means.
#[must_use]
pub fn of_code(text: &str, code: Option<Code>) -> Explanation {
    let person = match code {
        Some(Code::Shared(code)) => Some(code.person().to_owned()),
        Some(Code::Saml(entry)) => Some(entry.person.to_owned()),
        Some(Code::Own(_) | Code::OnDevice(_) | Code::Option(_)) | None => None,
    };
    Explanation {
        code: text.to_owned(),
        title: code.map_or("a code of another version", Code::title).to_owned(),
        fault: fault(text, code),
        fix: code.map_or("see the reference of that version", Code::fix).to_owned(),
        person,
        reference: None,
        at: None,
        action: None,
        subject: None,
        detail: None,
        count: None,
        network: None,
    }
}

/// Whose turn it is. Follows from the code's area; a few within an area are somebody else's.
fn fault(text: &str, code: Option<Code>) -> &'static str {
    match code {
        Some(Code::Saml(_)) => "service",
        Some(Code::Own(Own::Api500)) => "operator",
        Some(Code::Own(_)) => "caller",
        Some(Code::OnDevice(
            latchkey_wire::code::OnDevice::ServiceRefused | latchkey_wire::code::OnDevice::Stopped,
        )) => "service",
        _ => match text.split('-').nth(1).unwrap_or_default() {
            "NODE" | "CLOUD" => "operator",
            "CONN" | "OPTION" | "TOKEN" | "NONCE" | "DEVICE" => "device",
            "API" | "AUTH" | "HOST" => "caller",
            _ => "administrator",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_owner_and_a_way_out() {
        for code in Code::all() {
            let explanation = of_code(code.as_str(), Some(code));
            assert!(!explanation.fix.is_empty() && !explanation.title.is_empty(), "{code}");
            assert_eq!(explanation.person.is_some(), matches!(code, Code::Shared(_) | Code::Saml(_)), "{code}");
            // Whoever explains a code has read this already.
            assert!(!explanation.fix.starts_with("latchkey explain"), "{code}");
        }
        assert_eq!(of_code("LK-SAML-011", "LK-SAML-011".parse().ok()).fault, "service");
        assert_eq!(of_code("LK-CONN-012", "LK-CONN-012".parse().ok()).fault, "device");
        assert_eq!(of_code("LK-NODE-001", "LK-NODE-001".parse().ok()).fault, "operator");
        assert_eq!(of_code("LK-OPTION-002", "LK-OPTION-002".parse().ok()).fault, "device");
        assert_eq!(of_code("LK-CONN-018", "LK-CONN-018".parse().ok()).fault, "service");
        assert_eq!(of_code("LK-FUTURE-1", None).title, "a code of another version");
    }
}
