//! A person's ways to sign in: password, authenticator, recovery codes, passkeys.
//!
//! Owns their records, what a new one must be, how one is tried, and what was proven by it. Having one makes a user *taken*. Must not know
//! pages, cookies or WebAuthn: a passkey is a text here, and its signature was checked by the caller.

pub mod attempts;
pub mod factor;
pub mod former;
pub mod grant;
pub mod mail_code;
pub mod mail_recovery;
pub mod passkey;
pub mod password;
pub mod policy;
pub mod records;
pub mod recovery;
pub mod totp;
pub mod used;

use serde::Serialize;
use utoipa::ToSchema;

pub use attempts::{BrowserSecret, Guesser, note_browser};
pub use factor::Factor;
pub use former::PasswordDue;
pub use passkey::{NewPasskey, PasskeyView, StoredPasskey};
pub use password::{NewPassword, PasswordRules, PasswordTry, Tried};
pub use policy::{NewSignInPolicy, SignInPolicyView};
pub use recovery::RecoveryCodes;
pub use totp::{TotpSetup, TotpView};
pub use used::CredentialCounts;

use crate::access::may_change_user;
use crate::audit::{ActorKind, NewEvent};
use crate::device::user::is_protected;
use crate::id::OrgId;
use crate::mail::{self, Outbox};
use crate::records::User;
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::users::find_user;
use crate::values::{MethodChange, OwnerNews, SignInMethod, UserStatus};
use crate::{Directory, Error, Intent, Result};

use records::{
    FormerPassword, KnownBrowser, MailCodeRow, PasskeyRow, PasswordRow, RecoveryCodeRow, RecoveryLinkRow, TotpRow,
};

/// The longest name of a passkey or an authenticator, characters.
const LONGEST_NAME: usize = 64;

/// What a person signs in with, as callers see it. Nothing in it opens anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CredentialsView {
    /// The passkeys, oldest first.
    pub passkeys: Vec<PasskeyView>,
    /// When the password was set, if there is one.
    #[schema(value_type = Option<String>)]
    pub password_set_at: Option<Timestamp>,
    /// Why the password has to be changed when it is used next, if it has to.
    pub password_due: Option<PasswordDue>,
    /// The authenticators, oldest first.
    pub totp: Vec<TotpView>,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
}

impl CredentialsView {
    /// Of a user.
    pub(crate) fn of<T: Tx + ?Sized>(tx: &mut T, user: &User) -> Result<Self, StoreError> {
        let (policy, now) = (policy::current(tx, &user.org)?, tx.now());
        let mut ours = Org::of(tx, &user.org);
        let password = ours.get::<PasswordRow>(&user.id)?;
        let totp = ours.find::<TotpRow>(TotpRow::user_id.eq(&user.id))?;
        let passkeys = ours.find::<PasskeyRow>(PasskeyRow::user_id.eq(&user.id))?;
        Ok(Self {
            passkeys: passkeys.into_iter().map(Into::into).collect(),
            password_due: password.as_ref().and_then(|row| former::due(row, &policy, now)),
            password_set_at: password.map(|row| row.set_at),
            totp: totp.into_iter().filter(|row| row.confirmed_at.is_some()).map(Into::into).collect(),
            recovery_codes: ours.count::<RecoveryCodeRow>(RecoveryCodeRow::user_id.eq(&user.id))?,
        })
    }

    /// Whether the person can sign in interactively: as an administrator, who needs more than a password, or at all.
    #[must_use]
    pub fn suffice(&self, policy: &SignInPolicyView, administrator: bool) -> bool {
        let passkey = !self.passkeys.is_empty() && policy.allows(SignInMethod::Passkey);
        let password = self.password_set_at.is_some() && policy.allows(SignInMethod::Password);
        let second = !self.totp.is_empty() && policy.allows(SignInMethod::Totp);
        passkey || password && (second || !administrator)
    }
}

/// What was taken away from a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RemovedCredentials {
    /// Passkeys.
    pub passkeys: u64,
    /// Passwords: one or none.
    pub passwords: u64,
    /// Authenticators.
    pub totp: u64,
    /// Recovery codes.
    pub recovery_codes: u64,
}

