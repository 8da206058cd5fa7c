//! Wrong attempts: counted so that guessing is slow and nobody can lock another one out.
//!
//! Owns what is counted and how long the next attempt waits. Nothing here locks: the wait grows and ends by itself. A password is counted
//! per login name and network and per source address; a code that confirms a password also per user, which only who has the password can
//! reach. A browser in which the user signed in before has a count of its own instead of all these, so that a stranger who guesses, next
//! door or from a thousand networks, keeps nobody out of his own browser. Passkeys cannot be guessed and are not counted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use latchkey_wire::bytes::{sha256, to_base64url};
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use super::records::{KnownBrowser, SignInFailure};
use crate::id::OrgId;
use crate::mail::outbox::address_of;
use crate::records::User;
use crate::refusal::network_of;
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::users::find_user;
use crate::values::UserStatus;
use crate::{Error, Result};

/// A count is forgotten so long after its last attempt.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// A browser is known so long after its last sign-in.
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The length of the cookie's value: 32 bytes in base64url.
const LENGTH: usize = 43;

/// What a browser shows to be known again. Cannot be printed; wiped when dropped. One value serves every user and organization of the
/// cloud: what is kept is a hash over it and the user.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSecret(Zeroizing<String>);

impl BrowserSecret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(to_base64url(&*random_bytes::<32>())))
    }

    /// From a cookie, if it can be one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let fits = text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The cookie's value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash that is kept. Over the login name as well: a browser is known for one user at a time.
    fn id(&self, login_name: &str) -> String {
        hashed(&["browser", &self.0, login_name])
    }
}

impl fmt::Debug for BrowserSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

fn hashed(parts: &[&str]) -> String {
    to_base64url(&sha256(parts.join("\0").as_bytes()).0)
}

/// Who tries.
#[derive(Debug, Clone, Default)]
pub struct Guesser {
    /// From where.
    pub address: Option<IpAddr>,
    /// In which browser, if it showed that it has been here before.
    pub browser: Option<BrowserSecret>,
}

/// How patient a count is.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// So many cost nothing.
    free: u64,
    /// The first wait.
    first: Duration,
    /// The longest.
    longest: Duration,
}

/// Of a login name from a network, and of a browser in which the user is known: five slips, then it gets slow.
const PERSON: Patience = Patience { free: 5, first: Duration::from_secs(2), longest: Duration::from_secs(15 * 60) };

