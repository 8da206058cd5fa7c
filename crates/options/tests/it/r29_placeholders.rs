//! security.md R29: placeholders and malformed identities are refused before anything is sent.

use latchkey_options::{Given, OptionName, Platform, Source, resolve};
use proptest::prelude::*;

/// What deployment tools leave behind when a variable was not filled in.
const UNFILLED: &[&str] = &[
    "{{partialupn}}",
    "{{userprincipalname}}",
    "{{ username }}",
    "{{UserPrincipalName}}",
    "{{deviceid}}",
    "{EnrollmentUser}",
    "{DeviceSerialNumber}",
    "{EmailUserName}",
    "${DEVICE_SERIAL_NUMBER}",
    "${USER_EMAIL}",
    "${userEmailAddress}",
    "${loginid}",
    "$EMAIL",
    "$USERNAME",
    "$USERID",
    "$DEVICESERIALNUMBER",
    "$username",
    "%upn%",
    "%USERNAME%",
    "%USERDOMAIN%",
    "%email%",
    "%SerialNumber%",
    "anna.%upn%",
    "<username>",
    "<your token here>",
    "[username]",
    "[[user]]",
    "$(whoami)",
    "<%= user %>",
    "@@DEVICE_TOKEN@@",
    "lkdt1_{{id}}",
    "@corp.example",
    "@",
    "",
    "   ",
];

fn refused(option: OptionName, value: &str) -> Option<&'static str> {
    let given = Given::new(option.spelled(), value, Source::Managed, "managed");
    match resolve(vec![given], Platform::Linux) {
        Ok(_) => None,
        Err(findings) => Some(findings[0].code),
    }
}

#[test]
fn r29_unfilled_variables_are_refused_in_every_identity_option() {
    for value in UNFILLED {
        for option in [
            OptionName::UserName,
            OptionName::UserDomain,
            OptionName::CloudName,
            OptionName::CloudKey,
            OptionName::OsAccount,
            OptionName::ExternalDeviceId,
        ] {
            // An external id may hold an @ with nothing before it only if somebody really wrote it; it is refused as well.
            let code = refused(option, value);
            assert!(code.is_some(), "{} accepted {value:?}", option.spelled());
        }
        for option in [OptionName::DeviceToken, OptionName::UserClaim] {
            assert_eq!(refused(option, value), Some("LK-TOKEN-001"), "{value:?}");
        }
    }
}

#[test]
fn r29_unicode_tricks_are_refused_in_names() {
    let names = [
        "аnna",                // Cyrillic а
        "anna\u{200B}",        // zero-width space
        "an\u{202E}na",        // right-to-left override
        "an\u{00AD}na",        // soft hyphen
        "ａｎｎａ",            // full width
        "𝐚𝐧𝐧𝐚",                // mathematical bold
        "ﬁona",                // ligature
        "anna\u{0000}",        // NUL
        "anna lee",            // space
        "anna\u{00A0}lee",     // no-break space
        "anna\r\nX-Header: y", // line break
        "anna@evil.example",   // whole login name
        "-anna",               // looks like a flag
        ".anna",               //
        "../../etc/passwd",    // path
        "anna\u{0301}",        // decomposed accent
        "ann\u{03B1}",         // Greek alpha
    ];
    for name in names {
        assert!(refused(OptionName::UserName, name).is_some(), "accepted {name:?}");
    }
    let domains = [
        "corp.еxample",         // Cyrillic е
        "ｃｏｒｐ.example",     // full width
        "corp\u{200D}.example", // joiner
        "corp。example",        // ideographic full stop
        "anna@corp.example",
        "https://corp.example",
        "corp..example",
        "-corp.example",
        "127.0.0.1",
        "corp.example/../x",
        "corp_example.test",
    ];
    for domain in domains {
        assert!(refused(OptionName::UserDomain, domain).is_some(), "accepted {domain:?}");
    }
    let clouds = [
        "https://id.corp.example",
        "id.corp.example/path",
        "user@id.corp.example",
        "id.corp.example:99999",
        "id.corp.example:",
        "0x7f.1",
        "ⅰd.corp.example",
        "id.corp.example#x",
    ];
    for cloud in clouds {
        assert!(refused(OptionName::CloudName, cloud).is_some(), "accepted {cloud:?}");
    }
}

#[test]
fn honest_values_pass() {
    let honest = [
        (OptionName::UserName, "anna.lee", "anna.lee"),
        (OptionName::UserName, "Anna", "anna"),
        (OptionName::UserName, "o'neil+test_1", "o'neil+test_1"),
        (OptionName::UserName, "josé", "josé"),
        (OptionName::UserName, "анна", "анна"),
        (OptionName::UserDomain, "Corp.Example", "corp.example"),
        (OptionName::UserDomain, "xn--bcher-kva.example", "xn--bcher-kva.example"),
        (OptionName::CloudName, "localhost:8470", "localhost:8470"),
        (OptionName::CloudName, "[::1]:8470", "[::1]:8470"),
        (OptionName::CloudName, "192.0.2.7", "192.0.2.7"),
        (OptionName::CloudName, "ID.Corp.Example:443", "id.corp.example:443"),
        (OptionName::ExternalDeviceId, "A1-B2{C3", "A1-B2{C3"),
        (OptionName::CaFile, "/etc/ssl/100% sure/ca.pem", "/etc/ssl/100% sure/ca.pem"),
        (OptionName::Ownership, "corporate", "corporate"),
        (OptionName::ProxyUrl, "http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
    ];
    for (option, value, expected) in honest {
        let given = Given::new(option.spelled(), value, Source::Managed, "managed");
        let options = resolve(vec![given], Platform::Linux).unwrap_or_else(|e| panic!("{value:?} refused: {}", e[0]));
        assert_eq!(options.text(option), Some(expected));
    }
}

#[test]
fn the_message_names_option_problem_and_fix() {
    let given = Given::new("UNAME", "{{partialupn}}", Source::MachinePolicy, "managed.json");
    let findings = resolve(vec![given], Platform::Linux).unwrap_err();
    let finding = &findings[0];
    assert_eq!(finding.to_string(), "UNAME (managed.json) is an unfilled placeholder, \"{{partialupn}}\"");
    assert!(finding.fix.contains("let the deployment tool fill it"));
}

proptest! {
    #[test]
    fn r29_no_value_panics_and_what_passes_is_stable(value in any::<String>()) {
        for option in OptionName::ALL {
            let given = Given::new(option.spelled(), value.clone(), Source::Managed, "m");
            if let Ok(options) = resolve(vec![given], Platform::Linux)
                && let Some(once) = options.text(*option)
            {
                let again = Given::new(option.spelled(), once, Source::Managed, "m");
                let options = resolve(vec![again], Platform::Linux).unwrap();
                prop_assert_eq!(options.text(*option), Some(once));
            }
        }
    }

    #[test]
    fn r29_a_variable_anywhere_in_a_name_is_refused(before in "[a-z]{0,5}", word in "[A-Za-z]{1,12}", shape in 0usize..4) {
        let variable = match shape {
            0 => format!("{{{{{word}}}}}"),
            1 => format!("${{{word}}}"),
            2 => format!("%{word}%"),
            _ => format!("<{word}>"),
        };
        let code = refused(OptionName::UserName, &format!("{before}{variable}"));
        prop_assert_eq!(code, Some("LK-OPTION-001"));
    }
}