impl Directory {
    /// What a user signs in with.
    pub async fn credentials(&self, org: &OrgId, user: &str) -> Result<CredentialsView> {
        let (org, user) = (org.clone(), user.to_owned());
        self.read(move |tx| {
            let user = find_user(tx, &org, &user)?;
            Ok(CredentialsView::of(tx, &user)?)
        })
        .await
    }

    /// Takes these ways to sign in away from a user: a help desk's answer to a lost phone. Recovery codes go with the authenticators that they
    /// stand in for.
    pub async fn reset_credentials(
        &self,
        intent: &Intent,
        org: &OrgId,
        user: &str,
        kinds: &[SignInMethod],
    ) -> Result<RemovedCredentials> {
        let (intent, org, user, kinds) = (intent.clone(), org.clone(), user.to_owned(), kinds.to_vec());
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let mut ours = Org::of(tx, &org);
            let mut gone = RemovedCredentials::default();
            let keys = ours.find::<PasskeyRow>(PasskeyRow::user_id.eq(&user.id))?;
            let keys: Vec<String> = keys.into_iter().map(|row| row.id).collect();
            let authenticators = ours.find::<TotpRow>(TotpRow::user_id.eq(&user.id))?;
            let authenticators: Vec<String> = authenticators.into_iter().map(|row| row.id).collect();
            for kind in SignInMethod::ALL.iter().filter(|kind| kinds.contains(kind)) {
                match kind {
                    SignInMethod::Passkey => {
                        gone.passkeys = ours.delete::<PasskeyRow>(PasskeyRow::user_id.eq(&user.id))?;
                    }
                    SignInMethod::Password => {
                        gone.passwords = u64::from(password::end(ours.tx(), &user)?);
                    }
                    SignInMethod::Totp => gone.totp = ours.delete::<TotpRow>(TotpRow::user_id.eq(&user.id))?,
                    // There is nothing of it to take away: the address is the user's, and codes end by themselves.
                    SignInMethod::MailCode | SignInMethod::RecoveryCode => {}
                }
                if matches!(kind, SignInMethod::Totp | SignInMethod::RecoveryCode) {
                    gone.recovery_codes += ours.delete::<RecoveryCodeRow>(RecoveryCodeRow::user_id.eq(&user.id))?;
                }
            }
            removed(tx, &intent, &mail, &user, (SignInMethod::Passkey, gone.passkeys), &keys)?;
            removed(tx, &intent, &mail, &user, (SignInMethod::Password, gone.passwords), &[])?;
            removed(tx, &intent, &mail, &user, (SignInMethod::Totp, gone.totp), &authenticators)?;
            removed(tx, &intent, &mail, &user, (SignInMethod::RecoveryCode, gone.recovery_codes), &[])?;
            let by_themselves = intent.actor.kind == ActorKind::User && intent.actor.id == user.id;
            if gone != RemovedCredentials::default() && !by_themselves && is_protected(tx, &user)? {
                mail.owners(tx, &org, OwnerNews::ProtectedReset, &user.login_name, &intent.actor)?;
            }
            Ok(gone)
        })
        .await
    }
}

/// Everything a user who is deleted could sign in with.
pub(crate) fn forget(tx: &mut dyn WriteTx, user: &User) -> Result<(), StoreError> {
    let mut ours = Org::of(tx, &user.org);
    ours.delete::<PasskeyRow>(PasskeyRow::user_id.eq(&user.id))?;
    ours.delete::<PasswordRow>(PasswordRow::user_id.eq(&user.id))?;
    ours.delete::<FormerPassword>(FormerPassword::user_id.eq(&user.id))?;
    ours.delete::<TotpRow>(TotpRow::user_id.eq(&user.id))?;
    ours.delete::<RecoveryCodeRow>(RecoveryCodeRow::user_id.eq(&user.id))?;
    ours.delete::<KnownBrowser>(KnownBrowser::user_id.eq(&user.id))?;
    ours.delete::<MailCodeRow>(MailCodeRow::user_id.is(&user.id))?;
    ours.delete::<RecoveryLinkRow>(RecoveryLinkRow::user_id.eq(&user.id))?;
    mail::sending::forget(tx, &user.org, &user.id)
}

