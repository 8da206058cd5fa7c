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
/// The most former passwords that an organization may forbid.
pub const LONGEST_HISTORY: u64 = 24;
/// How many are forbidden if it said nothing.
pub const USUAL_HISTORY: u64 = 5;
/// The shortest age, in days, at which a password may have to be changed.
pub const YOUNGEST: u64 = 15;
/// The longest.
pub const OLDEST: u64 = 365;

/// The sign-in methods, as callers see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignInPolicyView {
    /// What is allowed, in the order in which it is offered.
    pub methods: Vec<SignInMethod>,
    /// The least length of a new password, in characters.
    pub password_min_length: u64,
    /// How many passwords before the present one a user may not use again.
    pub password_history: u64,
    /// After how many days a password has to be changed at the next sign-in; 0 is never.
    pub password_max_age_days: u64,
    /// When it was last changed; never, if this is how it came.
    #[schema(value_type = Option<String>)]
    pub updated_at: Option<Timestamp>,
}

impl Default for SignInPolicyView {
    fn default() -> Self {
        // Codes by mail are weaker than the others and need mail to be set up: who wants them chooses them.
        let methods = SignInMethod::ALL.iter().copied().filter(|method| *method != SignInMethod::MailCode).collect();
        Self {
            methods,
            password_min_length: USUAL,
            password_history: USUAL_HISTORY,
            password_max_age_days: 0,
            updated_at: None,
        }
    }
}

impl From<SignInPolicy> for SignInPolicyView {
    fn from(row: SignInPolicy) -> Self {
        Self {
            methods: row.methods.0,
            password_min_length: row.password_min_length,
            password_history: row.password_history,
            password_max_age_days: row.password_max_age_days,
            updated_at: Some(row.updated_at),
        }
    }
}

impl SignInPolicyView {
    /// Whether people may use this.
    #[must_use]
    pub fn allows(&self, method: SignInMethod) -> bool {
        self.methods.contains(&method)
    }

    /// What both allow.
    #[must_use]
    pub(crate) fn closer(&self, other: &Self) -> Self {
        let ages = [self.password_max_age_days, other.password_max_age_days];
        Self {
            methods: self.methods.iter().copied().filter(|method| other.allows(*method)).collect(),
            password_min_length: self.password_min_length.max(other.password_min_length),
            password_history: self.password_history.max(other.password_history),
            password_max_age_days: ages.into_iter().filter(|days| *days > 0).min().unwrap_or(0),
            updated_at: self.updated_at,
        }
    }
}

/// The whole choice, as it is written. Every field is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewSignInPolicy {
    /// What is allowed, in the order in which it is offered.
    pub methods: Option<Vec<SignInMethod>>,
    /// The least length of a new password, in characters: 8 to 64.
    pub password_min_length: Option<u64>,
    /// How many passwords before the present one a user may not use again: 0 to 24.
    pub password_history: Option<u64>,
    /// After how many days a password has to be changed at the next sign-in: 15 to 365, or 0 for never.
    pub password_max_age_days: Option<u64>,
}

impl NewSignInPolicy {
    fn checked(&self) -> Result<SignInPolicyView> {
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
        let history = self.password_history.filter(|history| *history <= LONGEST_HISTORY).unwrap_or_else(|| {
            let text = format!("passwords that are not used again: 0 to {LONGEST_HISTORY}");
            wrong.push(FieldProblem::invalid("/password_history", text));
            0
        });
        let days = self.password_max_age_days;
        let days = days.filter(|days| *days == 0 || (YOUNGEST..=OLDEST).contains(days)).unwrap_or_else(|| {
            let text = format!("a password has to be changed after {YOUNGEST} to {OLDEST} days, or never: 0");
            wrong.push(FieldProblem::invalid("/password_max_age_days", text));
            0
        });
        if !wrong.is_empty() {
            return Err(Error::Invalid(wrong));
        }
        Ok(SignInPolicyView {
            methods,
            password_min_length: length,
            password_history: history,
            password_max_age_days: days,
            updated_at: None,
        })
    }
}

/// What is wrong with a choice of methods.
pub(crate) fn complaint(methods: &[SignInMethod]) -> Option<&'static str> {
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

/// The choice as it is kept.
pub(crate) fn row(org: &OrgId, view: &SignInPolicyView, now: Timestamp) -> SignInPolicy {
    SignInPolicy {
        org: org.clone(),
        methods: Json(view.methods.clone()),
        password_min_length: view.password_min_length,
        password_history: view.password_history,
        password_max_age_days: view.password_max_age_days,
        updated_at: now,
    }
}

/// The choice, as the audit log tells it.
pub(crate) fn told(event: NewEvent, view: &SignInPolicyView) -> NewEvent {
    event
        .with("methods", &view.methods)
        .with("password_min_length", view.password_min_length)
        .with("password_history", view.password_history)
        .with("password_max_age_days", view.password_max_age_days)
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
        let new = new.checked()?;
        self.change(intent.dry_run, move |tx| {
            let before = current(tx, &org)?;
            intent.condition.check("sign-in methods", &before)?;
            let now = tx.now();
            if !Org::of(tx, &org).any::<Organization>(Filter::all())? {
                return Err(Error::not_found("organization", org.as_str()));
            }
            let row = row(&org, &new, now);
            keeps_a_way(tx, &intent, &org, &before, &row.clone().into())?;
            let mut ours = Org::of(tx, &org);
            if before.updated_at.is_some() {
                ours.replace(&row)?;
            } else {
                ours.add(&row)?;
            }
            ours.audit(told(NewEvent::new(&intent.actor, "sign-in-method.set", org.to_string()), &new));
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
        let good = || NewSignInPolicy {
            methods: Some(vec![Passkey]),
            password_min_length: Some(12),
            password_history: Some(5),
            password_max_age_days: Some(0),
        };
        for (length, expected) in [(7, false), (8, true), (64, true), (65, false)] {
            let new = NewSignInPolicy { password_min_length: Some(length), ..good() };
            assert_eq!(new.checked().is_ok(), expected, "{length}");
        }
        for (history, days, expected) in
            [(0, 0, true), (24, 15, true), (25, 0, false), (5, 14, false), (5, 365, true), (5, 366, false)]
        {
            let (password_history, password_max_age_days) = (Some(history), Some(days));
            let new = NewSignInPolicy { password_history, password_max_age_days, ..good() };
            assert_eq!(new.checked().is_ok(), expected, "{history} {days}");
        }
        assert!(NewSignInPolicy::default().checked().is_err());
    }
}
