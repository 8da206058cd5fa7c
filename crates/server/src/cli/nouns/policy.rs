//! `latchkey policy`: the device token policy, the organization's switch for enrollment.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Body;
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context};
use crate::exit::{Failure, Result};

/// Verbs of `policy`.
#[derive(Subcommand, Debug)]
pub(crate) enum Policy {
    /// The policy as it stands
    Show,
    /// Change it; what is not named stays
    #[command(after_help = "Examples:\n  latchkey policy set --enabled --domain corp.example --jit\n  \
        latchkey policy set --no-enabled        nothing enrolls, renews or signs in silently until it is back")]
    Set(SetArgs),
}

/// Flags of `policy set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// Accept device tokens
    #[arg(long, overrides_with = "no_enabled")]
    enabled: bool,
    /// Accept no device token
    #[arg(long, overrides_with = "enabled")]
    no_enabled: bool,
    /// For every verified domain of the organization
    #[arg(long, conflicts_with = "domain", overrides_with = "no_all_domains")]
    all_domains: bool,
    /// Only for the domains listed
    #[arg(long, overrides_with = "all_domains")]
    no_all_domains: bool,
    /// For this domain; repeat for more. Replaces the list
    #[arg(long, value_name = "D")]
    domain: Vec<String>,
    /// Create users on first contact
    #[arg(long, overrides_with = "no_jit")]
    jit: bool,
    /// Create no users
    #[arg(long, overrides_with = "jit")]
    no_jit: bool,
    #[command(flatten)]
    change: Change,
}

impl Policy {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let path = context.at(&["device-token-policy"])?;
        match self {
            Policy::Show => context.answer_with(Ask::get(path)),
            Policy::Set(args) => {
                let changes = args.changes()?;
                // Somebody else may write between our reading and our writing; then the flags are laid over what he wrote.
                let mut tries = 0;
                loop {
                    let current = context.send(Ask::get(&path))?;
                    let document = merged(&current.json()?, &changes);
                    let ask = Ask::put(args.change.path(&path), &document).if_match(current.etag.clone());
                    match context.json(ask) {
                        Err(failure) if failure.status == Some(412) && tries < 3 => tries += 1,
                        answer => {
                            context.answer(&answer?);
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

impl SetArgs {
    fn changes(&self) -> Result<Value> {
        if self.domain.iter().any(String::is_empty) && self.domain.len() > 1 {
            return Err(Failure::usage("--domain \"\" empties the list and stands alone", "leave the others out"));
        }
        Body::default()
            .switch("enabled", self.enabled, self.no_enabled)
            .switch("all_domains", self.all_domains, self.no_all_domains || !self.domain.is_empty())
            .list("domains", &self.domain)
            .switch("jit", self.jit, self.no_jit)
            .changes()
    }
}

/// The whole document, as `PUT` wants it.
fn merged(current: &Value, changes: &Value) -> Value {
    let pick = |name: &str, otherwise: Value| {
        let value = changes.get(name).or_else(|| current.get(name)).cloned();
        value.filter(|v| !v.is_null()).unwrap_or(otherwise)
    };
    json!({
        "enabled": pick("enabled", false.into()),
        "all_domains": pick("all_domains", false.into()),
        "domains": pick("domains", json!([])),
        "jit": pick("jit", false.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_what_the_server_adds_is_not_sent_back() {
        let current =
            json!({"enabled": true, "all_domains": true, "domains": ["a.example"], "jit": true, "updated_at": "x"});
        assert_eq!(
            merged(&current, &json!({"jit": false})),
            json!({"enabled": true, "all_domains": true, "domains": ["a.example"], "jit": false})
        );
    }
}
