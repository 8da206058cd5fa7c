use std::collections::HashSet;

use latchkey_wire::{Code, Retry, TokenError};

#[test]
fn every_code_is_read_back_and_stands_once() {
    let mut seen = HashSet::new();
    for code in Code::ALL {
        assert_eq!(code.as_str().parse(), Ok(*code));
        assert!(seen.insert(code.as_str()), "{code} twice");
        assert_eq!(format!("{code:?}").to_uppercase(), code.as_str()[3..].replace('-', ""));
        assert_eq!(serde_json::from_str::<Code>(&serde_json::to_string(code).unwrap()).unwrap(), *code);
        for text in [code.title(), code.person()] {
            assert!(text.ends_with('.'), "{code}: {text}");
        }
        assert!(!code.fix().is_empty());
    }
    assert!("LK-ENROLL-999".parse::<Code>().is_err());
}

/// The table of cli.md, "Codes to exits", in its own form.
#[test]
fn codes_end_programs_with_the_promised_status() {
    let promised = |code: &str| match code {
        c if c.starts_with("LK-TOKEN-") || c == "LK-ENROLL-025" => 2,
        "LK-CLOUD-002" | "LK-CLOUD-003" | "LK-CONN-010" | "LK-CONN-011" | "LK-CONN-012" | "LK-CONN-013" => 6,
        "LK-CLOUD-503" | "LK-NODE-001" | "LK-ENROLL-018" | "LK-RENEW-024" | "LK-DEVICE-404" => 7,
        "LK-ENROLL-030" | "LK-ENROLL-032" => 11,
        "LK-ENROLL-031" | "LK-PROOF-022" | "LK-DEVICE-410" | "LK-CONN-014" => 12,
        "LK-PROOF-014" => 13,
        _ => 4,
    };
    let areas = [
        "LK-CLOUD",
        "LK-NODE",
        "LK-TOKEN",
        "LK-ENROLL",
        "LK-NONCE",
        "LK-BIND",
        "LK-RENEW",
        "LK-PROOF",
        "LK-DEVICE",
        "LK-CONN",
    ];
    for code in Code::ALL {
        if code.as_str().rsplit_once('-').is_some_and(|(area, _)| areas.contains(&area)) {
            assert_eq!(code.exit_status(), promised(code.as_str()), "{code}");
        }
    }
}

#[test]
fn retries_are_those_of_the_protocol() {
    use Retry::{BackOff, Never, NewNonce, RenewFirst};
    for (code, retry) in [
        (Code::Cloud001, Never),
        (Code::Cloud003, BackOff),
        (Code::Enroll011, BackOff),
        (Code::Enroll014, Never),
        (Code::Enroll018, BackOff),
        (Code::Enroll022, BackOff),
        (Code::Enroll023, Never),
        (Code::Enroll030, BackOff),
        (Code::Enroll031, Never),
        (Code::Enroll033, BackOff),
        (Code::Nonce001, NewNonce),
        (Code::Renew023, Never),
        (Code::Renew024, BackOff),
        (Code::Proof010, NewNonce),
        (Code::Proof014, Never),
        (Code::Proof021, RenewFirst),
        (Code::Device404, BackOff),
        (Code::Device410, Never),
    ] {
        assert_eq!(code.retry(), retry, "{code}");
    }
    assert_eq!(TokenError::Typo.code(), Code::Token002);
}
