//! What is kept of a person's ways to sign in.
//!
//! Owns the rows. No row opens anything by itself: passwords are Argon2id hashes, one-time-password secrets are sealed with the master key,
//! recovery codes and browser cookies are hashes, passkeys are public keys.

use latchkey_wire::Bytes;

use super::password::Phc;
use crate::table::record;
use crate::time::Timestamp;
use crate::value::{Blob, Json};
use crate::values::SignInMethod;

record! {
    /// A password.
    pub struct PasswordRow in "password" key ["org", "user_id"] {
        /// Whose.
        pub user_id: String,
        /// Its hash.
        pub phc: Phc,
        /// When it was set. A sign-in that proved the one before is worth nothing.
        pub set_at: Timestamp,
        /// Whoever uses it next has to choose another.
        pub must_change: bool,
    }
}

record! {
    /// A password that a user had before: it signs nobody in, and is not used again.
    pub struct FormerPassword in "former_password" key ["org", "id"] {
        /// Begins with the time since when it is former.
        pub id: String,
        /// Whose.
        pub user_id: String,
        /// Its hash.
        pub phc: Phc,
    }
}

record! {
    /// An authenticator that makes one-time passwords (RFC 6238).
    pub struct TotpRow in "totp" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Whose.
        pub user_id: String,
        /// What its owner calls it.
        pub name: String,
        /// The shared secret, sealed with the master key.
        pub sealed: Blob,
        /// The step of the last code that was taken: one as old or older is taken no more.
        pub last_step: u64,
        /// When a first code proved that the authenticator has the secret; before that it is none.
        pub confirmed_at: Option<Timestamp>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When a code of it was last used.
        pub last_used_at: Option<Timestamp>,
    }
}

record! {
    /// A recovery code that was not used yet. Using one deletes it.
    pub struct RecoveryCodeRow in "recovery_code" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Whose.
        pub user_id: String,
        /// SHA-256 over organization, user and code.
        pub hash: Bytes<32>,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

record! {
    /// A passkey.
    pub struct PasskeyRow in "passkey" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Whose.
        pub user_id: String,
        /// SHA-256 of the credential id, which is the authenticator's; unique in the organization.
        pub credential_sha256: Bytes<32>,
        /// What its owner calls it.
        pub name: String,
        /// The public key and what is known of the authenticator, in the form of whoever checks its signatures.
        pub passkey: String,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last used.
        pub last_used_at: Option<Timestamp>,
    }
}

record! {
    /// A count of wrong attempts: of somebody from a network, from an address, or in a browser that its user is known in.
    pub struct SignInFailure in "sign_in_failure" key ["org", "id"] {
        /// What is counted, hashed.
        pub id: String,
        /// How many.
        pub count: u64,
        /// When the last was.
        pub last_at: Timestamp,
    }
}

record! {
    /// A browser in which a user has signed in before.
    pub struct KnownBrowser in "known_browser" key ["org", "id"] {
        /// A hash over the cookie's value and the user.
        pub id: String,
        /// Whose browser.
        pub user_id: String,
        /// Since when.
        pub created_at: Timestamp,
        /// When the user last signed in there.
        pub last_used_at: Timestamp,
    }
}

record! {
    /// How an organization's people sign in: one row, or none while everything is as it comes.
    pub struct SignInPolicy in "sign_in_policy" key ["org"] {
        /// What is allowed, in the order in which it is offered.
        pub methods: Json<Vec<SignInMethod>>,
        /// The least length of a new password, in characters.
        pub password_min_length: u64,
        /// How many passwords before the present one are not used again.
        pub password_history: u64,
        /// After how many days a password has to be changed; 0 is never.
        pub password_max_age_days: u64,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

record! {
    /// A one-time code that was mailed. Belongs to one sign-in in one browser; using it deletes it.
    pub struct MailCodeRow in "mail_code" key ["org", "id"] {
        /// The sign-in's unique part.
        pub id: String,
        /// Whose it is; nobody's, where the name that was typed is nobody's.
        pub user_id: Option<String>,
        /// Where it was mailed to.
        pub address: Option<String>,
        /// A keyed hash over organization, sign-in and code.
        pub mac: Bytes<32>,
        /// How many wrong codes were typed.
        pub wrong: u64,
        /// When it was made.
        pub created_at: Timestamp,
        /// Until when it is good.
        pub expires_at: Timestamp,
    }
}

record! {
    /// A link by which a person sets a new password. Using it deletes it.
    pub struct RecoveryLinkRow in "recovery_link" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Whose it is.
        pub user_id: String,
        /// SHA-256 of the secret at its end.
        pub secret_sha256: Bytes<32>,
        /// When it was asked for.
        pub created_at: Timestamp,
        /// Until when it is good.
        pub expires_at: Timestamp,
    }
}
