//! One-time passwords of an authenticator (RFC 6238): SHA-1, six digits, 30 seconds, as every authenticator knows.
//!
//! Owns that the secret is kept sealed, that an authenticator counts only after a first code, and that a code counts once. Must not know
//! how a secret is drawn as a picture.

use latchkey_wire::sign::random_bytes;
use serde::Serialize;
use totp_rs::{Algorithm, Builder, Totp};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::attempts::{Attempt, Guesser};
use super::factor::Factor;
use super::records::{RecoveryCodeRow, TotpRow};
use super::{changing, name, removed, taken};
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::master::{MasterKey, SealedAs};
use crate::query::Filter;
use crate::records::{Organization, User};
use crate::scope::Org;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::users::find_user;
use crate::value::Blob;
use crate::values::{MethodChange, SignInMethod};
use crate::{Directory, Error, Intent, Result};

const STEP: u64 = 30;
const SECRET: usize = 20;

/// How many one person has at most.
const MOST: usize = 5;

/// An authenticator, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TotpView {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When a code of it was last used.
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Timestamp>,
}

impl From<TotpRow> for TotpView {
    fn from(row: TotpRow) -> Self {
        Self { id: row.id, name: row.name, created_at: row.created_at, last_used_at: row.last_used_at }
    }
}

/// An authenticator that is being set up: the secret, to be shown until its first code came. Cannot be printed.
pub struct TotpSetup {
    /// Its id.
    pub id: String,
    secret: Zeroizing<Vec<u8>>,
    issuer: String,
    account: String,
}

impl TotpSetup {
    /// The secret as text, for those who type it: base32 in groups of four.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let text = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&self.secret));
        let groups: Vec<&str> = text.as_bytes().chunks(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
        Zeroizing::new(groups.join(" "))
    }

    /// The address that authenticators read from a picture (`otpauth://totp/…`).
    pub fn uri(&self) -> Result<Zeroizing<String>> {
        // A colon would end the issuer within the label.
        let issuer = self.issuer.replace(':', " ");
        let totp = builder(&self.secret).with_issuer(Some(issuer)).with_account_name(self.account.as_str()).build();
        totp.and_then(|totp| totp.to_url()).map(Zeroizing::new).map_err(|e| internal(&e))
    }
}

fn internal(error: &impl std::fmt::Display) -> Error {
    Error::Internal(format!("one-time passwords: {error}"))
}

fn builder(secret: &[u8]) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP)
        .with_secret(secret.to_vec())
}

fn authenticator(secret: &[u8]) -> Result<Totp> {
    builder(secret).build().map_err(|e| internal(&e))
}

/// The digits, without the spaces that people copy with them.
fn digits(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}

fn as_what<'a>(org: &'a OrgId, id: &'a str) -> SealedAs<'a> {
    SealedAs { org, id, usage: "totp", algorithm: "sha1-6-30" }
}

/// Takes a secret from one master key to another.
pub(crate) fn rewrap(old: &MasterKey, new: &MasterKey, row: &TotpRow) -> Result<Blob> {
    let what = as_what(&row.org, &row.id);
    Ok(new.seal(&old.open(&row.sealed, &what)?, &what))
}

/// The last step of which an authenticator may show a code now: its clock may be one step ahead.
pub(crate) fn last_step(now: Timestamp) -> u64 {
    now.seconds() / STEP + 1
}

/// The step of a code that this authenticator made and that was not used.
fn matching(master: &MasterKey, row: &TotpRow, code: &str, now: Timestamp) -> Result<Option<u64>> {
    let secret = master.open(&row.sealed, &as_what(&row.org, &row.id))?;
    let step = authenticator(&secret)?.check(&digits(code), now.seconds());
    Ok(step.filter(|step| *step > row.last_step))
}

fn setup<T: Tx + ?Sized>(tx: &mut T, master: &MasterKey, user: &User, row: &TotpRow) -> Result<TotpSetup> {
    let organization = Org::of(tx, &user.org).one::<Organization>(Filter::all())?;
    Ok(TotpSetup {
        id: row.id.clone(),
        secret: master.open(&row.sealed, &as_what(&row.org, &row.id))?,
        issuer: organization.map_or_else(|| "Latchkey".to_owned(), |row| row.name),
        account: user.login_name.clone(),
    })
}

fn of_user(user: &User) -> Filter {
    TotpRow::user_id.eq(&user.id)
}

/// The one that is being set up.
fn pending<T: Tx + ?Sized>(tx: &mut T, user: &User, id: &str) -> Result<TotpRow> {
    let row = Org::of(tx, &user.org).one::<TotpRow>(TotpRow::id.eq(&id.to_owned()).and(of_user(user)))?;
    row.filter(|row| row.confirmed_at.is_none()).ok_or_else(|| Error::not_found("authenticator", id))
}

