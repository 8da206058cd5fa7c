//! Recovery codes: a way in for who lost the authenticator, each good once, in place of its code.
//!
//! Owns how they look and that only hashes are kept: 80 random bits need no slow hash. Must not know how they are shown.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use latchkey_wire::Bytes;
use latchkey_wire::bytes::sha256;
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use super::attempts::{Attempt, Guesser};
use super::factor::Factor;
use super::records::RecoveryCodeRow;
use super::taken;
use crate::audit::{Actor, ActorKind, NewEvent};
use crate::id::{OrgId, new_id};
use crate::scope::Org;
use crate::users::find_user;
use crate::values::{MethodChange, SignInMethod};
use crate::{Directory, Intent, Result};

/// How many are made at once.
const CODES: usize = 10;
/// How many random bytes each has.
const BYTES: usize = 10;

/// Codes that were just made: shown once. Cannot be printed; wiped when dropped.
pub struct RecoveryCodes(Vec<Zeroizing<String>>);

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl RecoveryCodes {
    /// The codes, in groups of four characters.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|code| code.as_str())
    }
}

fn new_code() -> Zeroizing<String> {
    let text = Zeroizing::new(BASE32_NOPAD.encode(&*random_bytes::<BYTES>()).to_lowercase());
    let groups: Vec<&str> = (0..text.len()).step_by(4).map(|at| &text[at..at + 4]).collect();
    Zeroizing::new(groups.join("-"))
}

/// The hash that is kept. What people change when they copy (case, spaces, hyphens, 0 for o, 1 for l) makes no difference.
fn hash(org: &OrgId, user_id: &str, code: &str) -> Bytes<32> {
    let letters = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
    let read: Zeroizing<String> = Zeroizing::new(
        letters
            .map(|c| match c {
                '0' => 'o',
                '1' => 'l',
                other => other,
            })
            .collect(),
    );
    sha256(Zeroizing::new(format!("latchkey-recovery-v1\0{org}\0{user_id}\0{}", *read)).as_bytes())
}

impl Directory {
    /// Makes new recovery codes; those from before are gone.
    pub async fn make_recovery_codes(&self, intent: &Intent, org: &OrgId, user: &str) -> Result<RecoveryCodes> {
        let (intent, org, user, mail) = (intent.clone(), org.clone(), user.to_owned(), self.outbox());
        self.change(intent.dry_run, move |tx| {
            let user = taken(tx, &intent, &org, &user)?;
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            let gone = ours.delete::<RecoveryCodeRow>(RecoveryCodeRow::user_id.eq(&user.id))?;
            let codes: Vec<_> = (0..CODES).map(|_| new_code()).collect();
            for code in &codes {
                ours.add(&RecoveryCodeRow {
                    org: org.clone(),
                    id: new_id(now),
                    user_id: user.id.clone(),
                    hash: hash(&org, &user.id, code),
                    created_at: now,
                })?;
            }
            let event = NewEvent::new(&intent.actor, "credential.add", user.id.clone());
            ours.audit(event.with("kind", SignInMethod::RecoveryCode).with("count", CODES).with("replaced", gone > 0));
            mail.person(tx, &user, MethodChange::RecoveryCodesMade, &intent.actor)?;
            Ok(RecoveryCodes(codes))
        })
        .await
    }

    /// Uses a recovery code, after a password that was right. `None` if there is no such code; the attempt counts then.
    pub async fn use_recovery_code(
        &self,
        org: &OrgId,
        user_id: &str,
        code: &str,
        guesser: Guesser,
    ) -> Result<Option<Factor>> {
        let (org, user_id, mail) = (org.clone(), user_id.to_owned(), self.outbox());
        let hash = hash(&org, &user_id, code);
        self.write(move |tx| {
            let user = find_user(tx, &org, &user_id)?;
            let attempt = Attempt::at_code(tx, &org, &user.login_name, &guesser)?;
            let this = RecoveryCodeRow::user_id.eq(&user.id).and(RecoveryCodeRow::hash.eq(&hash));
            if Org::of(tx, &org).delete::<RecoveryCodeRow>(this)? == 0 {
                return Ok(None);
            }
            attempt.take_back(tx, &org)?;
            let by = Actor {
                kind: ActorKind::User,
                id: user.id.clone(),
                address: guesser.address.map(|address| address.to_canonical().to_string()),
            };
            mail.person(tx, &user, MethodChange::RecoveryCodeUsed, &by)?;
            Ok(Some(Factor::RecoveryCode))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eighty_bits_and_is_read_as_people_write_it() {
        let code = new_code();
        assert_eq!((code.len(), code.matches('-').count()), (19, 3));
        let org: OrgId = "acme".parse().unwrap();
        let of = |text: &str| hash(&org, "u1", text);
        assert_eq!(of("abol-2345-wxyz-7777"), of(" AB01 2345 WXYZ 7777"));
        assert_ne!(of("abol-2345-wxyz-7777"), of("abol-2345-wxyz-7776"));
        assert_ne!(of(&code), hash(&org, "u2", &code));
        assert_eq!(format!("{:?}", RecoveryCodes(vec![code])), "****");
    }
}
