//! What a person has proven so far, and what that is worth.
//!
//! Owns the evidence level of interactive sign-in and the question whether what was proven still stands: it is asked again in the commit
//! that grants something. Must not know how each is proven.

use latchkey_wire::{Code, Level};
use serde::{Deserialize, Serialize};

use super::policy;
use super::records::{PasskeyRow, PasswordRow, TotpRow};
use crate::mail::outbox::address_of;
use crate::records::User;
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::WriteTx;

use crate::time::Timestamp;
use crate::values::SignInMethod;

/// One thing that was proven. Travels under the server's seal; its member names are short for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Factor {
    /// A code that was mailed.
    #[serde(rename = "m")]
    MailCode {
        /// To which address.
        #[serde(rename = "a")]
        address: String,
    },
    /// A passkey, with the person's presence and verification.
    #[serde(rename = "k")]
    Passkey {
        /// Which one.
        #[serde(rename = "i")]
        id: String,
    },
    /// The password that was set then.
    #[serde(rename = "p")]
    Password {
        /// When it was set.
        #[serde(rename = "s")]
        set_at: Timestamp,
    },
    /// A recovery code, which is used up.
    #[serde(rename = "r")]
    RecoveryCode,
    /// A code of an authenticator.
    #[serde(rename = "t")]
    Totp {
        /// Which one.
        #[serde(rename = "i")]
        id: String,
    },
}

impl Factor {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> SignInMethod {
        match self {
            Self::MailCode { .. } => SignInMethod::MailCode,
            Self::Passkey { .. } => SignInMethod::Passkey,
            Self::Password { .. } => SignInMethod::Password,
            Self::RecoveryCode => SignInMethod::RecoveryCode,
            Self::Totp { .. } => SignInMethod::Totp,
        }
    }
}

/// The evidence level of these methods together: a password alone is no more than somebody known, and so is who reads a mailbox; with a second
/// factor a password is worth a claim that somebody else signed, and with a mailed code something between. A passkey is the person, present. `None` if
/// they do not sign anybody in.
#[must_use]
pub fn level(methods: &[SignInMethod]) -> Option<Level> {
    use SignInMethod::{MailCode, Passkey, Password, RecoveryCode, Totp};
    let has = |method| methods.contains(&method);
    let confirmed = has(Totp) || has(RecoveryCode);
    if has(Passkey) {
        return Some(Level::Present);
    }
    match (has(Password), has(MailCode)) {
        (false, false) => None,
        (true, _) if confirmed => Some(Level::MdmSigned),
        (true, true) => Some(Level::Inventory),
        // Two things that are had and none that is known.
        (false, true) if confirmed => Some(Level::Inventory),
        _ => Some(Level::KnownUser),
    }
}

/// Refuses what was proven and does not stand any more: a password that was changed, an authenticator or passkey that was removed, a method
/// that the organization has forbidden since.
pub(crate) fn still_stands(tx: &mut dyn WriteTx, user: &User, factors: &[Factor]) -> Result<Level, Denied> {
    each_stands(tx, user, factors)?;
    let methods: Vec<_> = factors.iter().map(Factor::method).collect();
    level(&methods).ok_or_else(|| Refused::new(Code::Proof010, "nothing that signs anybody in was proven").into())
}

/// The same, whatever the factors are worth together.
pub(super) fn each_stands(tx: &mut dyn WriteTx, user: &User, factors: &[Factor]) -> Result<(), Denied> {
    let over = |what: &str| Err(Refused::new(Code::Proof010, format!("{what} in the meantime")).into());
    let policy = policy::current(tx, &user.org)?;
    let mut ours = Org::of(tx, &user.org);
    for factor in factors {
        if !policy.allows(factor.method()) {
            return over(&format!("the organization allows {} no more, decided", factor.method()));
        }
        match factor {
            Factor::MailCode { address } if address_of(user) == Some(address) => {}
            Factor::MailCode { .. } => return over("the mail address was changed"),
            Factor::Passkey { id } => match ours.get::<PasskeyRow>(id)? {
                Some(row) if row.user_id == user.id => {}
                _ => return over("the passkey was removed"),
            },
            Factor::Password { set_at } => match ours.get::<PasswordRow>(&user.id)? {
                Some(row) if row.set_at == *set_at => {}
                _ => return over("the password was changed or removed"),
            },
            Factor::RecoveryCode => {}
            Factor::Totp { id } => match ours.get::<TotpRow>(id)? {
                Some(row) if row.user_id == user.id && row.confirmed_at.is_some() => {}
                _ => return over("the authenticator was removed"),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use SignInMethod::{MailCode, Passkey, Password, RecoveryCode, Totp};

    use super::*;

    #[test]
    fn r10_the_level_of_each_way() {
        for (methods, expected) in [
            (&[Passkey][..], Some(Level::Present)),
            (&[Password], Some(Level::KnownUser)),
            (&[Password, Totp], Some(Level::MdmSigned)),
            (&[Password, RecoveryCode], Some(Level::MdmSigned)),
            (&[Password, Passkey], Some(Level::Present)),
            (&[], None),
            (&[Totp], None),
            (&[RecoveryCode, Totp], None),
            (&[MailCode], Some(Level::KnownUser)),
            (&[Password, MailCode], Some(Level::Inventory)),
            (&[MailCode, Totp], Some(Level::Inventory)),
            (&[Password, MailCode, Totp], Some(Level::MdmSigned)),
        ] {
            assert_eq!(level(methods), expected, "{methods:?}");
        }
    }

    #[test]
    fn a_factor_is_short_under_the_seal() {
        let password = Factor::Password { set_at: Timestamp::from_seconds(1_795_000_000) };
        let text = serde_json::to_string(&[password.clone(), Factor::RecoveryCode]).unwrap();
        assert!(text.len() < 80, "{text}");
        assert_eq!(serde_json::from_str::<Vec<Factor>>(&text).unwrap(), [password, Factor::RecoveryCode]);
    }
}
