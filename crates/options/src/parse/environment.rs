//! Options in the environment: `LATCHKEY_CONNECTOR_CLOUD_NAME`.

use crate::resolve::{Given, Source};

const PREFIX: &str = "LATCHKEY_CONNECTOR_";

/// Variables with our prefix that are settings of the program rather than options.
const NOT_OPTIONS: &[&str] = &["STATE_DIR", "MACHINE_DIR", "CONFIG", "SOCKET", "LOG"];

/// Picks our options out of an environment. An empty variable counts as unset, as it does everywhere in a shell.
pub fn parse_environment<I>(variables: I) -> Vec<Given>
where
    I: IntoIterator<Item = (String, String)>,
{
    variables
        .into_iter()
        .filter_map(|(name, value)| {
            let option = name.strip_prefix(PREFIX)?;
            if value.is_empty() || NOT_OPTIONS.contains(&option) {
                return None;
            }
            Some(Given::new(option, value, Source::Environment, name.clone()))
        })
        .collect()
}
