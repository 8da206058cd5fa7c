//! One-time codes by mail: made, mailed and tried.
//!
//! Owns what a code is bound to (one sign-in in one browser), how long it is good and how many wrong ones it takes. Whoever asks learns nothing of
//! who has an account: for a name that nobody has the same is written, and nothing is mailed. Must not know pages.

use std::time::Duration;

use aws_lc_rs::hmac;
use latchkey_wire::Bytes;
use latchkey_wire::sign::random_bytes;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::attempts::{Attempt, Guesser, asked};
use super::factor::Factor;
use super::policy::SignInPolicyView;
use super::records::MailCodeRow;
use crate::id::OrgId;
use crate::mail::outbox::address_of;
use crate::mail::{Letter, LetterSecret, Outbox};
use crate::master::MasterKey;
use crate::names::LoginName;
use crate::records::User;
use crate::scope::Org;
use crate::values::SignInMethod;
use crate::{Directory, Result};

/// How long a code is good: as long as the sign-in it belongs to.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How many digits it has.
const DIGITS: usize = 8;
/// After so many wrong ones it is worth nothing.
const WRONG: u64 = 5;

/// Whether a user's password is confirmed by a mailed code: the organization uses them, mail is set up, and the user has an address.
pub(crate) fn confirms(mail: &Outbox, policy: &SignInPolicyView, user: &User) -> bool {
    mail.is_open() && policy.allows(SignInMethod::MailCode) && address_of(user).is_some()
}

fn new_code() -> Zeroizing<String> {
    let random = u64::from_be_bytes(*random_bytes::<8>());
    Zeroizing::new(format!("{:0DIGITS$}", random % 100_000_000))
}

/// The keyed hash that is kept: eight digits would be guessed from a plain one.
fn mac(master: &MasterKey, org: &OrgId, sign_in: &str, code: &str) -> Bytes<32> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &*master.derive("mail-code"));
    let digits: Zeroizing<String> = Zeroizing::new(code.chars().filter(char::is_ascii_digit).collect());
    let text = Zeroizing::new(format!("{org}\0{sign_in}\0{}", *digits));
    let tag = hmac::sign(&key, text.as_bytes());
    Bytes(tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes"))
}

impl Directory {
    /// Mails a code to whoever has this login name, for this sign-in; one that was mailed for it before is worth nothing then. Nothing is mailed
    /// where nobody has the name, or no address, or too much was mailed lately: whoever asks is not told.
    pub async fn mail_code(&self, org: &OrgId, login_name: &str, sign_in: &str) -> Result<()> {
        let (org, sign_in, mail, master) = (org.clone(), sign_in.to_owned(), self.outbox(), self.master().clone());
        let name = LoginName::given(login_name).map_or_else(|_| login_name.to_owned(), |name| name.as_str().to_owned());
        self.write(move |tx| {
            let now = tx.now();
            let (may, user) = asked(tx, &org, &name)?;
            if !may {
                return Ok(());
            }
            let code = new_code();
            let row = MailCodeRow {
                org: org.clone(),
                id: sign_in.clone(),
                user_id: user.as_ref().map(|user| user.id.clone()),
                address: user.as_ref().and_then(address_of).map(str::to_owned),
                mac: mac(&master, &org, &sign_in, &code),
                wrong: 0,
                created_at: now,
                expires_at: now.plus(LIFETIME),
            };
            let mut ours = Org::of(tx, &org);
            ours.delete::<MailCodeRow>(MailCodeRow::id.eq(&sign_in))?;
            ours.add(&row)?;
            let letter = Letter::Code { code: LetterSecret::new(code) };
            match &user {
                Some(user) => drop(mail.put(tx, user, &letter, LIFETIME)?),
                None => drop(mail.seal(&letter, &org, &sign_in)?),
            }
            Ok(())
        })
        .await
    }

    /// Tries a code that was mailed for this sign-in: whose it was, and what that proves. `None` if it is wrong, was used, has ended or took too many
    /// wrong ones. `confirming` a password that was right, it counts as other codes do.
    pub async fn use_mail_code(
        &self,
        org: &OrgId,
        login_name: &str,
        sign_in: &str,
        code: &str,
        guesser: Guesser,
        confirming: bool,
    ) -> Result<Option<(String, Factor)>> {
        let (org, sign_in) = (org.clone(), sign_in.to_owned());
        let name = LoginName::given(login_name).map_or_else(|_| login_name.to_owned(), |name| name.as_str().to_owned());
        let typed = mac(self.master(), &org, &sign_in, code);
        self.write(move |tx| {
            let attempt = if confirming {
                Attempt::at_code(tx, &org, &name, &guesser)?
            } else {
                Attempt::begin(tx, &org, &name, &guesser)?
            };
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            let Some(mut row) = ours.get::<MailCodeRow>(&sign_in)? else { return Ok(None) };
            if row.expires_at <= now || row.wrong >= WRONG {
                return Ok(None);
            }
            if !bool::from(row.mac.0.ct_eq(&typed.0)) {
                row.wrong += 1;
                ours.replace(&row)?;
                return Ok(None);
            }
            ours.delete::<MailCodeRow>(MailCodeRow::id.eq(&sign_in))?;
            let (Some(user_id), Some(address)) = (row.user_id, row.address) else { return Ok(None) };
            attempt.take_back(tx, &org)?;
            Ok(Some((user_id, Factor::MailCode { address })))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_digits_and_is_kept_under_a_key_for_one_sign_in() {
        for _ in 0..50 {
            let code = new_code();
            assert!(code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()), "{}", *code);
        }
        let (one, other) = (MasterKey::new(Zeroizing::new([7; 32])), MasterKey::new(Zeroizing::new([8; 32])));
        let org: OrgId = "acme".parse().unwrap();
        let of = |code: &str| mac(&one, &org, "s1", code);
        assert_eq!(of("12345678"), of(" 1234 5678 "));
        assert_ne!(of("12345678"), of("12345679"));
        assert_ne!(of("12345678"), mac(&one, &org, "s2", "12345678"));
        assert_ne!(of("12345678"), mac(&other, &org, "s1", "12345678"));
    }
}