impl Directory {
    /// Begins to set up an authenticator. One that was begun before and not confirmed is forgotten.
    pub async fn begin_totp(&self, intent: &Intent, org: &OrgId, user: &str, called: &str) -> Result<TotpSetup> {
        let (intent, org, user) = (intent.clone(), org.clone(), user.to_owned());
        let (called, master) = (name(called)?, self.master().clone());
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            ours.delete::<TotpRow>(of_user(&user).and(TotpRow::confirmed_at.is_null()))?;
            if ours.find::<TotpRow>(of_user(&user))?.len() >= MOST {
                return Err(Error::state(
                    format!("{MOST} authenticators are there already"),
                    "remove one of them first",
                ));
            }
            let id = new_id(now);
            let row = TotpRow {
                org: org.clone(),
                sealed: master.seal(&*random_bytes::<SECRET>(), &as_what(&org, &id)),
                id,
                user_id: user.id.clone(),
                name: called.clone(),
                last_step: 0,
                confirmed_at: None,
                created_at: now,
                last_used_at: None,
            };
            ours.add(&row)?;
            setup(tx, &master, &user, &row)
        })
        .await
    }

    /// The authenticator that is being set up, to be shown again.
    pub async fn pending_totp(&self, org: &OrgId, user: &str, id: &str) -> Result<TotpSetup> {
        let (org, user, id, master) = (org.clone(), user.to_owned(), id.to_owned(), self.master().clone());
        self.read(move |tx| {
            let user = find_user(tx, &org, &user)?;
            let row = pending(tx, &user, &id)?;
            setup(tx, &master, &user, &row)
        })
        .await
    }

    /// Ends setting up: a first code proves that the authenticator has the secret. The code is used up by it.
    pub async fn confirm_totp(
        &self,
        intent: &Intent,
        org: &OrgId,
        user: &str,
        id: &str,
        code: &str,
    ) -> Result<TotpView> {
        let (intent, org, user) = (intent.clone(), org.clone(), user.to_owned());
        let (id, code, master) = (id.to_owned(), Zeroizing::new(code.to_owned()), self.master().clone());
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let user = taken(tx, &intent, &org, &user)?;
            let now = tx.now();
            let mut row = pending(tx, &user, &id)?;
            row.last_step = matching(&master, &row, &code, now)?.ok_or_else(|| {
                let detail = "this is not the code that belongs to the secret now; check that the clock of the \
                              authenticator is right and type the newest code";
                Error::field("/code", detail)
            })?;
            row.confirmed_at = Some(now);
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            let event = NewEvent::new(&intent.actor, "credential.add", user.id.clone());
            ours.audit(event.with("kind", SignInMethod::Totp).with("id", &row.id).with("name", &row.name));
            mail.person(tx, &user, MethodChange::TotpAdded, &intent.actor)?;
            Ok(row.into())
        })
        .await
    }

    /// Takes an authenticator away.
    pub async fn remove_totp(&self, intent: &Intent, org: &OrgId, user: &str, id: &str) -> Result<()> {
        let (intent, org, user, id) = (intent.clone(), org.clone(), user.to_owned(), id.to_owned());
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let gone = Org::of(tx, &org).delete::<TotpRow>(TotpRow::id.eq(&id).and(of_user(&user)))?;
            if gone == 0 {
                return Err(Error::not_found("authenticator", id.clone()));
            }
            let mut ours = Org::of(tx, &org);
            let left = ours.any::<TotpRow>(of_user(&user).and(TotpRow::confirmed_at.is_null().negate()))?;
            // Recovery codes stand in for an authenticator; without one they would be asked for every time.
            let codes = if left { 0 } else { ours.delete::<RecoveryCodeRow>(RecoveryCodeRow::user_id.eq(&user.id))? };
            removed(tx, &intent, &mail, &user, (SignInMethod::Totp, gone), std::slice::from_ref(&id))?;
            removed(tx, &intent, &mail, &user, (SignInMethod::RecoveryCode, codes), &[])
        })
        .await
    }

    /// Tries a code of any of the user's authenticators, after a password that was right. `None` if it is wrong or was used; the attempt
    /// counts then.
    pub async fn use_totp(&self, org: &OrgId, user_id: &str, code: &str, guesser: Guesser) -> Result<Option<Factor>> {
        let (org, user_id) = (org.clone(), user_id.to_owned());
        let (code, master) = (Zeroizing::new(code.to_owned()), self.master().clone());
        self.write(move |tx| {
            let user = find_user(tx, &org, &user_id)?;
            let attempt = Attempt::at_code(tx, &org, &user.login_name, &guesser)?;
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            for row in ours.find::<TotpRow>(of_user(&user))? {
                if row.confirmed_at.is_none() {
                    continue;
                }
                let Some(step) = matching(&master, &row, &code, now)? else { continue };
                let set = [TotpRow::last_step.set(&step), TotpRow::last_used_at.set(&Some(now))];
                ours.update::<TotpRow>(TotpRow::id.eq(&row.id), &set)?;
                attempt.take_back(tx, &org)?;
                return Ok(Some(Factor::Totp { id: row.id }));
            }
            Ok(None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the secret `12345678901234567890`, the last six digits of the eight it prints.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let totp = authenticator(b"12345678901234567890").unwrap();
        for (time, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(totp.check(code, time), Some(time / STEP), "{time}");
            assert_eq!(totp.check(code, time + STEP), Some(time / STEP), "one step late");
            assert_eq!(totp.check(code, time + 3 * STEP), None);
        }
        assert_eq!(totp.check(&digits(" 081 804 "), 1_111_111_109), Some(37_037_036));
    }

    #[test]
    fn an_authenticator_reads_issuer_account_and_secret() {
        let setup = TotpSetup {
            id: "x".into(),
            secret: Zeroizing::new(b"12345678901234567890".to_vec()),
            issuer: "Acme: Sign-in & more".into(),
            account: "anna+x@acme.example".into(),
        };
        let uri: url::Url = setup.uri().unwrap().parse().unwrap();
        assert_eq!((uri.scheme(), uri.host_str()), ("otpauth", Some("totp")));
        let query: std::collections::BTreeMap<_, _> = uri.query_pairs().into_owned().collect();
        assert_eq!(query["secret"], "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(query["issuer"], "Acme  Sign-in & more");
        assert_eq!(setup.text().as_str(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    }
}
