//! Passwords: what a new one must be, how it is hashed, and how one is tried.
//!
//! Owns the rules, the cost of the hash (Argon2id, 19 MiB, t = 2, p = 1) and that a try costs the same whoever is named. Must not know on
//! which thread it runs: hashing and trying take a core and 19 MiB for some 20 ms, for a thread that may block and few at a time.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use data_encoding::BASE64_NOPAD;
use latchkey_wire::sign::random_bytes;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::attempts::{Attempt, Guesser};
use super::factor::Factor;
use super::records::PasswordRow;
use super::{changing, former, policy, removed, taken};
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::names::LoginName;
use crate::query::Filter;
use crate::records::{Organization, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::tokens::Password;
use crate::users::find_user;
use crate::value::{Columnar, Kind, Value};
use crate::values::{MethodChange, SignInMethod, UserStatus};
use crate::{Directory, Error, Intent, Result};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The longest password, characters.
pub const LONGEST: usize = 256;

/// How many of the most used passwords a new one is compared with, as they are, reversed and with digits for letters. With them go some
/// 64,000 words and names, keyboard rows, dates and repetitions: the package zxcvbn estimates how many guesses a password takes.
pub const COMMON_PASSWORDS: usize = 30_000;

/// The hash of a password, in PHC form. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc(String);

impl fmt::Debug for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl Columnar for Phc {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }

    fn from_value(value: Value) -> Result<Self, StoreError> {
        String::from_value(value).map(Self)
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("constants within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// One spelling of a password, however the keyboard composed it (RFC 8265).
fn normal(password: &Password) -> Zeroizing<String> {
    Zeroizing::new(password.expose().nfc().collect())
}

impl Phc {
    fn of(password: &Password) -> Result<Self> {
        let hashed = hasher().hash_password(normal(password).as_bytes());
        hashed.map(|phc| Self(phc.to_string())).map_err(|e| Error::Internal(format!("Argon2id: {e}")))
    }

    /// What no password has: somebody nobody knows is tried against it, for the same time.
    fn nobody() -> Self {
        let [salt, hash] = [BASE64_NOPAD.encode(&*random_bytes::<16>()), BASE64_NOPAD.encode(&*random_bytes::<32>())];
        Self(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}"))
    }

    fn fits(&self, password: &Password) -> bool {
        // One that this version did not write fits nothing.
        PasswordHash::new(&self.0).is_ok_and(|phc| hasher().verify_password(normal(password).as_bytes(), &phc).is_ok())
    }
}

/// What a new password of this user must be.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// The least length, in characters.
    pub min_length: u64,
    /// What it must not be, and what makes it no stronger: names of the user and of the organization.
    pub names: Vec<String>,
    /// How many passwords before the present one are not used again.
    pub history: u64,
    /// The present one, if there is one.
    present: Option<PasswordRow>,
    /// Those before it, as many as count.
    former: Vec<Phc>,
}

impl PasswordRules {
    pub(super) fn of<T: Tx + ?Sized>(tx: &mut T, user: &User) -> Result<Self> {
        let policy = policy::current(tx, &user.org)?;
        let organization = Org::of(tx, &user.org).one::<Organization>(Filter::all())?;
        let (local, domain) = user.login_name.split_once('@').unwrap_or((&user.login_name, ""));
        let of_user = [Some(user.login_name.as_str()), Some(local), Some(domain), user.display_name.as_deref()];
        let of_org = organization.iter().flat_map(|org| [org.name.as_str(), org.slug.as_str()]);
        let names = of_user.into_iter().flatten().chain(of_org);
        let names = names.filter(|name| !name.is_empty()).map(str::to_lowercase).collect();
        Ok(Self {
            min_length: policy.password_min_length,
            names,
            history: policy.password_history,
            present: Org::of(tx, &user.org).get::<PasswordRow>(&user.id)?,
            former: former::of(tx, &user.org, &user.id, policy.password_history)?,
        })
    }

    /// Whether this is the present password, and may stay. For a thread that may block.
    #[must_use]
    pub fn stays(&self, password: &Password) -> bool {
        self.present.as_ref().is_some_and(|row| !row.must_change && row.phc.fits(password))
    }

    /// What is wrong with a password that the user has or had.
    fn repeated(&self, password: &Password) -> Option<String> {
        if self.present.as_ref().is_some_and(|row| row.phc.fits(password)) {
            return Some("this is the password that you have: choose another one".to_owned());
        }
        let had = self.former.iter().any(|phc| phc.fits(password));
        had.then(|| match self.history {
            1 => "you had this password before: the last one is not used again".to_owned(),
            many => format!("you had this password before: the last {many} are not used again"),
        })
    }

    /// What is wrong with a password, and what would be right.
    #[must_use]
    pub fn complaint(&self, password: &Password) -> Option<String> {
        let text = normal(password);
        let length = text.chars().count();
        if u64::try_from(length).unwrap_or(u64::MAX) < self.min_length {
            return Some(format!("a password has at least {} characters", self.min_length));
        }
        if length > LONGEST {
            return Some(format!("a password has at most {LONGEST} characters"));
        }
        let lower = Zeroizing::new(text.to_lowercase());
        if self.names.contains(&*lower) {
            return Some("a password is not a name of yours or of your organization".to_owned());
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if zxcvbn::zxcvbn(&text, &names).score() < zxcvbn::Score::Three {
            return Some(
                "this password is among the common ones, or is made of few words, names, dates or rows of keys that \
                 programs try first; several words that do not belong together are better"
                    .to_owned(),
            );
        }
        None
    }

    /// Hashes a new password, if it keeps to the rules. For a thread that may block.
    pub fn hash(&self, password: &Password) -> Result<NewPassword> {
        match self.complaint(password).or_else(|| self.repeated(password)) {
            Some(problem) => Err(Error::field("/password", problem)),
            None => Ok(NewPassword { phc: Phc::of(password)?, after: self.present.as_ref().map(|row| row.set_at) }),
        }
    }
}

/// A password that kept to the rules, hashed.
#[derive(Debug, Clone)]
pub struct NewPassword {
    phc: Phc,
    /// When the one was set that it was compared with.
    after: Option<Timestamp>,
}

/// What became of a new password.
pub(super) enum Put {
    /// It is the user's.
    Set,
    /// Another one was set since it was compared with those before it.
    Late,
}

/// Makes a new password the user's, and keeps the one before it as former.
pub(super) fn put(tx: &mut dyn WriteTx, actor: &Actor, user: &User, new: &NewPassword) -> Result<Put, StoreError> {
    let (now, history) = (tx.now(), policy::current(tx, &user.org)?.password_history);
    let mut ours = Org::of(tx, &user.org);
    let before = ours.get::<PasswordRow>(&user.id)?;
    if before.as_ref().map(|row| row.set_at) != new.after {
        return Ok(Put::Late);
    }
    let row = PasswordRow {
        org: user.org.clone(),
        user_id: user.id.clone(),
        phc: new.phc.clone(),
        set_at: now,
        must_change: false,
    };
    let was_there = before.is_some();
    if let Some(before) = before {
        ours.replace(&row)?;
        former::keep(tx, before, history)?;
    } else {
        ours.add(&row)?;
    }
    let event = NewEvent::new(actor, "credential.add", user.id.clone());
    tx.audit(&user.org, event.with("kind", SignInMethod::Password).with("replaced", was_there));
    Ok(Put::Set)
}

/// Ends the user's password; it stays among the former ones. Answers whether there was one.
pub(super) fn end(tx: &mut dyn WriteTx, user: &User) -> Result<bool, StoreError> {
    let history = policy::current(tx, &user.org)?.password_history;
    let mut ours = Org::of(tx, &user.org);
    let Some(row) = ours.get::<PasswordRow>(&user.id)? else { return Ok(false) };
    ours.delete::<PasswordRow>(PasswordRow::user_id.eq(&user.id))?;
    former::keep(tx, row, history)?;
    Ok(true)
}

/// A password that is about to be tried. The attempt is counted already.
#[derive(Debug)]
pub struct PasswordTry {
    /// The user, unless there is none who has a password.
    user: Option<(String, Timestamp)>,
    phc: Phc,
    attempt: Attempt,
    why_not: &'static str,
}

impl PasswordTry {
    /// Whether it is this one. For a thread that may block: it takes as long for somebody who does not exist.
    #[must_use]
    pub fn check(&self, password: &Password) -> bool {
        self.phc.fits(password)
    }
}

/// A password that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It was right: whose, and what that proves.
    Right {
        /// The user's id.
        user_id: String,
        /// What is proven.
        factor: Factor,
    },
    /// It was not. The reason is for the administrator; the person is told the same in every case.
    Wrong(&'static str),
}

impl Directory {
    /// What a new password of this user must be.
    pub async fn password_rules(&self, org: &OrgId, user: &str) -> Result<PasswordRules> {
        let (org, user) = (org.clone(), user.to_owned());
        self.read(move |tx| {
            let user = find_user(tx, &org, &user)?;
            PasswordRules::of(tx, &user)
        })
        .await
    }

    /// Sets a user's password.
    pub async fn set_password(&self, intent: &Intent, org: &OrgId, user: &str, new: NewPassword) -> Result<()> {
        let (intent, org, user, mail) = (intent.clone(), org.clone(), user.to_owned(), self.outbox());
        self.change(intent.dry_run, move |tx| {
            let user = taken(tx, &intent, &org, &user)?;
            match put(tx, &intent.actor, &user, &new)? {
                Put::Set => Ok(mail.person(tx, &user, MethodChange::PasswordSet, &intent.actor)?),
                Put::Late => Err(Error::state("the password was changed in the meantime", "begin again")),
            }
        })
        .await
    }

    /// Has a user's password changed when it is used next. Answers whether that is new.
    pub async fn expire_password(&self, intent: &Intent, org: &OrgId, user: &str) -> Result<bool> {
        let (intent, org, user) = (intent.clone(), org.clone(), user.to_owned());
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let mut ours = Org::of(tx, &org);
            let Some(row) = ours.get::<PasswordRow>(&user.id)? else {
                let fix = format!("look at what there is: latchkey user credentials {}", user.login_name);
                return Err(Error::state(format!("{} has no password", user.login_name), fix));
            };
            if row.must_change {
                return Ok(false);
            }
            ours.replace(&PasswordRow { must_change: true, ..row })?;
            let event = NewEvent::new(&intent.actor, "credential.expire", user.id.clone());
            ours.audit(event.with("kind", SignInMethod::Password).with("login_name", &user.login_name));
            Ok(true)
        })
        .await
    }

    /// Takes a user's password away. Answers whether there was one.
    pub async fn remove_password(&self, intent: &Intent, org: &OrgId, user: &str) -> Result<bool> {
        let (intent, org, user, mail) = (intent.clone(), org.clone(), user.to_owned(), self.outbox());
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let gone = end(tx, &user)?;
            removed(tx, &intent, &mail, &user, (SignInMethod::Password, u64::from(gone)), &[])?;
            Ok(gone)
        })
        .await
    }

    /// Begins to try a password. The attempt counts before the password is looked at, so that many at once are no way around the limit;
    /// too many are [`Error::TooMany`].
    pub async fn try_password(&self, org: &OrgId, login_name: &str, guesser: Guesser) -> Result<PasswordTry> {
        let (org, login_name) = (org.clone(), login_name.to_owned());
        self.write(move |tx| {
            // Whatever was typed is counted under the form that would be looked for.
            let name =
                LoginName::given(&login_name).map_or_else(|_| login_name.clone(), |name| name.as_str().to_owned());
            let attempt = Attempt::begin(tx, &org, &name, &guesser)?;
            let mut ours = Org::of(tx, &org);
            let nobody = |why_not| PasswordTry { user: None, phc: Phc::nobody(), attempt: attempt.clone(), why_not };
            let Some(user) = ours.one::<User>(User::login_key.eq(&name))? else {
                return Ok(nobody("nobody has this login name"));
            };
            if user.status != UserStatus::Active {
                return Ok(nobody("the user is disabled"));
            }
            let Some(row) = ours.get::<PasswordRow>(&user.id)? else {
                return Ok(nobody("the user has no password"));
            };
            let why_not = "the password is wrong";
            Ok(PasswordTry { user: Some((user.id, row.set_at)), phc: row.phc, attempt: attempt.clone(), why_not })
        })
        .await
    }

    /// Ends the try: a right password takes its own count back.
    pub async fn end_password(&self, org: &OrgId, tried: PasswordTry, right: bool) -> Result<Tried> {
        let PasswordTry { user, attempt, why_not, .. } = tried;
        let (Some((user_id, set_at)), true) = (user, right) else { return Ok(Tried::Wrong(why_not)) };
        let org = org.clone();
        self.write::<_, Error>(move |tx| Ok(attempt.take_back(tx, &org)?)).await?;
        Ok(Tried::Right { user_id, factor: Factor::Password { set_at } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PasswordRules {
        PasswordRules {
            min_length: 12,
            names: vec!["anna.berg@acme.example".into(), "acme industries".into()],
            history: 5,
            present: None,
            former: vec![],
        }
    }

    fn complaint(text: &str) -> Option<String> {
        rules().complaint(&Password::new(text.to_owned()))
    }

    #[test]
    fn a_password_is_long_not_a_name_and_not_among_the_common() {
        for good in ["tram lantern obey quartz", "Vq7!mLz0pW_r", "gelbe Rüben am Dienstag"] {
            assert_eq!(complaint(good), None, "{good}");
        }
        for bad in [
            "short",
            "Anna.Berg@acme.example",
            "ACME Industries",
            "password1234",
            "P@ssw0rd1234",
            "drowssap1234",
            "qwertyuiop12",
            "aaaaaaaaaaaaaaaa",
            "123456789012",
        ] {
            assert!(complaint(bad).is_some(), "{bad}");
        }
        assert!(complaint(&"x1 ".repeat(86)).is_some(), "258 characters are too many");
    }

    #[test]
    fn the_same_password_composed_in_another_way_fits() {
        let phc = Phc::of(&Password::new("gr\u{fc}ne Wiese 12".into())).unwrap();
        assert!(phc.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", phc.0);
        assert!(phc.fits(&Password::new("gru\u{308}ne Wiese 12".into())));
        assert!(!phc.fits(&Password::new("grune Wiese 12".into())));
        assert_eq!(format!("{phc:?}"), "****");
    }

    #[test]
    fn nobodys_hash_has_the_cost_of_everybodys_and_fits_nothing() {
        let costs = |phc: &Phc| phc.0.rsplitn(3, '$').last().unwrap().to_owned();
        let nobody = Phc::nobody();
        assert_eq!(costs(&nobody), costs(&Phc::of(&Password::new("x".into())).unwrap()));
        // It is a whole hash: one that cannot be read would be refused without any work.
        assert!(PasswordHash::new(&nobody.0).is_ok());
        assert!(!nobody.fits(&Password::new(String::new())));
    }
}
