//! Generated from the table: the reference page, the JSON schema, the text of `--help`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::foreign::FOREIGN;
use crate::spec::{Kind, Relation, Spec};
use crate::table::TABLE;

/// The page `docs/options.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Install options\n\n\
         Generated from the table in `crates/options/src/table.rs` by `cargo xtask docs`; do not edit.\n\n\
         Every spelling is accepted: `cloudName`, `--cloud-name`, `CLOUDNAME`, `LATCHKEY_CONNECTOR_CLOUD_NAME`. \
         A value is checked before anything is sent, and an unfilled placeholder (`{{…}}`, `${…}`, `%name%`, `$NAME`, `<…>`, `[…]`, `@@DEVICE_TOKEN@@`) is refused.\n\n\
         Sources, strongest first: the MDM's managed configuration, machine policy (`/etc/latchkey/managed.json`), installer values, \
         the command line and its `--config` file, the environment. `latchkey-connector options` shows each value, its source and what it overrode.\n\n\
         | option | also | type | default | platforms | since | meaning | with others |\n|---|---|---|---|---|---|---|---|\n",
    );
    for spec in TABLE {
        let platforms: Vec<&str> = spec.platforms.iter().map(|p| p.name()).collect();
        let secret = if spec.secret { " Secret." } else { "" };
        let not_built =
            spec.not_built.map(|reason| format!(" *Accepted, without effect: {reason}.*")).unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {}{secret}{not_built} | {} |",
            spec.spelled,
            also(spec),
            kind(spec.kind),
            spec.default,
            platforms.join(", "),
            spec.since,
            spec.meaning,
            relations(spec),
        );
    }
    page.push_str(
        "\n## Recognized, not applicable\n\nOptions of other products that a moved deployment may still carry. They are reported and never stop an installation.\n\n| option | why it does nothing here |\n|---|---|\n",
    );
    for foreign in FOREIGN {
        let _ = writeln!(page, "| `{}` | {} |", foreign.spellings.join("`, `"), foreign.reason);
    }
    page
}

/// A JSON schema (2020-12) of `managed.json` and `--config`.
#[must_use]
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for spec in TABLE {
        let mut property = match spec.kind {
            Kind::Flag => json!({"enum": [0, 1, "0", "1", true, false]}),
            Kind::Choice(words) => json!({"enum": words}),
            Kind::ChoiceList(words) => json!({"type": "array", "items": {"enum": words}}),
            Kind::Seconds => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            Kind::Alphanumeric(max) => {
                json!({"type": "string", "maxLength": max, "pattern": "^[A-Za-z0-9]+$"})
            }
            Kind::Text(max) => json!({"type": "string", "minLength": 1, "maxLength": max}),
            Kind::LocalPart => json!({"type": "string", "minLength": 1, "maxLength": 255}),
            Kind::Pin => json!({"type": "string", "pattern": "^[A-Za-z2-7]{26}$"}),
            _ => json!({"type": "string", "minLength": 1}),
        };
        if let Value::Object(members) = &mut property {
            members.insert("description".to_owned(), Value::from(spec.meaning));
            if spec.secret {
                members.insert("writeOnly".to_owned(), Value::from(true));
            }
        }
        properties.insert(spec.spelled.to_owned(), property);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Latchkey connector options",
        "type": "object",
        "properties": properties,
    })
}

/// One line an option, for `--help`.
#[must_use]
pub fn help(platform: crate::Platform) -> String {
    let mut text = String::new();
    for spec in TABLE {
        if spec.platforms.contains(&platform) && spec.not_built.is_none() {
            let _ = writeln!(text, "  --{:<24} {}", format!("{} <V>", spec.flag()), spec.meaning);
        }
    }
    text
}

fn also(spec: &Spec) -> String {
    let mut spellings = vec![format!("`--{}`", spec.flag())];
    spellings.extend(spec.aliases.iter().map(|a| format!("`{a}`")));
    spellings.join(", ")
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Account => "account name".to_owned(),
        Kind::Alphanumeric(max) => format!("≤ {max} letters and digits"),
        Kind::Choice(words) => words.join(" · "),
        Kind::ChoiceList(words) => format!("list of {}", words.join(", ")),
        Kind::Domain => "domain".to_owned(),
        Kind::Flag => "0/1".to_owned(),
        Kind::Host => "host[:port]".to_owned(),
        Kind::LocalPart => "local part, ≤ 255".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::PathOrPem => "path or PEM".to_owned(),
        Kind::Pin => "26 base32 characters".to_owned(),
        Kind::Seconds => "seconds".to_owned(),
        Kind::Text(max) => format!("text, ≤ {max}"),
        Kind::Token => "token or code".to_owned(),
        Kind::Url => "URL".to_owned(),
    }
}

fn relations(spec: &Spec) -> String {
    let one_of = |others: &[crate::OptionName]| {
        let names: Vec<String> = others.iter().map(|o| format!("`{}`", o.spelled())).collect();
        names.join(" or ")
    };
    let rules: Vec<String> = spec
        .relations
        .iter()
        .map(|relation| match relation {
            Relation::InsteadOf(other) => format!("instead of `{}`", other.spelled()),
            Relation::NeedsOneOf(others) => format!("needs {}", one_of(others)),
            Relation::NeedsWhen(values, others) => {
                format!("{} needs {}", values.join(" and "), one_of(others))
            }
            Relation::RequiredToEnroll => "required to enroll".to_owned(),
        })
        .collect();
    rules.join("; ")
}
