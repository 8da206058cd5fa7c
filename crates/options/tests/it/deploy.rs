//! What is handed out for a deployment reads back to what was chosen.

use latchkey_options::deploy::{Deployment, PLACEHOLDER, Target, write};
use latchkey_options::parse::parse_json;
use latchkey_options::{OptionName, Platform, Purpose, Source, check_relations, resolve};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn deployment(cloud: &str, domain: &str, token: Option<&str>) -> Deployment {
    Deployment {
        cloud_name: cloud.to_owned(),
        user_domain: domain.to_owned(),
        device_token: token.map(|token| Zeroizing::new(token.to_owned())),
    }
}

proptest! {
    #[test]
    fn every_artifact_reads_back_to_what_was_chosen(
        cloud in "[a-z][a-z0-9]{0,9}(\\.[a-z][a-z0-9]{0,9}){1,3}(:[1-9][0-9]{2,3})?",
        domain in "[a-z][a-z0-9]{0,9}(\\.[a-z][a-z0-9]{0,9}){1,3}",
        token in "lkdt1_[a-z2-7]{8}_[a-z2-7]{26}_[a-z2-7]{52}_[a-z2-7]{7}",
    ) {
        let chosen = deployment(&cloud, &domain, Some(&token));
        for target in Target::ALL {
            let text = write(*target, &chosen).unwrap();
            prop_assert!(text.contains(&token), "{target}");
        }
        let given = parse_json(&write(Target::ManagedJson, &chosen).unwrap(), Source::MachinePolicy, "managed.json").unwrap();
        let options = resolve(given, Platform::Linux).unwrap();
        prop_assert_eq!(options.text(OptionName::CloudName), Some(cloud.as_str()));
        prop_assert_eq!(options.text(OptionName::UserDomain), Some(domain.as_str()));
        prop_assert_eq!(options.text(OptionName::DeviceToken), Some(token.as_str()));
        prop_assert!(check_relations(&options, Purpose::Enroll).is_empty());
    }

    #[test]
    fn whatever_the_values_are_an_artifact_says_them_or_is_not_handed_out(cloud in any::<String>(), domain in any::<String>(), token in any::<String>()) {
        for target in Target::ALL {
            // No panic, and what is written is one that reads back: `write` looks itself.
            let _ = write(*target, &deployment(&cloud, &domain, Some(&token)));
        }
    }
}

#[test]
fn a_value_cannot_leave_its_place() {
    for token in ["x\n_LATCHKEY_TOKEN\nrm -rf /", "x'; rm -rf / #", "x\ny", ""] {
        for target in [Target::Shell, Target::Linux] {
            let refused = write(target, &deployment("id.corp.example", "corp.example", Some(token)));
            // Within managed.json a quote is only a character.
            assert!(refused.is_err() || target == Target::Linux || token.starts_with("x'"), "{target}: {token:?}");
            if let Ok(text) = refused {
                assert!(!text.lines().any(|line| line.starts_with("rm ")), "{target}: {token:?}: {}", text.as_str());
            }
        }
    }
    for domain in ["corp.example'; rm -rf /", "$(id).example", "{{domain}}", "anna@corp.example", ""] {
        for target in Target::ALL {
            assert!(write(*target, &deployment("id.corp.example", domain, None)).is_err(), "{target}: {domain:?}");
        }
    }
}

#[test]
fn without_a_token_there_is_a_placeholder_that_the_connector_refuses() {
    for target in Target::ALL {
        let text = write(*target, &deployment("id.corp.example", "corp.example", None)).unwrap();
        assert!(text.contains(PLACEHOLDER), "{target}");
    }
    let text = write(Target::ManagedJson, &deployment("id.corp.example", "corp.example", None)).unwrap();
    let given = parse_json(&text, Source::MachinePolicy, "managed.json").unwrap();
    assert_eq!(resolve(given, Platform::Linux).unwrap_err()[0].code, "LK-TOKEN-001");
}

#[test]
fn a_target_is_named_and_another_says_when_it_comes() {
    for target in Target::ALL {
        assert_eq!(target.name().parse(), Ok(*target));
    }
    let none = "msi".parse::<Target>().unwrap_err().to_string();
    assert!(none.contains("shell, linux, managed-json") && none.contains("come with the installers"), "{none}");
}
