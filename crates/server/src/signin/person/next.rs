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
        /// A code that is mailed.
        mail: bool,
    },
    /// What was proven is enough, and the password has to be changed on the way in.
    NewPassword(PasswordDue),
    /// What was proven is enough.
    Enter,
    /// What was proven, or may be offered, never reaches the level.
    TooWeak,
}

/// What this server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Able {
    /// Browsers make passkeys for its name.
    pub(super) passkeys: bool,
    /// Mail is set up.
    pub(super) mail: bool,
}

/// What may be offered for a start, in the organization's order: what can reach the level.
#[must_use]
pub(super) fn offered(policy: &SignInPolicyView, able: Able, level: Level) -> Vec<SignInMethod> {
    let confirmed = policy.allows(SignInMethod::Totp) || policy.allows(SignInMethod::RecoveryCode);
    let mailed = able.mail && policy.allows(SignInMethod::MailCode);
    let reaches = |method: &SignInMethod| match method {
        SignInMethod::MailCode => mailed && level <= Level::KnownUser,
        SignInMethod::Passkey => able.passkeys,
        SignInMethod::Password if confirmed => level <= Level::MdmSigned,
        SignInMethod::Password if mailed => level <= Level::Inventory,
        SignInMethod::Password => level <= Level::KnownUser,
        SignInMethod::Totp | SignInMethod::RecoveryCode => false,
    };
    policy.methods.iter().copied().filter(reaches).collect()
}

/// What there is of the user whose first factor was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Has {
    /// The ways to sign in.
    pub(super) credentials: CredentialsView,
    /// An address to mail to.
    pub(super) address: bool,
}

/// Decides.
#[must_use]
pub(super) fn next(errand: &Errand, policy: &SignInPolicyView, able: Able, has: Option<&Has>) -> Next {
    let methods: Vec<_> = errand.factors.iter().map(latchkey_directory::credentials::Factor::method).collect();
    let Some(level) = factor::level(&methods) else {
        let offered = offered(policy, able, errand.level);
        return match errand.name {
            _ if offered.is_empty() => Next::TooWeak,
            // A passkey says by itself whose it is.
            None if offered != [SignInMethod::Passkey] => Next::Name,
            _ => Next::First(offered),
        };
    };
    let given = |method| methods.contains(&method);
    let confirmed = given(SignInMethod::Totp) || given(SignInMethod::RecoveryCode);
    if level < Level::MdmSigned
        && !confirmed
        && let Some(Has { credentials, address }) = has
    {
        let totp = !credentials.totp.is_empty() && policy.allows(SignInMethod::Totp);
        let recovery = credentials.recovery_codes > 0 && policy.allows(SignInMethod::RecoveryCode);
        // An authenticator is more, and whoever has one shows it.
        let mail = !totp && able.mail && *address && policy.allows(SignInMethod::MailCode);
        let mail = mail && !given(SignInMethod::MailCode);
        let ask = totp || level == Level::KnownUser && (recovery || mail);
        if ask {
            return Next::Second { totp, recovery, mail };
        }
    }
    if level < errand.level {
        return Next::TooWeak;
    }
    let due = has.and_then(|has| has.credentials.password_due);
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

    fn has(totp: bool, recovery_codes: u64) -> Has {
        let one = TotpView { id: "t".into(), name: "phone".into(), created_at: at(), last_used_at: None };
        let totp = if totp { vec![one] } else { vec![] };
        let credentials =
            CredentialsView { passkeys: vec![], password_set_at: Some(at()), password_due: None, totp, recovery_codes };
        Has { credentials, address: true }
    }

    fn old(totp: bool) -> Has {
        let Has { credentials, address } = has(totp, 0);
        Has { credentials: CredentialsView { password_due: Some(PasswordDue::TooOld), ..credentials }, address }
    }

    fn policy(methods: &[SignInMethod]) -> SignInPolicyView {
        SignInPolicyView { methods: methods.to_vec(), ..SignInPolicyView::default() }
    }

    #[test]
    fn each_state_leads_to_one_step() {
        use Level::{KnownUser, MdmSigned, Present};
        use SignInMethod::{Passkey, Password, RecoveryCode, Totp};
        let all = SignInPolicyView::default();
        let keys = policy(&[Passkey]);
        let words = policy(&[Password, Totp, RecoveryCode]);
        let name = Some("anna@acme.example");
        let password = [Factor::Password { set_at: at() }];
        let both = [password[0].clone(), Factor::Totp { id: "t".into() }];
        let spare = [password[0].clone(), Factor::RecoveryCode];
        let key = [Factor::Passkey { id: "k".into() }];
        let second = |totp, recovery| Next::Second { totp, recovery, mail: false };
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
            let able = Able { passkeys, mail: true };
            assert_eq!(next(&errand, policy, able, credentials.as_ref()), expected, "{errand:?}");
        }
    }

    #[test]
    fn a_mailed_code_is_offered_and_asked_where_mail_is_set_up_and_reaches_the_level() {
        use Level::{Inventory, KnownUser, MdmSigned};
        use SignInMethod::{MailCode, Passkey, Password};
        let mails = policy(&[Passkey, Password, MailCode]);
        let all = policy(SignInMethod::ALL);
        let name = Some("anna@acme.example");
        let password = [Factor::Password { set_at: at() }];
        let code = [Factor::MailCode { address: "anna@acme.example".into() }];
        let both = [password[0].clone(), code[0].clone()];
        let nowhere = Has { address: false, ..has(false, 0) };
        let mail = |totp, recovery, mail| Next::Second { totp, recovery, mail };
        let first = |methods: &[SignInMethod]| Next::First(methods.to_vec());
        for (errand, policy, on, user, expected) in [
            (errand(KnownUser, name, &[]), &mails, true, None, first(&[Passkey, Password, MailCode])),
            (errand(KnownUser, name, &[]), &mails, false, None, first(&[Passkey, Password])),
            (errand(Inventory, name, &[]), &mails, true, None, first(&[Passkey, Password])),
            (errand(Inventory, name, &[]), &mails, false, None, first(&[Passkey])),
            (errand(MdmSigned, name, &[]), &mails, true, None, first(&[Passkey])),
            (errand(KnownUser, name, &password), &mails, true, Some(has(false, 0)), mail(false, false, true)),
            (errand(KnownUser, name, &password), &mails, false, Some(has(false, 0)), Next::Enter),
            (errand(KnownUser, name, &password), &mails, true, Some(nowhere), Next::Enter),
            (errand(KnownUser, name, &password), &all, true, Some(has(true, 0)), mail(true, false, false)),
            (errand(KnownUser, name, &password), &all, true, Some(has(false, 3)), mail(false, true, true)),
            (errand(KnownUser, name, &code), &mails, true, Some(has(false, 0)), Next::Enter),
            (errand(KnownUser, name, &code), &all, true, Some(has(true, 0)), mail(true, false, false)),
            (errand(Inventory, name, &both), &mails, true, Some(has(false, 0)), Next::Enter),
            (errand(Inventory, name, &both), &all, true, Some(has(true, 0)), mail(true, false, false)),
            (errand(MdmSigned, name, &both), &mails, true, Some(has(false, 0)), Next::TooWeak),
        ] {
            let able = Able { passkeys: true, mail: on };
            assert_eq!(next(&errand, policy, able, user.as_ref()), expected, "{errand:?}");
        }
    }
}
