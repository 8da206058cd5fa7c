//! Forgetting the token (lifecycle.md, "The MDM pushes the token again").
//!
//! Owns which places are ours to clean: what the installer or the connector wrote. What a manager owns, and what a caller
//! named on the command line, stays and is said so.

use std::path::Path;

use latchkey_options::{OptionName, Source, normalize};
use serde_json::Value;

use crate::files::PrivateDir;
use crate::problem::Result;
use crate::settings::Core;

/// Where a token was, after enrollment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Gone from here.
    pub(crate) removed_from: Vec<String>,
    /// Still here.
    pub(crate) remains_in: Vec<String>,
}

/// Removes the token from every place that is ours.
pub(crate) fn forget(core: &Core) -> Forgotten {
    let mut forgotten = Forgotten::default();
    for name in [OptionName::DeviceToken, OptionName::DeviceTokenFile] {
        let Some(effective) = core.options.effective(name) else {
            continue;
        };
        let file = (name == OptionName::DeviceTokenFile).then(|| effective.value.expose());
        let mut places = vec![(effective.source, effective.place.clone(), file)];
        // A weaker source may hold the same token.
        places.extend(effective.overrode.iter().map(|o| (o.source, o.place.clone(), None)));
        for (source, place, file) in places {
            let shown = file.map_or_else(|| place.clone(), str::to_owned);
            let removed = match (source, file) {
                (Source::Installer, Some(path)) => std::fs::remove_file(path).is_ok(),
                (Source::Installer, None) => strip(Path::new(&place)).is_ok(),
                _ => false,
            };
            let list = if removed { &mut forgotten.removed_from } else { &mut forgotten.remains_in };
            if !list.contains(&shown) {
                list.push(shown);
            }
        }
    }
    forgotten
}

/// Takes the token out of a file of options that is ours, leaving the rest.
fn strip(path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        members.retain(|name, _| normalize(name) != "devicetoken");
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    PrivateDir::beside(folder).write(&name, format!("{value:#}\n").as_bytes())
}
