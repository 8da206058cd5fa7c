//! Every record of the directory. A table of tables; what they mean and which changes are allowed is in the modules beside.

use std::collections::BTreeMap;

use latchkey_wire::{
    BindingState, Bytes, ClaimSource, DeviceState, Level, Platform, Protection, PublicJwk, Thumbprint, TokenId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;

use crate::table::record;
use crate::time::Timestamp;
use crate::value::{Blob, Json, JsonText, StoredKey};
use crate::values::{
    ClientState, DeviceKeyState, DomainState, EntitlementKind, KeyState, KeyUse, KnownUsers, Leniency, TokenState,
    UserSource, UserStatus,
};

record! {
    /// The cloud as a whole: one row, of the pseudo-organization `cloud`.
    pub struct Cloud in "cloud" key ["org"] {
        /// The issuer's name, frozen at creation.
        pub iss: String,
        /// When the store was made.
        pub created_at: Timestamp,
        /// A value sealed with the master key, to tell at start whether it is the right one.
        pub master_check: Blob,
        /// The id of the master key: the first 8 bytes of its SHA-256, in hexadecimal.
        pub master_id: String,
        /// Silent sign-in waits for `restore --confirm`.
        pub restored_at: Option<Timestamp>,
        /// When the backup was taken that this store was restored from.
        pub taken_at: Option<Timestamp>,
    }
}

record! {
    /// The last look at the clock, for whoever starts next: one row, of the pseudo-organization `cloud`.
    pub struct ClockLook in "clock_look" key ["org"] {
        /// What the clock said.
        pub at: Timestamp,
        /// When it was last found wrong, as it said then.
        pub disturbed_at: Option<Timestamp>,
    }
}

record! {
    /// A tenant.
    pub struct Organization in "organization" key ["org"] {
        /// Its short name in paths and flags.
        pub slug: String,
        /// Its name for people.
        pub name: String,
        /// The SAML entity id: the metadata address at creation, frozen.
        pub entity_id: String,
        /// How long a device certificate lasts, in seconds.
        pub certificate_lifetime_s: u64,
        /// How many registered devices a user may have.
        pub devices_per_user: u64,
        /// How long an expired device may sleep, in seconds.
        pub asleep_limit_s: u64,
        /// How many device tokens may exist that are not revoked.
        pub max_tokens: u64,
        /// After how long without contact a device is retired, in seconds.
        pub retire_after_s: u64,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

record! {
    /// A domain that the organization claims.
    pub struct Domain in "domain" key ["org", "name"] {
        /// The A-label form, lower case.
        pub name: String,
        /// How it was verified.
        pub verification: DomainState,
        /// What the DNS record has to say.
        pub challenge: String,
        /// The operator's reason.
        pub reason: Option<String>,
        /// When it was verified.
        pub verified_at: Option<Timestamp>,
        /// When the record was last seen.
        pub last_seen_at: Option<Timestamp>,
        /// Since when an authoritative server says that it is not there.
        pub missing_since: Option<Timestamp>,
        /// When it was claimed.
        pub created_at: Timestamp,
    }
}

record! {
    /// Which organization of the cloud a verified domain belongs to. `org` is the owner; the name is unique across organizations.
    pub struct DomainOwner in "domain_owner" key ["name"] {
        /// The domain.
        pub name: String,
    }
}

record! {
    /// A person.
    pub struct User in "person" key ["org", "id"] {
        /// Random; what persistent NameIDs hang on.
        pub id: String,
        /// `local@domain`, normalized; unique among users who are not deleted.
        pub login_name: String,
        /// What keeps the name unique: the login name, or the id once the user is deleted.
        pub login_key: String,
        /// The name shown to people.
        pub display_name: Option<String>,
        /// Given name.
        pub given_name: Option<String>,
        /// Family name.
        pub family_name: Option<String>,
        /// Mail addresses.
        pub emails: Json<Vec<String>>,
        /// Department.
        pub department: Option<String>,
        /// Where the user stands.
        pub status: UserStatus,
        /// Marked as protected by an administrator.
        pub protected: bool,
        /// Where the user came from.
        pub source: UserSource,
        /// Further attributes.
        pub attributes: Json<BTreeMap<String, Vec<String>>>,
        /// When the user first had a device, a credential or an interactive sign-in: from then on *taken*.
        pub taken_at: Option<Timestamp>,
        /// When the user was made.
        pub created_at: Timestamp,
        /// When the user was last changed.
        pub updated_at: Timestamp,
        /// When the user was deleted.
        pub deleted_at: Option<Timestamp>,
    }
}

record! {
    /// A group of users.
    pub struct Group in "user_group" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Its name, unique.
        pub name: String,
        /// Its members and administrators are protected users.
        pub protected: bool,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

record! {
    /// A user in a group.
    pub struct Membership in "membership" key ["org", "group_id", "user_id"] {
        /// The group.
        pub group_id: String,
        /// The user.
        pub user_id: String,
        /// Since when.
        pub created_at: Timestamp,
    }
}

record! {
    /// A device token. The secret is not here: its public key is.
    pub struct DeviceToken in "device_token" key ["org", "id"] {
        /// The id inside the token.
        pub id: TokenId,
        /// The Ed25519 public key.
        pub public_key: Json<PublicJwk>,
        /// What the administrator calls it.
        pub description: String,
        /// The seed, sealed with a password and then with the master key, if a copy is kept.
        pub sealed_seed: Option<Blob>,
        /// The domains it covers, at least one.
        pub domains: Json<Vec<String>>,
        /// When it ends.
        pub expires_at: Timestamp,
        /// How many enrollments.
        pub max_uses: u64,
        /// How many there were.
        pub uses: u64,
        /// How many a minute.
        pub uses_per_minute: u64,
        /// The platforms it is for; empty is all.
        pub platforms: Json<Vec<Platform>>,
        /// The networks it may be used from; empty is all.
        pub networks: Json<Vec<String>>,
        /// The lowest evidence level it accepts.
        pub min_evidence: Level,
        /// *registered* or *pending*.
        pub initial_state: DeviceState,
        /// The rule for known users.
        pub known_users: KnownUsers,
        /// The rule for a serial number that is known.
        pub on_known_serial: Leniency,
        /// The rule for a further device of a user.
        pub on_second_device: Leniency,
        /// The ids of the groups that users created just in time get.
        pub jit_groups: Json<Vec<String>>,
        /// The brake: this share in percent, refused or pending within ten minutes (at least 20), disables the token.
        pub brake: Option<u64>,
        /// How many devices the roll-out expects.
        pub expect: Option<u64>,
        /// active, disabled or revoked.
        pub state: TokenState,
        /// Why it was disabled or revoked.
        pub state_reason: Option<String>,
        /// Who made it.
        pub creator: String,
        /// The token that took its place by rotation.
        pub replaced_by: Option<String>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last changed.
        pub updated_at: Timestamp,
        /// When it was revoked.
        pub revoked_at: Option<Timestamp>,
    }
}

record! {
    /// Wrong passwords for a token's sealed copy, for the limit of five an hour.
    pub struct RevealFailure in "reveal_failure" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// The token.
        pub token_id: TokenId,
        /// When.
        pub at: Timestamp,
    }
}

record! {
    /// A code for a single device or user.
    pub struct OneTimeCode in "one_time_code" key ["org", "id"] {
        /// The id inside the code.
        pub id: TokenId,
        /// The Ed25519 public key.
        pub public_key: Json<PublicJwk>,
        /// The user it proves.
        pub user_id: String,
        /// The machine it is for.
        pub serial: Option<String>,
        /// When it ends.
        pub expires_at: Timestamp,
        /// When it was used.
        pub used_at: Option<Timestamp>,
        /// The device it was used for.
        pub used_by: Option<String>,
        /// Who made it.
        pub creator: String,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

record! {
    /// The organization's switch for device tokens.
    pub struct DeviceTokenPolicy in "device_token_policy" key ["org"] {
        /// Whether device tokens are accepted at all.
        pub enabled: bool,
        /// For all registered domains.
        pub all_domains: bool,
        /// For these domains.
        pub domains: Json<Vec<String>>,
        /// Whether unknown users are created.
        pub jit: bool,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

/// What a token allowed when its device enrolled, kept with the device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ceiling {
    /// The domains of users who may be bound.
    pub domains: Vec<String>,
    /// The groups of users created just in time.
    pub jit_groups: Vec<String>,
    /// The lowest evidence level.
    pub min_evidence: u64,
    /// Whether known users get their first device at once.
    pub known_users_first_device: bool,
    /// Whether a further device of a user needs no approval.
    pub second_device_allowed: bool,
}

record! {
    /// An enrolled key; the authority on whether it may act.
    pub struct Device in "device" key ["org", "id"] {
        /// Chosen by the server.
        pub id: String,
        /// The device key.
        pub key: StoredKey,
        /// Its thumbprint.
        pub dk: Thumbprint,
        /// How it is kept.
        pub protection: Protection,
        /// The platform.
        pub platform: Platform,
        /// The operating system, as it says.
        pub os: Option<String>,
        /// The host name, as it says.
        pub host: Option<String>,
        /// The serial number, as it says; junk counts as absent.
        pub serial: Option<String>,
        /// The SMBIOS UUID, as it says.
        pub smbios_uuid: Option<String>,
        /// The connector's version.
        pub agent: String,
        /// The management system's id.
        pub external_device_id: Option<String>,
        /// Corporate, personal, …
        pub ownership: Option<String>,
        /// Where it stands.
        pub state: DeviceState,
        /// Why, where that needs saying: `LK-ENROLL-030`, `initial`, `asleep`, `epoch`, `administrator`, …
        pub state_reason: Option<String>,
        /// Since when.
        pub state_at: Timestamp,
        /// Its domain.
        pub domain: String,
        /// The epoch.
        pub cur: u64,
        /// The commitment to it.
        pub v_cur: Bytes<32>,
        /// The commitment to the one before.
        pub v_prev: Option<Bytes<32>>,
        /// Whether the epoch before still counts for proofs.
        pub prev_alive: bool,
        /// The commitment it enrolled with.
        pub v_0: Bytes<32>,
        /// When the epoch last advanced; absent until the first time.
        pub advanced_at: Option<Timestamp>,
        /// The user key and claim it enrolled with, for the repeated enrollment.
        pub enrolled_user: Json<Option<(Thumbprint, String)>>,
        /// What was wrong with its enrollment: `LK-ENROLL-030`, `LK-ENROLL-032`; for the brake of its token.
        pub enrolled_reason: Option<String>,
        /// The token it enrolled with.
        pub token_id: Option<String>,
        /// What that token allowed.
        pub ceiling: Json<Ceiling>,
        /// When the device certificate ends.
        pub certificate_expires_at: Option<Timestamp>,
        /// When the device key was last changed.
        pub key_since: Timestamp,
        /// The earlier device of the same user on the same machine that it replaced, or will once it is approved.
        pub replaces: Option<String>,
        /// Until when a release from quarantine waits for a new key.
        pub released_until: Option<Timestamp>,
        /// From which address it was last seen.
        pub address: Option<String>,
        /// When it enrolled.
        pub first_seen_at: Timestamp,
        /// When it was last heard of.
        pub last_seen_at: Timestamp,
        /// When it was removed; the row is a tombstone from then on.
        pub removed_at: Option<Timestamp>,
        /// The day it was last heard of, in UTC. Lists are ordered by it: an index by the time itself would be written at every contact.
        pub seen_day: u64,
    }
}

record! {
    /// Every key a device ever had, so that an old one is recognized.
    pub struct DeviceKey in "device_key" key ["org", "thumbprint"] {
        /// The key.
        pub thumbprint: Thumbprint,
        /// The device.
        pub device_id: String,
        /// The public key.
        pub key: StoredKey,
        /// What stands of it.
        pub state: DeviceKeyState,
        /// Since when.
        pub since: Timestamp,
    }
}

record! {
    /// This user on this device.
    pub struct Binding in "binding" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// The device.
        pub device_id: String,
        /// The user.
        pub user_id: String,
        /// The operating system's account.
        pub os_account: String,
        /// The user key.
        pub user_key: StoredKey,
        /// Its thumbprint.
        pub uk: Thumbprint,
        /// How well the user is proven.
        pub level: Level,
        /// The login name as it was claimed.
        pub claim: String,
        /// Where the connector has the name from.
        pub source: ClaimSource,
        /// Where it stands.
        pub state: BindingState,
        /// Why, where that needs saying.
        pub state_reason: Option<String>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last used for a sign-in.
        pub last_used_at: Option<Timestamp>,
        /// When it ended.
        pub ended_at: Option<Timestamp>,
    }
}

record! {
    /// A service provider.
    pub struct Service in "service" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Its name, unique.
        pub name: String,
        /// `saml`.
        pub protocol: String,
        /// Its entity id, unique.
        pub entity_id: String,
        /// Its metadata as it was given, or made by hand.
        pub metadata: Blob,
        /// SHA-256 of the metadata: the key of the cache of parsed ones.
        pub metadata_sha256: Bytes<32>,
        /// From where it is refreshed.
        pub metadata_url: Option<String>,
        /// A change found by a refresh that waits for approval.
        pub metadata_pending: Option<Blob>,
        /// What else is set: name id, attributes, signing. The SAML part of the server knows the form.
        pub settings: JsonText<BTreeMap<String, JsonValue>>,
        /// The lowest evidence level.
        pub min_evidence: Level,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

record! {
    /// Who may use a service.
    pub struct Entitlement in "entitlement" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// The service.
        pub service_id: String,
        /// Whom it is for.
        pub kind: EntitlementKind,
        /// The group's or user's id; empty for everyone.
        pub subject: String,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

record! {
    /// A standing after a sign-in.
    pub struct Session in "session" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// The user.
        pub user_id: String,
        /// The device.
        pub device_id: Option<String>,
        /// The binding whose key proved it.
        pub binding_id: Option<String>,
        /// The service it was for.
        pub service_id: String,
        /// By which way the proof came.
        pub channel: String,
        /// The transaction's nonce; unique, so that a transaction gives one session.
        pub nonce: Bytes<16>,
        /// The assertion's id; unique.
        pub assertion_id: String,
        /// The evidence level stated.
        pub level: Level,
        /// When it began.
        pub created_at: Timestamp,
        /// When it ends by itself.
        pub expires_at: Timestamp,
        /// When it was ended.
        pub ended_at: Option<Timestamp>,
        /// Why.
        pub ended_reason: Option<String>,
    }
}

record! {
    /// A nonce that was used.
    pub struct ConsumedNonce in "consumed_nonce" key ["org", "value"] {
        /// Its unique part.
        pub value: Bytes<16>,
        /// Until when it must be remembered.
        pub exp: Timestamp,
    }
}

record! {
    /// A key of the cloud or of an organization.
    pub struct Key in "signing_key" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// What it is for; one use each.
        pub usage: KeyUse,
        /// `ed25519`, `rsa-2048` or `p-256`.
        pub algorithm: String,
        /// Where it stands.
        pub state: KeyState,
        /// The public half: a JWK as JSON (root, challenge, audit) or a certificate in DER (the others).
        pub public: Blob,
        /// The private half, sealed with the master key.
        pub sealed: Blob,
        /// What the old root says about the new one: a compact JWS.
        pub succession: Option<String>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it came into use.
        pub activated_at: Option<Timestamp>,
        /// When it went out of use.
        pub retired_at: Option<Timestamp>,
    }
}

record! {
    /// A program that may use the API.
    pub struct ApiClient in "api_client" key ["org", "id"] {
        /// Random; the client id.
        pub id: String,
        /// What the administrator calls it, unique.
        pub name: String,
        /// Its scopes.
        pub scopes: Json<Vec<String>>,
        /// SHA-256 of its secret (32 random bytes, so no slow hash is needed).
        pub secret_sha256: Option<Bytes<32>>,
        /// Its public key, a JWK, for `private_key_jwt`.
        pub public_key: Option<String>,
        /// Whether it may ask for tokens.
        pub state: ClientState,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it last asked for a token.
        pub last_used_at: Option<Timestamp>,
    }
}

record! {
    /// An access token of an API client, by its hash.
    pub struct AccessToken in "access_token" key ["org", "hash"] {
        /// SHA-256 of the token.
        pub hash: Bytes<32>,
        /// The client.
        pub client_id: String,
        /// Its scopes.
        pub scopes: Json<Vec<String>>,
        /// When it ends.
        pub expires_at: Timestamp,
    }
}

record! {
    /// The answer to a POST with an idempotency key, kept for 24 hours.
    pub struct IdempotentAnswer in "idempotent_answer" key ["org", "id"] {
        /// Hash of the caller, the path and the key, in hexadecimal.
        pub id: String,
        /// SHA-256 of the body.
        pub body: Bytes<32>,
        /// The status.
        pub status: u64,
        /// The answer; absent when it held a secret.
        pub answer: Option<String>,
        /// The id of what was made.
        pub resource: Option<String>,
        /// Until when it is kept.
        pub expires_at: Timestamp,
    }
}

record! {
    /// Refusals of one kind within one minute: the first is an event, the others are counted.
    pub struct RefusalCount in "refusal_count" key ["org", "code", "subject", "network", "minute"] {
        /// The code.
        pub code: String,
        /// The token, service or device it is about; empty when unknown.
        pub subject: String,
        /// The network it came from: /24 or /48.
        pub network: String,
        /// The minute, counted since 1970.
        pub minute: u64,
        /// How many.
        pub count: u64,
        /// The reference that was given out to all of them.
        pub reference: String,
        /// The full reason of the first, for the administrator.
        pub detail: String,
        /// Whether the sender had proved possession of the token's seed or the device's key.
        pub proven: bool,
        /// When the first came.
        pub at: Timestamp,
    }
}

/// Every table, in an order in which they can be created.
pub const TABLES: &[&crate::table::Table] = {
    use crate::access::records::{BrowserSession, CustomRole, RoleAssignment, SetupLink};
    use crate::audit::{AuditChain, AuditEvent, Checkpoint};
    use crate::branding::{BrandingRow, LogoRow};
    use crate::credentials::records::{
        FormerPassword, KnownBrowser, MailCodeRow, PasskeyRow, PasswordRow, RecoveryCodeRow, RecoveryLinkRow,
        SignInFailure, SignInPolicy, TotpRow,
    };
    use crate::device::clean::CleanedUp;
    use crate::device::clean_rule::CleanupRule;
    use crate::device::group::{DeviceGroup, DeviceGroupMember};
    use crate::mail::records::MailRow;
    use crate::statistics::{CountedUpTo, DayCount};
    use crate::table::Record as R;
    &[
        <Cloud as R>::TABLE,
        <ClockLook as R>::TABLE,
        <Organization as R>::TABLE,
        <Domain as R>::TABLE,
        <DomainOwner as R>::TABLE,
        <User as R>::TABLE,
        <Group as R>::TABLE,
        <Membership as R>::TABLE,
        <DeviceToken as R>::TABLE,
        <RevealFailure as R>::TABLE,
        <OneTimeCode as R>::TABLE,
        <DeviceTokenPolicy as R>::TABLE,
        <Device as R>::TABLE,
        <DeviceKey as R>::TABLE,
        <Binding as R>::TABLE,
        <Service as R>::TABLE,
        <Entitlement as R>::TABLE,
        <Session as R>::TABLE,
        <ConsumedNonce as R>::TABLE,
        <Key as R>::TABLE,
        <ApiClient as R>::TABLE,
        <AccessToken as R>::TABLE,
        <IdempotentAnswer as R>::TABLE,
        <RefusalCount as R>::TABLE,
        <FormerPassword as R>::TABLE,
        <PasswordRow as R>::TABLE,
        <TotpRow as R>::TABLE,
        <RecoveryCodeRow as R>::TABLE,
        <PasskeyRow as R>::TABLE,
        <SignInFailure as R>::TABLE,
        <KnownBrowser as R>::TABLE,
        <SignInPolicy as R>::TABLE,
        <MailRow as R>::TABLE,
        <MailCodeRow as R>::TABLE,
        <RecoveryLinkRow as R>::TABLE,
        <CustomRole as R>::TABLE,
        <RoleAssignment as R>::TABLE,
        <BrowserSession as R>::TABLE,
        <SetupLink as R>::TABLE,
        <AuditEvent as R>::TABLE,
        <AuditChain as R>::TABLE,
        <Checkpoint as R>::TABLE,
        <DayCount as R>::TABLE,
        <CountedUpTo as R>::TABLE,
        <CleanedUp as R>::TABLE,
        <DeviceGroup as R>::TABLE,
        <DeviceGroupMember as R>::TABLE,
        <CleanupRule as R>::TABLE,
        <BrandingRow as R>::TABLE,
        <LogoRow as R>::TABLE,
    ]
};
