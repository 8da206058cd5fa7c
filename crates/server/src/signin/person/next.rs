//! The part of the dispatcher that deals with people: which step comes next, from what was asked and what was proven.
//!
//! Owns the order of steps and what is offered at each. Decides from stored state only and has no effect, so that it can be tried in full. Must
//! not know how a step does its work.

use latchkey_directory::credentials::{CredentialsView, PasswordDue, SignInPolicyView, factor};
use latchkey_directory::values::SignInMethod;
use latchkey_wire::Level;

use super::errand::Errand;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// The person says who they are, or answers with a passkey.
    Name,
    /// The person proves it, by one of these, in this order.
    First(Vec<SignInMethod>),
    /// The password was right, and one of these confirms it.
    Second {
        /// A code of an authenticator.
        totp: bool,
        /// A recovery code.
        recovery: bool,
    },
    /// What was proven is enough, and the password has to be changed on the way in.
    NewPassword(PasswordDue),
    /// What was proven is enough.
    Enter,
    /// What was proven, or may be offered, never reaches the level.
    TooWeak,
}

/// What may be offered for a start, in the organization's order: what can reach the level.
#[must_use]
pub(super) fn offered(policy: &SignInPolicyView, passkeys: bool, level: Level) -> Vec<SignInMethod> {
    let confirmed = policy.allows(SignInMethod::Totp) || policy.allows(SignInMethod::RecoveryCode);
    let reaches = |method: &SignInMethod| match method {
        SignInMethod::Passkey => passkeys,
        SignInMethod::Password if confirmed => level <= Level::MdmSigned,
        SignInMethod::Password => level <= Level::KnownUser,
        SignInMethod::Totp | SignInMethod::RecoveryCode => false,
    };
    policy.methods.iter().copied().filter(reaches).collect()
}

/// Decides. The credentials are those of the user whose first factor was right.
#[must_use]
pub(super) fn next(
    errand: &Errand,
    policy: &SignInPolicyView,
    passkeys: bool,
    credentials: Option<&CredentialsView>,
) -> Next {
    let methods: Vec<_> = errand.factors.iter().map(latchkey_directory::credentials::Factor::method).collect();
    let Some(level) = factor::level(&methods) else {
        let offered = offered(policy, passkeys, errand.level);
        return match errand.name {
            _ if offered.is_empty() => Next::TooWeak,
            // A passkey says by itself whose it is.
            None if offered != [SignInMethod::Passkey] => Next::Name,
            _ => Next::First(offered),
        };
    };
    if level == Level::KnownUser
        && let Some(credentials) = credentials
    {
        let totp = !credentials.totp.is_empty() && policy.allows(SignInMethod::Totp);
        let recovery = credentials.recovery_codes > 0 && policy.allows(SignInMethod::RecoveryCode);
        if totp || recovery {
            return Next::Second { totp, recovery };
        }
    }
    if level < errand.level {
        return Next::TooWeak;
    }
    let due = credentials.and_then(|credentials| credentials.password_due);
    match due.filter(|_| methods.contains(&SignInMethod::Password)) {
        Some(due) => Next::NewPassword(due),
        None => Next::Enter,
    }
}

#[cfg(test)]
mod tests {
    use latchkey_directory::Timestamp;
    use latchkey_directory::credentials::{Factor, TotpView};
    use latchkey_wire::Bytes;

    use super::*;
    use crate::signin::person::errand::Goal;

    fn at() -> Timestamp {
        Timestamp::from_seconds(1)
    }

    fn errand(level: Level, name: Option<&str>, factors: &[Factor]) -> Errand {
        let mut errand = Errand::begin(Goal::Portal { to: "/".into() }, Bytes([0; 32]), level, at());
        errand.name = name.map(str::to_owned);
        errand.factors = factors.to_vec();
        errand
    }

    fn has(totp: bool, recovery_codes: u64) -> CredentialsView {
        let one = TotpView { id: "t".into(), name: "phone".into(), created_at: at(), last_used_at: None };
        let totp = if totp { vec![one] } else { vec![] };
        CredentialsView { passkeys: vec![], password_set_at: Some(at()), password_due: None, totp, recovery_codes }
    }

    fn old(totp: bool) -> CredentialsView {
        CredentialsView { password_due: Some(PasswordDue::TooOld), ..has(totp, 0) }
    }

    fn policy(methods: &[SignInMethod]) -> SignInPolicyView {
        SignInPolicyView { methods: methods.to_vec(), ..SignInPolicyView::default() }
    }

    #[test]
    fn each_state_leads_to_one_step() {
        use Level::{KnownUser, MdmSigned, Present};
        use SignInMethod::{Passkey, Password, RecoveryCode, Totp};
        let all = policy(SignInMethod::ALL);
        let keys = policy(&[Passkey]);
        let words = policy(&[Password, Totp, RecoveryCode]);
        let name = Some("anna@acme.example");
        let password = [Factor::Password { set_at: at() }];
        let both = [password[0].clone(), Factor::Totp { id: "t".into() }];
        let spare = [password[0].clone(), Factor::RecoveryCode];
        let key = [Factor::Passkey { id: "k".into() }];
        let second = |totp, recovery| Next::Second { totp, recovery };
        for (errand, policy, passkeys, credentials, expected) in [
            (errand(KnownUser, None, &[]), &all, true, None, Next::Name),
            (errand(KnownUser, name, &[]), &all, true, None, Next::First(vec![Passkey, Password])),
            (errand(KnownUser, name, &[]), &all, false, None, Next::First(vec![Password])),
            (errand(KnownUser, None, &[]), &keys, true, None, Next::First(vec![Passkey])),
            (errand(KnownUser, None, &[]), &keys, false, None, Next::TooWeak),
            (errand(Present, name, &[]), &all, true, None, Next::First(vec![Passkey])),
            (errand(Present, name, &[]), &words, true, None, Next::TooWeak),
            (errand(KnownUser, name, &password), &all, true, Some(has(true, 5)), second(true, true)),
            (errand(KnownUser, name, &password), &all, true, Some(has(true, 0)), second(true, false)),
            (errand(KnownUser, name, &password), &keys, true, Some(has(true, 5)), Next::Enter),
            (errand(KnownUser, name, &password), &all, true, Some(has(false, 0)), Next::Enter),
            (errand(MdmSigned, name, &password), &all, true, Some(has(false, 0)), Next::TooWeak),
            (errand(MdmSigned, name, &both), &all, true, Some(has(true, 5)), Next::Enter),
            (errand(MdmSigned, name, &spare), &all, true, Some(has(true, 4)), Next::Enter),
            (errand(Present, name, &both), &all, true, Some(has(true, 5)), Next::TooWeak),
            (errand(Present, None, &key), &all, true, Some(has(true, 5)), Next::Enter),
            (errand(KnownUser, name, &password), &all, true, Some(old(true)), second(true, false)),
            (errand(KnownUser, name, &both), &all, true, Some(old(true)), Next::NewPassword(PasswordDue::TooOld)),
            (errand(KnownUser, name, &password), &all, true, Some(old(false)), Next::NewPassword(PasswordDue::TooOld)),
            (errand(Present, name, &both), &all, true, Some(old(true)), Next::TooWeak),
            (errand(KnownUser, None, &key), &all, true, Some(old(true)), Next::Enter),
        ] {
            assert_eq!(next(&errand, policy, passkeys, credentials.as_ref()), expected, "{errand:?}");
        }
    }
}
