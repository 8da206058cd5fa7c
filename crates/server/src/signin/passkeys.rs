//! Passkeys: what a browser is asked, and whether its answer holds (WebAuthn).
//!
//! Owns the relying party's name, the options for `navigator.credentials` and the check of what comes back. Must not know pages or rows: what is
//! to be remembered between question and answer is a text that the caller seals, and a passkey is one that the directory keeps.
//!
//! A passkey is discoverable, so that nobody has to type a name, and the person is always verified (by fingerprint, face or PIN). The list of
//! passkeys that would do is never sent to a browser that has not signed in: it would tell who is here and who is not.

use latchkey_directory::credentials::{NewPasskey, StoredPasskey};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Uuid, Webauthn, WebauthnBuilder,
};

/// The longest answer of a browser, characters.
const LONGEST: usize = 16 * 1024;

/// The relying party; none where the cloud has no name that passkeys can be for.
pub struct Passkeys(Option<Webauthn>);

/// A question to a browser.
pub struct Question {
    /// The options, JSON as `PublicKeyCredential.parse…OptionsFromJSON` reads it.
    pub options: String,
    /// What is needed to check the answer, JSON. Not for the browser's eyes but under a seal.
    pub state: String,
}

/// Why an answer does not count. For the administrator.
#[derive(Debug, thiserror::Error)]
pub enum NotAPasskey {
    /// This cloud has no name that passkeys can be for.
    #[error("passkeys need a host name: this cloud is reached by an address")]
    NoName,
    /// The answer, or what was remembered for it, is not what it should be.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// It does not hold.
    #[error("the passkey's answer does not hold: {0}")]
    Refused(String),
}

impl From<serde_json::Error> for NotAPasskey {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<webauthn_rs::prelude::WebauthnError> for NotAPasskey {
    fn from(error: webauthn_rs::prelude::WebauthnError) -> Self {
        Self::Refused(error.to_string())
    }
}

type Result<T> = std::result::Result<T, NotAPasskey>;

/// A passkey that answered.
pub struct Answer(PublicKeyCredential);

impl Answer {
    /// Reads what the browser sent.
    pub fn read(text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(NotAPasskey::Unreadable(format!("{} characters", text.len())));
        }
        Ok(Self(serde_json::from_str(text)?))
    }

    /// Which passkey, by its own id.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }
}

impl Passkeys {
    /// For the cloud that is called `iss` and reached at `origin`. The name is the host of `iss`, chosen when the cloud was made: a passkey is
    /// good for it and for what is below. If the cloud moved to an unrelated host, its passkeys are for that one.
    #[must_use]
    pub fn new(iss: &str, origin: &str) -> Self {
        Self(relying_party(iss, origin).inspect_err(|why| tracing::warn!("no passkeys: {why}")).ok())
    }

    fn party(&self) -> Result<&Webauthn> {
        self.0.as_ref().ok_or(NotAPasskey::NoName)
    }

    /// Whether there can be passkeys here.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.0.is_some()
    }

    /// Asks a browser for a new passkey of this user, who has these already.
    pub fn ask_new(
        &self,
        user_id: &str,
        login_name: &str,
        display_name: &str,
        there: &[StoredPasskey],
    ) -> Result<Question> {
        let there: Vec<CredentialID> = there.iter().filter_map(|row| Some(read(row).ok()?.cred_id().clone())).collect();
        let user = handle(user_id)?;
        let (options, state) = self.party()?.start_passkey_registration(user, login_name, display_name, Some(there))?;
        let mut options = serde_json::to_value(options.public_key)?;
        // One that nobody can find without a name being typed is no passkey.
        options["authenticatorSelection"]["residentKey"] = Value::from("required");
        options["authenticatorSelection"]["requireResidentKey"] = Value::from(true);
        Ok(Question { options: options.to_string(), state: serde_json::to_string(&state)? })
    }

    /// The new passkey, if the browser's answer holds.
    pub fn new_passkey(&self, state: &str, answer: &str, name: &str) -> Result<NewPasskey> {
        if answer.len() > LONGEST {
            return Err(NotAPasskey::Unreadable(format!("{} characters", answer.len())));
        }
        let state: PasskeyRegistration = serde_json::from_str(state)?;
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer)?;
        let passkey = self.party()?.finish_passkey_registration(&answer, &state)?;
        Ok(NewPasskey {
            name: name.to_owned(),
            credential_id: passkey.cred_id().to_vec(),
            passkey: serde_json::to_string(&passkey)?,
        })
    }

    /// Asks a browser for any passkey of this cloud.
    pub fn ask(&self) -> Result<Question> {
        let (options, state) = self.party()?.start_discoverable_authentication()?;
        let options = serde_json::to_string(&options.public_key)?;
        Ok(Question { options, state: serde_json::to_string(&state)? })
    }

    /// Whether the answer holds for this passkey. Answers what to keep of it from now on, if that changed.
    pub fn check(&self, state: &str, answer: &Answer, stored: &StoredPasskey) -> Result<Option<String>> {
        let party = self.party()?;
        let state: DiscoverableAuthentication = serde_json::from_str(state)?;
        let (user, _) = party.identify_discoverable_authentication(&answer.0)?;
        if user != handle(&stored.user_id)? {
            return Err(NotAPasskey::Refused("the passkey is kept for another user".to_owned()));
        }
        let mut passkey = read(stored)?;
        let result = party.finish_discoverable_authentication_v2(&answer.0, state, DiscoverableKey::from(&passkey))?;
        if !result.user_verified() {
            return Err(NotAPasskey::Refused("the authenticator did not verify the person".to_owned()));
        }
        let changed = passkey.update_credential(&result).unwrap_or(false);
        Ok(if changed { Some(serde_json::to_string(&passkey)?) } else { None })
    }
}

