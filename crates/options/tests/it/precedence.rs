//! Which source wins, and what is remembered of the others.

use latchkey_options::{Given, OptionName, Platform, Purpose, Severity, Source, check_relations, resolve};
use proptest::prelude::*;

const SOURCES: [Source; 6] = [
    Source::Managed,
    Source::MachinePolicy,
    Source::Installer,
    Source::CommandLine,
    Source::ConfigFile,
    Source::Environment,
];

fn given(spelling: &str, value: &str, source: Source) -> Given {
    Given::new(spelling, value, source, source.name())
}

proptest! {
    #[test]
    fn the_strongest_source_wins_and_remembers_the_others(mask in 1u8..64, order in any::<u64>()) {
        let mut chosen: Vec<Source> = SOURCES
            .iter()
            .enumerate()
            .filter(|(i, _)| mask & (1 << i) != 0)
            .map(|(_, s)| *s)
            .collect();
        let strongest = chosen[0];
        let weaker: Vec<Source> = chosen[1..].to_vec();
        let turn = usize::try_from(order % 6).unwrap() % chosen.len();
        chosen.rotate_left(turn);
        let all = chosen
            .iter()
            .map(|s| given("cloudName", &format!("{}.example", s.name().replace('_', "-")), *s))
            .collect();
        let options = resolve(all, Platform::Linux).unwrap();
        let effective = options.effective(OptionName::CloudName).unwrap();
        prop_assert_eq!(effective.source, strongest);
        prop_assert_eq!(
            effective.overrode.iter().map(|o| o.source).collect::<Vec<_>>(),
            weaker
        );
    }
}

#[test]
fn a_flag_wins_over_the_file_named_by_another_flag() {
    let options = resolve(
        vec![
            given("cloudName", "from-file.example", Source::ConfigFile),
            given("cloud-name", "from-flag.example", Source::CommandLine),
        ],
        Platform::Linux,
    )
    .unwrap();
    assert_eq!(options.text(OptionName::CloudName), Some("from-flag.example"));
}

#[test]
fn a_token_file_of_a_stronger_source_puts_a_token_aside() {
    let options = resolve(
        vec![
            given("deviceToken", "lkdt1_weak", Source::Environment),
            given("deviceTokenFile", "/etc/latchkey/token", Source::MachinePolicy),
        ],
        Platform::Linux,
    )
    .unwrap();
    assert_eq!(options.text(OptionName::DeviceToken), None);
    assert!(options.effective(OptionName::DeviceTokenFile).is_some());
}

#[test]
fn token_and_token_file_in_one_source_are_refused() {
    let findings = resolve(
        vec![
            given("deviceToken", "lkdt1_x", Source::CommandLine),
            given("deviceTokenFile", "token", Source::CommandLine),
        ],
        Platform::Linux,
    )
    .unwrap_err();
    assert_eq!(findings[0].code, "LK-OPTION-006");
}

#[test]
fn an_overridden_secret_is_shown_masked() {
    let token = "lkdt1_abcdefghij_restisverysecret_and_more";
    let options = resolve(
        vec![given("deviceToken", token, Source::Environment), given("DEVICETOKEN", token, Source::MachinePolicy)],
        Platform::Linux,
    )
    .unwrap();
    let shown = format!("{options:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("lkdt1_abcdefghij_…"), "{shown}");
}

#[test]
fn a_wrong_value_that_is_overridden_does_not_stop() {
    let options = resolve(
        vec![
            given("cloudName", "good.example", Source::Managed),
            given("cloudName", "{{nobody filled me}}", Source::Environment),
        ],
        Platform::Linux,
    );
    assert!(options.is_ok());
}

#[test]
fn every_missing_option_is_named_once() {
    let options = resolve(vec![given("deviceToken", "lkdt1_x", Source::CommandLine)], Platform::Linux).unwrap();
    let findings = check_relations(&options, Purpose::Enroll);
    let named: Vec<&str> = findings.iter().map(|f| f.option.as_str()).collect();
    assert_eq!(named, ["cloudName", "userDomain"]);
}

#[test]
fn auto_enroll_without_a_token_is_refused_and_off_is_not() {
    for (value, expected) in [("0", 0), ("1", 1), ("2", 1)] {
        let options = resolve(
            vec![
                given("autoEnrollWithMDM", value, Source::Managed),
                given("cloudName", "id.corp.example", Source::Managed),
                given("userDomain", "corp.example", Source::Managed),
            ],
            Platform::Linux,
        )
        .unwrap();
        assert_eq!(check_relations(&options, Purpose::Show).len(), expected);
    }
}

#[test]
fn what_this_build_cannot_do_is_refused_by_name() {
    for (option, value) in [("enableFips", "1"), ("keyStore", "hardware")] {
        let options = resolve(vec![given(option, value, Source::Managed)], Platform::Linux).unwrap();
        let findings = check_relations(&options, Purpose::Show);
        assert_eq!(findings[0].code, "LK-OPTION-007");
        assert_eq!(findings[0].severity, Severity::Error);
    }
}
