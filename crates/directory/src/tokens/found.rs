//! Which token is this string?
//!
//! Owns finding a token in a text by its check sum, and comparing its public key with the one that is kept. Nothing of the text is kept.

use latchkey_wire::{Code, DeviceToken as Credential, TokenError};
use serde::Serialize;
use utoipa::ToSchema;

use super::{TokenView, view};
use crate::id::OrgId;
use crate::records::DeviceToken;
use crate::scope::Org;
use crate::{Directory, Error, Result};

/// What a string turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Identified {
    /// The token's limits, uses and state.
    #[serde(flatten)]
    pub token: TokenView,
    /// Whether the string is really this token: its key is the one that was made. If not, somebody made a string up.
    pub genuine: bool,
    /// What still stops it, as the codes a device would be told.
    #[schema(value_type = Vec<String>)]
    pub not_accepted_because: Vec<Code>,
}

/// The first token in a text: the whole text, or a word of it.
fn credential(text: &str) -> Result<Credential, TokenError> {
    let whole = Credential::parse(text);
    if whole.is_ok() {
        return whole;
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !word(c)).filter(|word| word.to_ascii_lowercase().starts_with("lkdt"));
    let mut error = None;
    for candidate in words {
        match Credential::parse(candidate) {
            Ok(credential) => return Ok(credential),
            Err(why) => error = error.or(Some(why)),
        }
    }
    match error {
        Some(error) => Err(error),
        None => whole,
    }
}

impl Directory {
    /// Which of the organization's tokens stands in this text.
    pub async fn identify_token(&self, org: &OrgId, text: &str) -> Result<Identified> {
        let credential =
            credential(text).map_err(|error| Error::Refused { code: error.code(), detail: error.to_string() })?;
        let (id, key) = (credential.id().clone(), credential.public_key());
        let org = org.clone();
        self.read(move |tx| {
            let found: Option<DeviceToken> = Org::of(tx, &org).get(id.as_str())?;
            let row = found.ok_or_else(|| Error::not_found("device token", format!("{id} in this organization")))?;
            let genuine = row.public_key.0 == key;
            let not_accepted_because = super::watch::obstacles(tx, &org, &row)?;
            Ok(Identified { token: view(tx, row)?, genuine, not_accepted_because })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_wire::Pin;

    #[test]
    fn a_token_is_found_in_a_script() {
        let token = Credential::generate(Pin::of(&[1; 32]));
        let text = format!("msiexec /i latchkey.msi TOKEN=\"{}\" /qn", token.expose().as_str());
        assert_eq!(credential(&text).ok().unwrap().id(), token.id());
        assert_eq!(credential("no token here").err().unwrap(), TokenError::Placeholder);
    }
}