fn relying_party(iss: &str, origin: &str) -> std::result::Result<Webauthn, String> {
    let origin: Url = origin.parse().map_err(|error| format!("{origin}: {error}"))?;
    let host = origin.domain().ok_or_else(|| format!("{origin} has an address, not a name"))?.to_owned();
    let named = iss.parse::<Url>().ok().and_then(|iss| iss.domain().map(str::to_owned));
    let is_below = |name: &String| host == *name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    let id = named.filter(is_below).unwrap_or(host);
    let builder = WebauthnBuilder::new(&id, &origin).map_err(|error| error.to_string())?;
    builder.rp_name("Latchkey").build().map_err(|error| error.to_string())
}

fn read(stored: &StoredPasskey) -> Result<Passkey> {
    Ok(serde_json::from_str(&stored.passkey)?)
}

/// What an authenticator remembers a user by.
fn handle(user_id: &str) -> Result<Uuid> {
    user_id.parse().map_err(|_| NotAPasskey::Unreadable(format!("the user's id {user_id} is no UUID")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::signin::authenticator::Authenticator;

    const ORIGIN: &str = "https://id.acme.example:8443";
    const USER: &str = "0199c0de-0000-7000-8000-0000000000aa";

    fn passkeys() -> Passkeys {
        Passkeys::new(ORIGIN, ORIGIN)
    }

    /// An authenticator with a passkey, and that passkey as it is kept.
    fn made() -> (Authenticator, StoredPasskey) {
        let question = passkeys().ask_new(USER, "anna@acme.example", "Anna", &[]).unwrap();
        let mut authenticator = Authenticator::new(ORIGIN);
        let new = passkeys().new_passkey(&question.state, &authenticator.create(&question.options), "laptop").unwrap();
        let stored = StoredPasskey { id: "k".into(), user_id: USER.into(), passkey: new.passkey };
        (authenticator, stored)
    }

    #[test]
    fn a_passkey_answers_without_a_name_and_each_question_once() {
        let (mut authenticator, stored) = made();
        let [first, second] = [0, 1].map(|_| passkeys().ask().unwrap());
        assert!(!first.options.contains("allowCredentials\":[{"), "nobody's passkeys are named: {}", first.options);
        let answer = Answer::read(&authenticator.get(&first.options)).unwrap();
        let kept = passkeys().check(&first.state, &answer, &stored).unwrap().expect("its count went up");
        assert!(passkeys().check(&second.state, &answer, &stored).is_err(), "an answer to another question");
        let stored = StoredPasskey { passkey: kept, ..stored };
        assert!(passkeys().check(&first.state, &answer, &stored).is_err(), "the count did not go up: a copy");
    }

    #[test]
    fn another_site_another_user_or_an_absent_person_does_not_hold() {
        let (mut authenticator, stored) = made();
        let question = passkeys().ask().unwrap();
        let mut phishing = authenticator.clone();
        phishing.origin = "https://id.acme.example.evil.test".into();
        let answer = Answer::read(&phishing.get(&question.options)).unwrap();
        assert!(passkeys().check(&question.state, &answer, &stored).is_err());
        let mut unverified = authenticator.clone();
        unverified.verifies = false;
        let answer = Answer::read(&unverified.get(&question.options)).unwrap();
        assert!(passkeys().check(&question.state, &answer, &stored).is_err());
        let other = StoredPasskey { user_id: "0199c0de-0000-7000-8000-0000000000bb".into(), ..stored.clone() };
        let answer = Answer::read(&authenticator.get(&question.options)).unwrap();
        assert!(passkeys().check(&question.state, &answer, &other).is_err());
        assert!(passkeys().check(&question.state, &answer, &stored).is_ok());
    }

    #[test]
    fn the_name_is_chosen_once_and_an_address_has_none() {
        let id = |iss: &str, origin: &str| {
            let question = Passkeys::new(iss, origin).ask().ok()?;
            let options: Value = serde_json::from_str(&question.options).unwrap();
            options["rpId"].as_str().map(str::to_owned)
        };
        assert_eq!(id("https://acme.example", "https://id.acme.example").as_deref(), Some("acme.example"));
        assert_eq!(id("https://old.example", "https://id.acme.example").as_deref(), Some("id.acme.example"));
        assert_eq!(id("https://cme.example", "https://acme.example").as_deref(), Some("acme.example"));
        assert_eq!(id("http://localhost:8470", "http://localhost:8470").as_deref(), Some("localhost"));
        assert_eq!(id("https://192.0.2.1", "https://192.0.2.1"), None);
    }

    #[test]
    fn a_new_passkey_is_discoverable_and_not_made_twice() {
        let (_, stored) = made();
        let question = passkeys().ask_new(USER, "anna@acme.example", "Anna", &[stored]).unwrap();
        let options: Value = serde_json::from_str(&question.options).unwrap();
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1));
        assert!(question.state.len() < 1500, "it goes under the seal of a form: {}", question.state.len());
        assert!(passkeys().ask().unwrap().state.len() < 600);
    }
}
