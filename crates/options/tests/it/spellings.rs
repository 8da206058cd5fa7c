//! Every platform's spelling is one option, and what is generated agrees with the table.

use latchkey_options::parse::{parse_environment, parse_json, split_arguments};
use latchkey_options::{
    FOREIGN, OptionName, Platform, Recognized, Severity, Source, TABLE, recognize, reference, resolve,
};

fn ours(spelling: &str) -> OptionName {
    match recognize(spelling) {
        Some(Recognized::Ours(spec)) => spec.name,
        other => panic!("{spelling}: {other:?}"),
    }
}

#[test]
fn spellings_of_all_platforms_are_known() {
    for spelling in ["cloudName", "CLOUDNAME", "cloudname", "cloud-name", "CLOUD_NAME"] {
        assert_eq!(ours(spelling), OptionName::CloudName);
    }
    for spelling in ["userName", "UNAME", "username", "user-name"] {
        assert_eq!(ours(spelling), OptionName::UserName);
    }
    for spelling in ["autoEnroll", "autoEnrollWithMDM", "authByTunnel"] {
        assert_eq!(ours(spelling), OptionName::AutoEnroll);
    }
    assert_eq!(ours("Ownership"), OptionName::Ownership);
    assert_eq!(ours("HIDEAPPUIONLAUNCH"), OptionName::HideAppUiOnLaunch);
    assert_eq!(ours("hide-app-ui-on-launch"), OptionName::HideAppUiOnLaunch);
    for spec in TABLE {
        assert_eq!(ours(&spec.flag()), spec.name);
        assert_eq!(ours(&spec.spelled.to_uppercase()), spec.name);
    }
}

#[test]
fn options_of_the_reference_product_never_stop() {
    let given = FOREIGN
        .iter()
        .flat_map(|f| f.spellings)
        .map(|s| latchkey_options::Given::new(*s, "{{anything}}", Source::Installer, "msi"))
        .collect();
    let options = resolve(given, Platform::Linux).unwrap();
    assert!(options.notices().iter().all(|n| n.severity == Severity::Notice));
    assert!(options.notices().len() >= FOREIGN.len());
}

#[test]
fn a_misspelled_option_names_the_near_one() {
    let split = split_arguments(["--cloud-nmae".to_owned(), "x".to_owned()]).unwrap();
    assert_eq!(split.rest.len(), 2, "left for the program's own parser");
    let given = parse_json(r#"{"cloudNmae":"x"}"#, Source::MachinePolicy, "managed.json").unwrap();
    let findings = resolve(given, Platform::Linux).unwrap_err();
    assert_eq!(findings[0].code, "LK-OPTION-004");
    assert_eq!(findings[0].fix, "did you mean cloudName?");
}

#[test]
fn options_are_found_anywhere_on_a_command_line() {
    let line = "--state-dir s enroll --cloud-name=a.example --userDomain b.example --json -- --user-name x";
    let split = split_arguments(line.split(' ').map(str::to_owned)).unwrap();
    let options: Vec<&str> = split.given.iter().map(|g| g.spelling.as_str()).collect();
    assert_eq!(options, ["cloud-name", "userDomain"]);
    assert_eq!(split.rest, ["--state-dir", "s", "enroll", "--json", "--", "--user-name", "x"]);
}

#[test]
fn an_option_without_a_value_is_refused() {
    let finding = split_arguments(["--cloud-name".to_owned()]).err().unwrap();
    assert_eq!(finding.problem, "has no value");
}

#[test]
fn the_environment_is_read_and_empty_means_unset() {
    let given = parse_environment([
        ("LATCHKEY_CONNECTOR_CLOUD_NAME".to_owned(), "a.example".to_owned()),
        ("LATCHKEY_CONNECTOR_USER_DOMAIN".to_owned(), String::new()),
        ("LATCHKEY_CONNECTOR_STATE_DIR".to_owned(), "s".to_owned()),
        ("PATH".to_owned(), "/bin".to_owned()),
    ]);
    assert_eq!(given.len(), 1);
    assert_eq!(given[0].place, "LATCHKEY_CONNECTOR_CLOUD_NAME");
}

#[test]
fn json_takes_numbers_booleans_and_lists() {
    let text = r#"{"autoEnroll": 2, "allowSystemAccounts": true, "browserIntegration": ["chrome", "firefox"], "configTimeout": 30,
        "deviceTokenFile": "/t", "cloudName": "a.example", "userDomain": "b.example"}"#;
    let options = resolve(parse_json(text, Source::MachinePolicy, "managed.json").unwrap(), Platform::Linux).unwrap();
    assert_eq!(options.text(OptionName::AutoEnroll), Some("2"));
    assert!(options.flag(OptionName::AllowSystemAccounts));
    assert_eq!(options.text(OptionName::BrowserIntegration), Some("chrome,firefox"));
    assert!(!options.flag(OptionName::HideAppUiOnLaunch));
    assert!(options.flag(OptionName::ExternalRedirect), "absent counts as its default, 1");
}

#[test]
fn json_refuses_a_duplicate_null_nested_objects_and_what_is_no_object() {
    for text in [
        r#"{"cloudName":"a","cloudName":"a"}"#,
        r#"{"cloudName":null}"#,
        r#"{"cloudName":{"a":"b"}}"#,
        r#"{"configTimeout":1.5}"#,
        "[]",
        "",
        r#"{"cloudName":"a"} x"#,
    ] {
        let finding = parse_json(text, Source::ConfigFile, "f.json").err().unwrap();
        assert_eq!(finding.code, "LK-OPTION-008", "{text}");
    }
    let huge = format!("{{\"cloudName\":\"{}\"}}", "a".repeat(70_000));
    assert!(parse_json(&huge, Source::ConfigFile, "f.json").is_err());
}

#[test]
fn the_reference_page_is_the_one_in_the_book() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md")).unwrap_or_default();
    assert!(
        page == reference::markdown(),
        "docs/options.md is not what the table says; write it anew: cargo xtask docs"
    );
}

#[test]
fn the_schema_knows_every_option() {
    let schema = reference::json_schema();
    for spec in TABLE {
        assert!(schema["properties"][spec.spelled].is_object(), "{}", spec.spelled);
    }
}
