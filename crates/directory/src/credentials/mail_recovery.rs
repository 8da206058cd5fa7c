//! A new password for who forgot the old one, by a link in a mail.
//!
//! Owns the life of a link, what it takes beside it, and the commit in which the new password counts. A mailbox alone opens nothing that a second
//! factor guards: whoever has one shows it, and a protected user needs one. Must not know pages, nor how a factor is proven.

use std::net::IpAddr;
use std::time::Duration;

use latchkey_wire::Code;
use latchkey_wire::bytes::{sha256, to_base64url};
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use super::attempts::asked;
use super::factor::{Factor, each_stands};
use super::password::{NewPassword, Put, put};
use super::records::{PasswordRow, RecoveryLinkRow};
use super::{CredentialsView, policy};
use crate::access::end_browser_sessions;
use crate::access::records::BrowserSession;
use crate::audit::{Actor, ActorKind, NewEvent};
use crate::device::user::is_protected;
use crate::id::{OrgId, new_id};
use crate::mail::sending::replaced;
use crate::mail::{Letter, LetterSecret};
use crate::names::LoginName;
use crate::records::User;
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::values::{MailKind, MethodChange, SignInMethod, UserStatus};
use crate::{Directory, Error, Result};

/// How long a link is good.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What a person may confirm a link by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confirmations {
    /// A code of an authenticator.
    pub totp: bool,
    /// A recovery code.
    pub recovery_code: bool,
    /// A passkey.
    pub passkey: bool,
}

impl Confirmations {
    /// Whether there is one.
    #[must_use]
    pub const fn any(self) -> bool {
        self.totp || self.recovery_code || self.passkey
    }
}

/// A link that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Whose it is.
    pub user_id: String,
    /// By login name.
    pub login_name: String,
    /// What the person has to confirm it by. With one of them, one has to be shown.
    pub by: Confirmations,
    /// Whether the link alone will not do.
    pub must_confirm: bool,
}

fn found<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, secret: &str) -> Result<Option<(User, Recovery)>, StoreError> {
    let hash = sha256(secret.as_bytes());
    let now = tx.now();
    let mut ours = Org::of(tx, org);
    let row: Option<RecoveryLinkRow> = ours.one(RecoveryLinkRow::secret_sha256.eq(&hash))?;
    let Some(row) = row.filter(|row| now < row.expires_at) else { return Ok(None) };
    let user = ours.get::<User>(&row.user_id)?.filter(|user| user.status == UserStatus::Active);
    let Some(user) = user else { return Ok(None) };
    let policy = policy::current(tx, org)?;
    if !policy.allows(SignInMethod::Password) {
        return Ok(None);
    }
    let have = CredentialsView::of(tx, &user)?;
    let by = Confirmations {
        totp: !have.totp.is_empty() && policy.allows(SignInMethod::Totp),
        recovery_code: have.recovery_codes > 0 && policy.allows(SignInMethod::RecoveryCode),
        passkey: !have.passkeys.is_empty() && policy.allows(SignInMethod::Passkey),
    };
    let must_confirm = by.any() || is_protected(tx, &user)?;
    let recovery = Recovery { user_id: user.id.clone(), login_name: user.login_name.clone(), by, must_confirm };
    Ok(Some((user, recovery)))
}

fn person(user: &str, address: Option<IpAddr>) -> Actor {
    let address = address.map(|address| address.to_canonical().to_string());
    Actor { kind: ActorKind::User, id: user.to_owned(), address }
}

