//! Re-applying what an exported audit log took away of people's ways to sign in.
//!
//! Owns which passkeys, authenticators and passwords count no more, and that the choice of methods is never wider than the backup has it. What
//! people set up since the backup is not in the log: they set it up again. Must not know the rest of the log.

use super::replay::{Done, Step};
use crate::Result;
use crate::audit::export::ExportedEvent;
use crate::credentials::former::keep;
use crate::credentials::policy::{self, complaint};
use crate::credentials::records::{PasskeyRow, PasswordRow, SignInPolicy, TotpRow};
use crate::query::Filter;
use crate::values::SignInMethod;

fn detail<T: serde::de::DeserializeOwned>(event: &ExportedEvent, name: &str) -> Option<T> {
    event.details.get(name).cloned().and_then(|value| serde_json::from_value(value).ok())
}

impl Step<'_> {
    /// A way to sign in was taken away.
    pub(super) fn credential_removed(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(kind) = detail::<SignInMethod>(event, "kind") else { return Ok(Done::Passed) };
        let ids: Vec<String> = detail(event, "ids").unwrap_or_default();
        let user = &event.target;
        let gone = match kind {
            SignInMethod::Passkey => {
                let these = PasskeyRow::user_id.eq(user).and(PasskeyRow::id.one_of(&ids));
                self.ours().delete::<PasskeyRow>(these)?
            }
            SignInMethod::Totp => {
                let these = TotpRow::user_id.eq(user).and(TotpRow::id.one_of(&ids));
                self.ours().delete::<TotpRow>(these)?
            }
            SignInMethod::Password => self.password_over(event)?,
            // The restore did more than this.
            SignInMethod::RecoveryCode | SignInMethod::MailCode => return Ok(Done::Already),
        };
        if gone == 0 {
            return Ok(Done::Passed);
        }
        let again = self.again("credential.remove", event).with("kind", kind).with("count", gone);
        let again = if ids.is_empty() { again } else { again.with("ids", &ids) };
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    /// A password took the place of another: the one before it counts no more, and the new one is not in the log.
    pub(super) fn credential_added(&mut self, event: &ExportedEvent) -> Result<Done> {
        let replaced = detail::<SignInMethod>(event, "kind") == Some(SignInMethod::Password)
            && detail::<bool>(event, "replaced") == Some(true);
        if !replaced || self.password_over(event)? == 0 {
            return Ok(Done::Passed);
        }
        let again = self.again("credential.remove", event).with("kind", SignInMethod::Password).with("count", 1);
        self.ours().audit(again);
        Ok(Done::Left("the password was changed: the old one counts no more, let the user set another".to_owned()))
    }

    /// Takes away the password that the user had when this happened.
    fn password_over(&mut self, event: &ExportedEvent) -> Result<u64> {
        let row = self.ours().get::<PasswordRow>(&event.target)?;
        let Some(row) = row.filter(|row| row.set_at <= event.at) else { return Ok(0) };
        let mut ours = self.ours();
        let gone = ours.delete::<PasswordRow>(PasswordRow::user_id.eq(&row.user_id))?;
        let policy = policy::current(ours.tx(), &row.org)?;
        keep(self.tx, row, policy.password_history)?;
        Ok(gone)
    }

    /// A password has to be changed when it is used next.
    pub(super) fn credential_expired(&mut self, event: &ExportedEvent) -> Result<Done> {
        let row = self.ours().get::<PasswordRow>(&event.target)?;
        let Some(row) = row.filter(|row| row.set_at <= event.at) else { return Ok(Done::Passed) };
        if row.must_change {
            return Ok(Done::Already);
        }
        self.ours().replace(&PasswordRow { must_change: true, ..row })?;
        let again = self.again("credential.expire", event).with("kind", SignInMethod::Password);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    /// The choice of methods and the rules for passwords. Every event holds all of it.
    pub(super) fn sign_in_methods(&mut self, event: &ExportedEvent) -> Result<Done> {
        let there = self.ours().any::<SignInPolicy>(Filter::all())?;
        let is = policy::current(self.tx, self.org)?;
        let was = self.before.sign_in.get_or_insert_with(|| is.clone()).clone();
        let said = (|| {
            let (methods, password_min_length) = (detail(event, "methods")?, detail(event, "password_min_length")?);
            let password_history = detail(event, "password_history").unwrap_or(was.password_history);
            let password_max_age_days = detail(event, "password_max_age_days").unwrap_or(was.password_max_age_days);
            Some(policy::SignInPolicyView {
                methods,
                password_min_length,
                password_history,
                password_max_age_days,
                updated_at: is.updated_at,
            })
        })();
        let Some(said) = said else {
            return Ok(Done::Left("the log does not say what was chosen: look at the sign-in methods".to_owned()));
        };
        let new = was.closer(&said);
        if new == is {
            return Ok(if said == is { Done::Already } else { Done::Passed });
        }
        if complaint(&new.methods).is_some() {
            let words: Vec<_> = said.methods.iter().map(ToString::to_string).collect();
            return Ok(Done::Left(format!("the methods were set to {}: set them again", words.join(", "))));
        }
        let row = policy::row(self.org, &new, self.tx.now());
        if there {
            self.ours().replace(&row)?;
        } else {
            self.ours().add(&row)?;
        }
        let again = policy::told(self.again("sign-in-method.set", event), &new);
        self.ours().audit(again);
        Ok(Done::Applied)
    }
}