/// The user, who gets a way to sign in now and is taken from then on.
fn taken(tx: &mut dyn WriteTx, intent: &Intent, org: &OrgId, which: &str) -> Result<User> {
    let mut user = changing(tx, intent, org, which)?;
    if user.status != UserStatus::Active {
        let detail = format!("{} is {}", user.login_name, user.status);
        return Err(Error::state(detail, format!("latchkey user enable {}", user.login_name)));
    }
    if user.taken_at.is_none() {
        user.taken_at = Some(tx.now());
        Org::of(tx, org).update::<User>(User::id.eq(&user.id), &[User::taken_at.set(&user.taken_at)])?;
    }
    Ok(user)
}

/// Notes in the audit log that so many of a kind were taken away, and which, where there may be others; none is nothing to note. Refuses it to a protected user who would shut
/// themselves out by it: nobody else might be left who can let them in again.
fn removed(
    tx: &mut dyn WriteTx,
    intent: &Intent,
    mail: &Outbox,
    user: &User,
    (kind, count): (SignInMethod, u64),
    ids: &[String],
) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let by_themselves = intent.actor.kind == ActorKind::User && intent.actor.id == user.id;
    if by_themselves && is_protected(tx, user)? {
        let policy = policy::current(tx, &user.org)?;
        if !CredentialsView::of(tx, user)?.suffice(&policy, true) {
            return Err(Error::state(
                "this is your last way to sign in that is enough for an administrator",
                "add another one first: a passkey, or a password and an authenticator",
            ));
        }
    }
    let event = NewEvent::new(&intent.actor, "credential.remove", user.id.clone());
    let event = event.with("kind", kind).with("count", count).with("login_name", &user.login_name);
    tx.audit(&user.org, if ids.is_empty() { event } else { event.with("ids", ids) });
    let change = match kind {
        SignInMethod::MailCode => return Ok(()),
        SignInMethod::Passkey => MethodChange::PasskeyRemoved,
        SignInMethod::Password => MethodChange::PasswordRemoved,
        SignInMethod::RecoveryCode => MethodChange::RecoveryCodesRemoved,
        SignInMethod::Totp => MethodChange::TotpRemoved,
    };
    Ok(mail.person(tx, user, change, &intent.actor)?)
}

/// The user, if whoever asks may change how they sign in.
fn changing(tx: &mut dyn WriteTx, intent: &Intent, org: &OrgId, which: &str) -> Result<User> {
    let user = find_user(tx, org, which)?;
    may_change_user(tx, intent, org, &user.id)?;
    Ok(user)
}

/// What a person calls a passkey or an authenticator.
fn name(text: &str) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(Error::field("/name", format!("a name has 1 to {LONGEST_NAME} characters")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_needs_more_than_a_password() {
        let at = Timestamp::from_seconds(1);
        let totp = TotpView { id: "t".into(), name: "phone".into(), created_at: at, last_used_at: None };
        let passkey = PasskeyView { id: "k".into(), name: "key".into(), created_at: at, last_used_at: None };
        let none = CredentialsView {
            passkeys: vec![],
            password_set_at: None,
            password_due: None,
            totp: vec![],
            recovery_codes: 10,
        };
        let password = CredentialsView { password_set_at: Some(at), ..none.clone() };
        let both = CredentialsView { totp: vec![totp.clone()], ..password.clone() };
        let codes = CredentialsView { totp: vec![totp], ..none.clone() };
        let key = CredentialsView { passkeys: vec![passkey], ..none.clone() };
        let policy = SignInPolicyView::default();
        for (view, person, administrator) in [
            (&none, false, false),
            (&password, true, false),
            (&both, true, true),
            (&codes, false, false),
            (&key, true, true),
        ] {
            assert_eq!((view.suffice(&policy, false), view.suffice(&policy, true)), (person, administrator));
        }
        let no_keys = SignInPolicyView { methods: vec![SignInMethod::Password], ..policy };
        assert!(!key.suffice(&no_keys, false) && !both.suffice(&no_keys, true));
    }
}
