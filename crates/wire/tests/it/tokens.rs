use latchkey_wire::{DeviceToken, OneTimeCode, Pin, Sign as _, TokenError};
use proptest::prelude::*;

use crate::support::{code, pin, token};

fn refused(text: &str) -> TokenError {
    DeviceToken::parse(text).err().expect(text)
}

#[test]
fn a_token_is_read_back_as_it_was_written() {
    let text = token().expose();
    assert_eq!(text.len(), DeviceToken::LENGTH);
    let read = DeviceToken::parse(&format!("  {}\n", text.to_uppercase())).unwrap();
    assert_eq!(*read.expose(), *text);
    assert_eq!(read.id(), token().id());
    assert_eq!(read.pin(), pin());
    assert_eq!(read.public_key(), *read.signing_key().public());
    assert_eq!(read.masked(), "lkdt1_abcdefghij_****");
    assert_eq!(OneTimeCode::parse(&code().expose()).unwrap().kid(), "lkuc1_zyxwvutsrq");
}

#[test]
fn two_new_tokens_differ() {
    assert_ne!(*DeviceToken::generate(pin()).expose(), *DeviceToken::generate(pin()).expose());
}

#[test]
fn r29_placeholders_are_told_apart_from_wrong_tokens() {
    for text in [
        "",
        "  ",
        "{{deviceToken}}",
        "${DEVICE_TOKEN}",
        "%TOKEN%",
        "$TOKEN",
        "<token>",
        "[token]",
        "@@DEVICE_TOKEN@@",
        "changeme",
        "lkdt1_{{id}}_abc",
        "TOKEN_HERE",
    ] {
        assert_eq!(refused(text), TokenError::Placeholder, "{text}");
    }
}

#[test]
fn a_cut_off_token_is_told_apart_from_a_typo_at_every_length() {
    let text = token().expose();
    for length in 1..text.len() {
        assert_eq!(refused(&text[..length]), TokenError::Truncated, "{length}");
    }
}

#[test]
fn another_kind_or_version_is_named_so() {
    assert_eq!(refused(&code().expose()), TokenError::WrongKind);
    assert_eq!(refused(&token().expose().replace("lkdt1", "lkdt2")), TokenError::WrongKind);
    assert_eq!(OneTimeCode::parse(&token().expose()).err(), Some(TokenError::WrongKind));
}

#[test]
fn a_lost_or_doubled_character_is_a_typo() {
    let text = token().expose();
    // The prefix and the last part apart: there a lost character is indistinguishable from another version or a cut.
    for at in 6..text.len() - 8 {
        let mut lost = text.to_string();
        lost.remove(at);
        assert_eq!(refused(&lost), TokenError::Typo, "lost {at}");
        let mut doubled = text.to_string();
        doubled.insert(at, text.as_bytes()[at] as char);
        assert_eq!(refused(&doubled), TokenError::Typo, "doubled {at}");
    }
    assert_eq!(refused(&format!("{}a", *text)), TokenError::Typo);
}

#[test]
fn the_pin_is_read_as_cloud_key() {
    let text = pin().to_string();
    assert_eq!(text.len(), Pin::LENGTH);
    assert_eq!(text.to_uppercase().parse::<Pin>().unwrap(), pin());
    assert!(text[1..].parse::<Pin>().is_err());
}

proptest! {
    #[test]
    fn any_changed_character_is_refused(at in 0..DeviceToken::LENGTH, new in "[a-z0-9_ ]") {
        let text = token().expose();
        prop_assume!(text[at..=at] != new);
        let mut changed = text.to_string();
        changed.replace_range(at..=at, &new);
        prop_assert!(DeviceToken::parse(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn any_seed_makes_the_round_trip(seed: [u8; 32], pin: [u8; 16]) {
        let token = DeviceToken::from_parts("aaaaaaaaaa".parse().unwrap(), Pin::from_bytes(pin), &seed);
        let read = DeviceToken::parse(&token.expose());
        prop_assert!(read.is_ok_and(|read| *read.expose() == *token.expose()));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = DeviceToken::parse(&text);
    }
}