impl Directory {
    /// Mails a link to whoever has this login name, a password and an address. Whoever asks is not told whether anything was mailed.
    pub async fn mail_recovery(&self, org: &OrgId, login_name: &str, address: Option<IpAddr>) -> Result<()> {
        let (org, mail) = (org.clone(), self.outbox());
        let name = LoginName::given(login_name).map_or_else(|_| login_name.to_owned(), |name| name.as_str().to_owned());
        self.write(move |tx| {
            let now = tx.now();
            let (may, user) = asked(tx, &org, &name)?;
            if !may {
                return Ok(());
            }
            let secret = Zeroizing::new(to_base64url(&*random_bytes::<32>()));
            let secret_sha256 = sha256(secret.as_bytes());
            let letter = Letter::Recovery { secret: LetterSecret::new(secret) };
            let mut ours = Org::of(tx, &org);
            let with_password = match &user {
                Some(user) => ours.get::<PasswordRow>(&user.id)?.is_some(),
                None => false,
            };
            let (Some(user), true) = (user, with_password) else {
                drop(mail.seal(&letter, &org, "nobody")?);
                return Ok(());
            };
            let row = RecoveryLinkRow {
                org: org.clone(),
                id: new_id(now),
                user_id: user.id.clone(),
                secret_sha256,
                created_at: now,
                expires_at: now.plus(LIFETIME),
            };
            ours.delete::<RecoveryLinkRow>(RecoveryLinkRow::user_id.eq(&user.id))?;
            ours.add(&row)?;
            // Nobody was proven yet: the log says from where it was asked for.
            let event = NewEvent::new(&person("unknown", address), "recovery.ask", user.id.clone());
            ours.audit(event.with("login_name", &user.login_name).with("expires_at", row.expires_at));
            replaced(tx, &org, &user.id, MailKind::Recovery)?;
            mail.put(tx, &user, &letter, LIFETIME)?;
            Ok(())
        })
        .await
    }

    /// The link with this secret, if it counts.
    pub async fn recovery(&self, org: &OrgId, secret: &str) -> Result<Option<Recovery>> {
        let (org, secret) = (org.clone(), Zeroizing::new(secret.to_owned()));
        self.read(move |tx| Ok(found(tx, &org, &secret)?.map(|(_, recovery)| recovery))).await
    }

    /// Sets the new password: uses the link up, ends the person's browser sessions, and tells the person. `confirmed` is what was proven beside the
    /// link.
    pub async fn recover(
        &self,
        org: &OrgId,
        secret: &str,
        confirmed: Option<Factor>,
        new: NewPassword,
        address: Option<IpAddr>,
    ) -> Result<std::result::Result<(), Refused>, Error> {
        let (org, secret, mail) = (org.clone(), Zeroizing::new(secret.to_owned()), self.outbox());
        let work = move |tx: &mut dyn WriteTx| -> Result<(), Denied> {
            let gone = || Denied::from(Refused::new(Code::Proof010, "the link was used or has ended"));
            let Some((user, recovery)) = found(tx, &org, &secret)? else { return Err(gone()) };
            match &confirmed {
                Some(factor) => each_stands(tx, &user, std::slice::from_ref(factor))?,
                None if recovery.must_confirm => {
                    return Err(Refused::new(Code::Proof014, "the link alone does not set this password").into());
                }
                None => {}
            }
            let of_user = RecoveryLinkRow::user_id.eq(&user.id);
            Org::of(tx, &org).delete::<RecoveryLinkRow>(of_user)?;
            let actor = person(&user.id, address);
            if matches!(put(tx, &actor, &user, &new)?, Put::Late) {
                return Err(Refused::new(Code::Proof010, "the password was changed in the meantime").into());
            }
            let theirs = BrowserSession::user_id.eq(&user.id);
            let ended = end_browser_sessions(tx, &org, theirs, "password recovered")?;
            let event = NewEvent::new(&actor, "recovery.finish", user.id.clone()).with("login_name", &user.login_name);
            let method = confirmed.as_ref().map(Factor::method);
            tx.audit(&org, event.with("confirmed_by", method).with("sessions_ended", ended));
            mail.person(tx, &user, MethodChange::Recovered, &actor)?;
            Ok(())
        };
        let decided = self.decide(work).await?;
        Ok(decided.map(drop))
    }
}
