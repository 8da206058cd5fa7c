//! The organization's choice of sign-in methods.
//!
//! Owns what a policy may say and what holds while nobody said anything. Must not know pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::records::SignInPolicy;
use super::used::keeps_a_way;
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::query::Filter;
use crate::records::Organization;
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::SignInMethod;
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// The shortest least length an organization may choose, characters.
pub const SHORTEST: u64 = 8;
/// The longest.
pub const LONGEST: u64 = 64;
/// What holds if it chose none.
pub const USUAL: u64 = 12;

/// The sign-in methods, as callers see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignInPolicyView {
    /// What is allowed, in the order in which it is offered.
    pub methods: Vec<SignInMethod>,
    /// The least length of a new password, in characters.
    pub password_min_length: u64,
    /// When it was last changed; never, if this is how it came.
    #[schema(value_type = Option<String>)]
    pub updated_at: Option<Timestamp>,
}

impl Default for SignInPolicyView {
    fn default() -> Self {
        Self { methods: SignInMethod::ALL.to_vec(), password_min_length: USUAL, updated_at: None }
    }
}

impl From<SignInPolicy> for SignInPolicyView {
    fn from(row: SignInPolicy) -> Self {
        Self { methods: row.methods.0, password_min_length: row.password_min_length, updated_at: Some(row.updated_at) }
    }
}

impl SignInPolicyView {
    /// Whether people may use this.
    #[must_use]
    pub fn allows(&self, method: SignInMethod) -> bool {
        self.methods.contains(&method)
    }
}

/// The whole choice, as it is written. Every field is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewSignInPolicy {
    /// What is allowed, in the order in which it is offered.
    pub methods: Option<Vec<SignInMethod>>,
    /// The least length of a new password, in characters: 8 to 64.
    pub password_min_length: Option<u64>,
}

impl NewSignInPolicy {
    fn checked(&self) -> Result<(Vec<SignInMethod>, u64)> {
        let mut wrong = Vec::new();
        let methods = self.methods.clone().unwrap_or_else(|| {
            wrong.push(FieldProblem::invalid("/methods", "methods is missing: PUT takes the whole policy"));
            Vec::new()
        });
        if self.methods.is_some()
            && let Some(problem) = complaint(&methods)
        {
            wrong.push(FieldProblem::invalid("/methods", problem));
        }
        let length = self.password_min_length.unwrap_or_default();
        if !(SHORTEST..=LONGEST).contains(&length) {
            let text = format!("the least length of a password is {SHORTEST} to {LONGEST} characters");
            wrong.push(FieldProblem::invalid("/password_min_length", text));
        }
        if wrong.is_empty() { Ok((methods, length)) } else { Err(Error::Invalid(wrong)) }
    }
}

/// What is wrong with a choice of methods.
fn complaint(methods: &[SignInMethod]) -> Option<&'static str> {
    use SignInMethod::{Passkey, Password, RecoveryCode, Totp};
    let has = |method| methods.contains(&method);
    let twice = methods.iter().enumerate().any(|(at, method)| methods[..at].contains(method));
    if twice {
        return Some("each method stands in the list once");
    }
    if !has(Password) && (has(Totp) || has(RecoveryCode)) {
        return Some("totp and recovery_code confirm a password; without password they are of no use");
    }
    if !has(Passkey) && !has(Totp) {
        return Some("administrators sign in with passkey, or with password and totp: allow one of these ways");
    }
    None
}

/// The choice, inside a transaction.
pub(crate) fn current<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<SignInPolicyView, StoreError> {
    let row = Org::of(tx, org).one::<SignInPolicy>(Filter::all())?;
    Ok(row.map(Into::into).unwrap_or_default())
}

impl Directory {
    /// The organization's sign-in methods.
    pub async fn sign_in_policy(&self, org: &OrgId) -> Result<SignInPolicyView> {
        let org = org.clone();
        self.read(move |tx| Ok(current(tx, &org)?)).await
    }

    /// Chooses them.
    pub async fn set_sign_in_policy(
        &self,
        intent: &Intent,
        org: &OrgId,
        new: NewSignInPolicy,
    ) -> Result<SignInPolicyView> {
        let (intent, org) = (intent.clone(), org.clone());
        let (methods, password_min_length) = new.checked()?;
        self.change(intent.dry_run, move |tx| {
            let before = current(tx, &org)?;
            intent.condition.check("sign-in methods", &before)?;
            let now = tx.now();
            if !Org::of(tx, &org).any::<Organization>(Filter::all())? {
                return Err(Error::not_found("organization", org.as_str()));
            }
            let row =
                SignInPolicy { org: org.clone(), methods: Json(methods.clone()), password_min_length, updated_at: now };
            keeps_a_way(tx, &intent, &org, &before, &row.clone().into())?;
            let mut ours = Org::of(tx, &org);
            if before.updated_at.is_some() {
                ours.replace(&row)?;
            } else {
                ours.add(&row)?;
            }
            let event = NewEvent::new(&intent.actor, "sign-in-method.set", org.to_string());
            ours.audit(event.with("methods", &methods).with("password_min_length", password_min_length));
            Ok(row.into())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use SignInMethod::{Passkey, Password, RecoveryCode, Totp};

    use super::*;

    #[test]
    fn a_policy_leaves_administrators_a_way_in() {
        for good in [&[Passkey][..], &[Password, Totp], &[Totp, Password, RecoveryCode, Passkey], SignInMethod::ALL] {
            assert_eq!(complaint(good), None, "{good:?}");
        }
        for bad in [&[][..], &[Password], &[Password, RecoveryCode], &[Totp], &[Passkey, Passkey], &[Passkey, Totp]] {
            assert!(complaint(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_least_length_has_limits() {
        for (length, good) in [(7, false), (8, true), (64, true), (65, false)] {
            let new = NewSignInPolicy { methods: Some(vec![Passkey]), password_min_length: Some(length) };
            assert_eq!(new.checked().is_ok(), good, "{length}");
        }
        assert!(NewSignInPolicy::default().checked().is_err());
    }
}
