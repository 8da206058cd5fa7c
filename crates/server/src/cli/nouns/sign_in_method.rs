//! `latchkey sign-in-method`: how people of the organization may sign in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Body;
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context};
use crate::exit::Result;

/// Verbs of `sign-in-method`.
#[derive(Subcommand, Debug)]
pub(crate) enum SignInMethod {
    /// The methods, in the order in which they are offered
    Show,
    /// Choose them; what is not named stays
    #[command(
        after_help = "Examples:\n  latchkey sign-in-method set --method passkey --method password --method totp\n  \
        latchkey sign-in-method set --method passkey        nothing but passkeys"
    )]
    Set(SetArgs),
}

/// Flags of `sign-in-method set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// passkey, password, totp, recovery_code or mail_code; repeat for more, in the order in which they are offered. Replaces the list
    #[arg(long, value_name = "M")]
    method: Vec<String>,
    /// The least length of a new password, in characters: 8 to 64
    #[arg(long, value_name = "N")]
    password_min_length: Option<u64>,
    /// How many passwords before the present one are not used again: 0 to 24
    #[arg(long, value_name = "N")]
    password_history: Option<u64>,
    /// After how many days a password has to be changed at the next sign-in: 15 to 365, or 0 for never
    #[arg(long, value_name = "DAYS")]
    password_max_age_days: Option<u64>,
    #[command(flatten)]
    change: Change,
}

impl SignInMethod {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let path = context.at(&["sign-in-methods"])?;
        match self {
            SignInMethod::Show => context.answer_with(Ask::get(path)),
            SignInMethod::Set(args) => {
                let changes = Body::default()
                    .list("methods", &args.method)
                    .maybe("password_min_length", args.password_min_length)
                    .maybe("password_history", args.password_history)
                    .maybe("password_max_age_days", args.password_max_age_days)
                    .changes()?;
                let current = context.send(Ask::get(&path))?;
                let document = merged(&current.json()?, &changes);
                context.answer_with(Ask::put(args.change.path(&path), &document).if_match(current.etag.clone()))
            }
        }
    }
}

/// The whole document, as `PUT` wants it.
fn merged(current: &Value, changes: &Value) -> Value {
    let pick = |name: &str| changes.get(name).or_else(|| current.get(name)).cloned().unwrap_or(Value::Null);
    json!({
        "methods": pick("methods"),
        "password_min_length": pick("password_min_length"),
        "password_history": pick("password_history"),
        "password_max_age_days": pick("password_max_age_days"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_what_the_server_adds_is_not_sent_back() {
        let ages = json!({"password_history": 5, "password_max_age_days": 0});
        let with = |mut document: Value, more: &Value| {
            document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            document
        };
        let current = with(json!({"methods": ["passkey"], "password_min_length": 12, "updated_at": null}), &ages);
        assert_eq!(
            merged(&current, &json!({"password_min_length": 16})),
            with(json!({"methods": ["passkey"], "password_min_length": 16}), &ages)
        );
    }
}