/// Of an address, behind which a whole office may sit.
const ADDRESS: Patience = Patience { free: 50, first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// Of codes that confirm a password, from anywhere: a million codes, three of them good at a time.
const CODES: Patience = Patience { free: 10, first: Duration::from_secs(5), longest: Duration::from_secs(15 * 60) };

/// Of mails with a code or a link, to one user or one address: nobody can fill somebody's mailbox by asking for them.
const MAILED: Patience = Patience { free: 3, first: Duration::from_secs(60), longest: Duration::from_secs(15 * 60) };

impl Patience {
    /// How long after the last of so many attempts the next may come.
    fn wait(self, count: u64) -> Duration {
        let Some(over) = count.checked_sub(self.free) else { return Duration::ZERO };
        let doubled = 1_u32.checked_shl(u32::try_from(over).unwrap_or(u32::MAX)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// An attempt that was let through, and what counted it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    counts: Vec<String>,
}

impl Attempt {
    /// Counts an attempt at the password of whoever has this login name.
    pub(crate) fn begin(tx: &mut dyn WriteTx, org: &OrgId, login_name: &str, guesser: &Guesser) -> Result<Self> {
        Self::count(tx, org, login_name, guesser, None)
    }

    /// Counts an attempt at a code of a user whose password was right.
    pub(crate) fn at_code(tx: &mut dyn WriteTx, org: &OrgId, login_name: &str, guesser: &Guesser) -> Result<Self> {
        Self::count(tx, org, login_name, guesser, Some((hashed(&["codes", login_name]), CODES)))
    }

    fn count(
        tx: &mut dyn WriteTx,
        org: &OrgId,
        login_name: &str,
        guesser: &Guesser,
        further: Option<(String, Patience)>,
    ) -> Result<Self> {
        let now = tx.now();
        let mut ours = Org::of(tx, org);
        let counts = if let Some(id) = known(&mut ours, login_name, guesser)? {
            vec![(id, PERSON)]
        } else {
            let network = network_of(guesser.address);
            let of_person = hashed(&["person", login_name, &network]);
            let of_address = hashed(&["address", &source(guesser.address)]);
            [(of_person, PERSON), (of_address, ADDRESS)].into_iter().chain(further).collect()
        };
        for (id, patience) in &counts {
            let row = ours.get::<SignInFailure>(id)?;
            let was_there = row.is_some();
            let mut row = row.unwrap_or(SignInFailure { org: org.clone(), id: id.clone(), count: 0, last_at: now });
            if now.since(row.last_at) > FORGOTTEN_AFTER {
                row.count = 0;
            }
            let ready = row.last_at.plus(patience.wait(row.count));
            if was_there && ready > now {
                let retry_after = ready.since(now).as_millis().div_ceil(1000);
                let retry_after = u64::try_from(retry_after).unwrap_or(u64::MAX).max(1);
                return Err(Error::TooMany { detail: "too many wrong attempts".to_owned(), retry_after });
            }
            row.count += 1;
            row.last_at = now;
            if was_there { ours.replace(&row)? } else { ours.add(&row)? }
        }
        Ok(Self { counts: counts.into_iter().map(|(id, _)| id).collect() })
    }

    /// It was right. It takes its own count back and nobody else's: who can sign in as one cannot clear the way to guess at another.
    pub(crate) fn take_back(&self, tx: &mut dyn WriteTx, org: &OrgId) -> Result<(), StoreError> {
        let mut ours = Org::of(tx, org);
        for id in &self.counts {
            if ours.get::<SignInFailure>(id)?.is_some_and(|row| row.count > 0) {
                ours.increase::<SignInFailure>(SignInFailure::id.eq(id), SignInFailure::count, -1)?;
            }
        }
        Ok(())
    }
}

/// Whether a code or link may be mailed for this login name, and to whom: nobody, where nobody who may sign in has the name and an address. Counts
/// it if it may. Whoever asks is not told: the same happens for a name that nobody has.
pub(super) fn asked(tx: &mut dyn WriteTx, org: &OrgId, login_name: &str) -> Result<(bool, Option<User>), StoreError> {
    let user = Org::of(tx, org).one::<User>(User::login_key.eq(&login_name.to_owned()))?;
    let user = user.filter(|user| user.status == UserStatus::Active && address_of(user).is_some());
    let may = may_mail(tx, org, login_name, user.as_ref().and_then(address_of))?;
    Ok((may, user))
}

/// Whether something may be mailed for this login name, at this address; counts it if so.
fn may_mail(tx: &mut dyn WriteTx, org: &OrgId, login_name: &str, address: Option<&str>) -> Result<bool, StoreError> {
    let now = tx.now();
    let of_address = address.map(|address| hashed(&["mailed to address", &address.to_lowercase()]));
    let mut rows = Vec::new();
    let mut ours = Org::of(tx, org);
    for id in [hashed(&["mailed to user", login_name])].into_iter().chain(of_address) {
        let there = ours.get::<SignInFailure>(&id)?;
        let is_new = there.is_none();
        let mut row = there.unwrap_or(SignInFailure { org: org.clone(), id, count: 0, last_at: now });
        if now.since(row.last_at) > FORGOTTEN_AFTER {
            row.count = 0;
        }
        if !is_new && row.last_at.plus(MAILED.wait(row.count)) > now {
            return Ok(false);
        }
        (row.count, row.last_at) = (row.count + 1, now);
        rows.push((is_new, row));
    }
    for (is_new, row) in &rows {
        if *is_new { ours.add(row)? } else { ours.replace(row)? }
    }
    Ok(true)
}

/// The network of one customer of an internet provider: an address of version 4, 64 bits of one of version 6.
fn source(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).to_string(),
        None => String::new(),
    }
}

/// The count of a browser that is known for this user.
fn known(
    ours: &mut Org<'_, dyn WriteTx + '_>,
    login_name: &str,
    guesser: &Guesser,
) -> Result<Option<String>, StoreError> {
    let Some(browser) = &guesser.browser else { return Ok(None) };
    let id = browser.id(login_name);
    Ok(ours.get::<KnownBrowser>(&id)?.map(|row| row.id))
}

/// Makes a browser known for a user, in the commit that signs the user in.
pub(crate) fn know(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    user: &crate::records::User,
    browser: &BrowserSecret,
) -> Result<(), StoreError> {
    let now = tx.now();
    let mut ours = Org::of(tx, org);
    let id = browser.id(&user.login_name);
    if ours.get::<KnownBrowser>(&id)?.is_some() {
        ours.update::<KnownBrowser>(KnownBrowser::id.eq(&id), &[KnownBrowser::last_used_at.set(&now)])?;
        return Ok(());
    }
    ours.add(&KnownBrowser { org: org.clone(), id, user_id: user.id.clone(), created_at: now, last_used_at: now })
}

/// Makes a browser known for a user whose first way to sign in was set up there, in the commit that signs the user in.
pub fn note_browser(tx: &mut dyn WriteTx, org: &OrgId, user_id: &str, browser: &BrowserSecret) -> Result<()> {
    let user = find_user(tx, org, user_id)?;
    Ok(know(tx, org, &user, browser)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_has_an_end() {
        let seconds = |count| PERSON.wait(count).as_secs();
        assert_eq!([0, 4, 5, 6, 7].map(seconds), [0, 0, 2, 4, 8]);
        assert_eq!([20, 64, u64::MAX].map(seconds), [900, 900, 900]);
        assert_eq!(ADDRESS.wait(500), Duration::from_secs(60));
    }

    #[test]
    fn a_source_is_an_address_or_the_network_of_one_customer() {
        let of = |text: &str| source(text.parse().ok());
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_browsers_secret_is_read_back_and_not_printed() {
        let secret = BrowserSecret::generate();
        assert_eq!(BrowserSecret::read(secret.expose()), Some(secret.clone()));
        assert_eq!(format!("{secret:?}"), "****");
        assert_ne!(secret.id("anna@acme.example"), secret.id("bert@acme.example"));
        for bad in ["", "x", &"ä".repeat(43), &"a".repeat(44), &format!("{};", "a".repeat(42))] {
            assert_eq!(BrowserSecret::read(bad), None);
        }
    }
}
