//! The closed lists of values that only the directory and its callers use, spelled alike in flags, JSON and store.
//!
//! Owns the spellings. The lists that also stand on the wire are `latchkey_wire::state`.

use crate::value::columnar_text;

macro_rules! values {
    ($($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The spelling used everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = latchkey_wire::state::NotOnList;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(latchkey_wire::state::NotOnList {
                        found: text.to_owned(),
                        allowed: Self::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(" "),
                    }),
                }
            }
        }

        columnar_text!($name);
    )+};
}

values! {
    /// How a domain was verified.
    pub enum DomainState {
        /// Claimed, not verified: excludes nobody and allows nothing.
        Pending = "pending",
        /// By its DNS record.
        Verified = "verified",
        /// By the operator's word, shown as such for ever.
        OperatorWord = "operator_word",
        /// The record has been missing for three days; everything still works.
        Lapsing = "lapsing",
        /// The record has been missing for 14 days: no JIT and no enrollment; existing users sign in.
        Lapsed = "lapsed",
    }

    /// Where a user stands.
    pub enum UserStatus {
        /// May sign in.
        Active = "active",
        /// May not; no evidence level helps.
        Disabled = "disabled",
        /// Gone; the name is reserved for a year.
        Deleted = "deleted",
    }

    /// Where a user came from.
    pub enum UserSource {
        /// Created just in time by a device token.
        DeviceToken = "device-token",
        /// Created by an administrator.
        Local = "local",
        /// Imported from a file.
        Import = "import",
    }

    /// Where a device token stands, as an administrator set it.
    pub enum TokenState {
        /// Accepted, within its limits.
        Active = "active",
        /// Stopped for now, by an administrator or by its brake.
        Disabled = "disabled",
        /// Stopped for ever.
        Revoked = "revoked",
        /// Computed when read: past `expires_at`.
        Expired = "expired",
        /// Computed when read: no uses left.
        Exhausted = "exhausted",
    }

    /// A token's rule for users who are known but never had a device.
    pub enum KnownUsers {
        /// The first device is theirs.
        FirstDevice = "first_device",
        /// The binding waits for approval.
        Pending = "pending",
    }

    /// A token's rule where the reference behaviour would be lenient.
    pub enum Leniency {
        /// Wait for an administrator.
        Pending = "pending",
        /// Let it through; the page says what that costs.
        Allow = "allow",
    }

    /// What a key is for. One use each.
    pub enum KeyUse {
        /// Signs the cloud document and its own succession.
        Root = "root",
        /// Signs nonces, challenges, results.
        Challenge = "challenge",
        /// Signs assertions and responses.
        Assertion = "assertion",
        /// Signs SAML metadata.
        Metadata = "metadata",
        /// Signs device certificates.
        Ca = "ca",
        /// Signs audit checkpoints.
        Audit = "audit",
        /// Computes persistent identifiers for services; never exchanged.
        Pairwise = "pairwise",
    }

    /// Where a key stands in its life.
    pub enum KeyState {
        /// Published, not used yet.
        Upcoming = "upcoming",
        /// In use.
        Active = "active",
        /// Published, no longer used.
        Retiring = "retiring",
        /// Gone.
        Retired = "retired",
    }

    /// Whether an API client may ask for tokens.
    pub enum ClientState {
        /// It may.
        Active = "active",
        /// It may not, for now.
        Disabled = "disabled",
    }

    /// Whom an entitlement is for.
    pub enum EntitlementKind {
        /// Every active user of the organization.
        Everyone = "everyone",
        /// The members of a group.
        Group = "group",
        /// One user.
        User = "user",
    }

    /// What stands of a device's keys.
    pub enum DeviceKeyState {
        /// The one it signs with.
        Current = "current",
        /// The one before, good to repeat an unanswered renewal.
        Previous = "previous",
        /// Changed long ago: its signature is that of an unknown device.
        Retired = "retired",
        /// Of a device that was quarantined or removed: stays refused.
        Dead = "dead",
    }

    /// What an administrator does to devices.
    pub enum DeviceAction {
        /// Lets a pending device in.
        Approve = "approve",
        /// Stops it for now.
        Suspend = "suspend",
        /// Ends the stop.
        Resume = "resume",
        /// Locks it: its keys may have been copied.
        Quarantine = "quarantine",
        /// Lets a quarantined device enroll anew, within 24 hours.
        Release = "release",
        /// Removes it: at its next contact, or at once.
        Remove = "remove",
    }

    /// What a clean-up rule does to a device.
    pub enum CleanupAction {
        /// Takes it out of the count; when it comes back, an approval lets it in again.
        Retire = "retire",
        /// Stops it until an administrator resumes it.
        Suspend = "suspend",
        /// Removes it for ever.
        Remove = "remove",
    }

    /// What is signed in an answer to a service.
    pub enum SignWhat {
        /// The assertion.
        Assertion = "assertion",
        /// The assertion and the response around it.
        Both = "both",
    }

    /// With which algorithm an answer to a service is signed.
    pub enum SignAlgorithm {
        /// RSA PKCS#1 v1.5 with SHA-256.
        RsaSha256 = "rsa-sha256",
        /// ECDSA on P-256 with SHA-256.
        EcdsaP256 = "ecdsa-p256",
    }

    /// What a mail is about.
    pub enum MailKind {
        /// A one-time code.
        Code = "code",
        /// Something changed in how the person signs in.
        MethodsChanged = "methods-changed",
        /// Something that every owner should know.
        OwnersTold = "owners-told",
        /// A link to set a new password.
        Recovery = "recovery",
    }

    /// How somebody's ways to sign in changed.
    pub enum MethodChange {
        /// A passkey was added.
        PasskeyAdded = "passkey-added",
        /// A passkey was removed.
        PasskeyRemoved = "passkey-removed",
        /// The password was removed.
        PasswordRemoved = "password-removed",
        /// A password was set.
        PasswordSet = "password-set",
        /// New recovery codes were made.
        RecoveryCodesMade = "recovery-codes-made",
        /// The recovery codes were removed.
        RecoveryCodesRemoved = "recovery-codes-removed",
        /// A recovery code was used.
        RecoveryCodeUsed = "recovery-code-used",
        /// A new password was set by a mailed link.
        Recovered = "recovered",
        /// An authenticator was added.
        TotpAdded = "totp-added",
        /// An authenticator was removed.
        TotpRemoved = "totp-removed",
    }

    /// What all owners are told.
    pub enum OwnerNews {
        /// Somebody got the role of the owner.
        OwnerGiven = "owner-given",
        /// The ways to sign in of a protected user were taken away.
        ProtectedReset = "protected-reset",
        /// The operator made a link that lets a user in.
        SetupLink = "setup-link",
    }

    /// How a person signs in interactively.
    pub enum SignInMethod {
        /// A key of an authenticator, with the person's presence and verification.
        Passkey = "passkey",
        /// A password.
        Password = "password",
        /// A code of an authenticator, after the password.
        Totp = "totp",
        /// One of the codes for a lost authenticator, after the password.
        RecoveryCode = "recovery_code",
        /// A code that is mailed to the user's address: alone, or after the password.
        MailCode = "mail_code",
    }

    /// What an API client may do. Writing does not include reading.
    pub enum Scope {
        /// See the organization.
        OrganizationRead = "organization:read",
        /// Change it.
        OrganizationWrite = "organization:write",
        /// See domains.
        DomainsRead = "domains:read",
        /// Change them.
        DomainsWrite = "domains:write",
        /// See device tokens.
        TokensRead = "tokens:read",
        /// Make and change them.
        TokensWrite = "tokens:write",
        /// See the device token policy.
        PolicyRead = "policy:read",
        /// Change it.
        PolicyWrite = "policy:write",
        /// See users.
        UsersRead = "users:read",
        /// Change them.
        UsersWrite = "users:write",
        /// See groups.
        GroupsRead = "groups:read",
        /// Change them.
        GroupsWrite = "groups:write",
        /// See devices and bindings.
        DevicesRead = "devices:read",
        /// Change them.
        DevicesWrite = "devices:write",
        /// See one-time codes, without their secret.
        CodesRead = "codes:read",
        /// Make and delete them.
        CodesWrite = "codes:write",
        /// See services.
        ServicesRead = "services:read",
        /// Change them.
        ServicesWrite = "services:write",
        /// See sessions.
        SessionsRead = "sessions:read",
        /// End them.
        SessionsWrite = "sessions:write",
        /// See keys, without their private halves.
        KeysRead = "keys:read",
        /// Add, activate and retire them.
        KeysWrite = "keys:write",
        /// See API clients.
        ApiClientsRead = "api-clients:read",
        /// Change them: in effect every right there is.
        ApiClientsWrite = "api-clients:write",
        /// See roles and who has them.
        RolesRead = "roles:read",
        /// Change them, within one's own rights.
        RolesWrite = "roles:write",
        /// Read the audit log.
        AuditRead = "audit:read",
    }

    /// What a right is about: the nouns of the scopes.
    pub enum Module {
        /// The organization's settings.
        Organization = "organization",
        /// Domains.
        Domains = "domains",
        /// Device tokens.
        Tokens = "tokens",
        /// The device token policy.
        Policy = "policy",
        /// Users and how they sign in.
        Users = "users",
        /// Groups.
        Groups = "groups",
        /// Devices and bindings.
        Devices = "devices",
        /// One-time codes.
        Codes = "codes",
        /// Services and who may use them.
        Services = "services",
        /// Sessions.
        Sessions = "sessions",
        /// Keys.
        Keys = "keys",
        /// API clients.
        ApiClients = "api-clients",
        /// Roles and who has them.
        Roles = "roles",
        /// The audit log.
        Audit = "audit",
    }

    /// How much of a module a role opens. Of several roles the highest counts.
    pub enum Access {
        /// Nothing.
        None = "none",
        /// Seeing it, with names of persons, addresses, serial numbers and host names masked.
        Restricted = "restricted",
        /// Seeing it.
        View = "view",
        /// Seeing and changing it.
        Full = "full",
    }

    /// Who can have a role.
    pub enum HolderKind {
        /// One user.
        User = "user",
        /// The members of a group.
        Group = "group",
    }
}
