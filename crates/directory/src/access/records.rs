//! The records of access. What they mean is in the modules beside.

use std::collections::BTreeMap;

use latchkey_wire::{Bytes, Level};

use crate::table::record;
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::{Access, HolderKind, Module};

record! {
    /// A role that an administrator made. The built-in ones have no row.
    pub struct CustomRole in "custom_role" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Its name, unique, and none of a built-in role.
        pub name: String,
        /// What it is for.
        pub description: String,
        /// What it opens; a module that is not named is closed.
        pub rights: Json<BTreeMap<Module, Access>>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

record! {
    /// Who has a role.
    pub struct RoleAssignment in "role_assignment" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// The role: a custom role's id, or a built-in role's name.
        pub role_id: String,
        /// Whether a user or a group.
        pub kind: HolderKind,
        /// The user's or the group's id.
        pub subject: String,
        /// Since when.
        pub created_at: Timestamp,
    }
}

record! {
    /// A person signed in to the portals with a browser.
    pub struct BrowserSession in "browser_session" key ["org", "id"] {
        /// Random; stands in the cookie.
        pub id: String,
        /// SHA-256 of the secret in the cookie.
        pub secret_sha256: Bytes<32>,
        /// That of the secret before.
        pub previous_sha256: Option<Bytes<32>>,
        /// Until when the secret before still counts; absent while the new one was not seen yet.
        pub previous_until: Option<Timestamp>,
        /// SHA-256 of the last secrets that were sent, and replaced before anybody showed them.
        pub unseen: Json<Vec<Bytes<32>>>,
        /// The person.
        pub user_id: String,
        /// How the person signed in.
        pub methods: Json<Vec<String>>,
        /// The highest evidence level that was proven in it.
        pub level: Level,
        /// The evidence level of the last proof alone.
        pub proof_level: Level,
        /// The sign-in's nonce; unique, so that a sign-in gives one session.
        pub nonce: Bytes<16>,
        /// From which address it began.
        pub address: Option<String>,
        /// What the browser called itself then.
        pub agent: Option<String>,
        /// When it began.
        pub created_at: Timestamp,
        /// When the person last proved who they are.
        pub authenticated_at: Timestamp,
        /// When it was last used, to a minute.
        pub seen_at: Timestamp,
        /// Since when the secret counts.
        pub rotated_at: Timestamp,
        /// When it ends, however busy it is.
        pub expires_at: Timestamp,
        /// When it was ended.
        pub ended_at: Option<Timestamp>,
        /// Why.
        pub ended_reason: Option<String>,
    }
}

record! {
    /// A set-up link: a row of the pseudo-organization `cloud`, since there may be no organization yet.
    pub struct SetupLink in "setup_link" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// SHA-256 of the secret in the link; unique.
        pub secret_sha256: Bytes<32>,
        /// The organization it is for; absent until the first one is made.
        pub for_org: Option<String>,
        /// The administrator it lets in again; absent for the first one.
        pub user_id: Option<String>,
        /// When it was made.
        pub created_at: Timestamp,
        /// Until when it can be opened.
        pub expires_at: Timestamp,
        /// When it was opened.
        pub used_at: Option<Timestamp>,
        /// SHA-256 of the secret in the cookie that it was exchanged for; unique.
        pub session_sha256: Option<Bytes<32>>,
        /// Until when that counts.
        pub session_until: Option<Timestamp>,
    }
}
