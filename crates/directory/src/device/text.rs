//! What a device says about itself, made fit to be kept and shown.
//!
//! Owns cleaning of texts and the list of serial numbers that say nothing. Must not know what a text is used for.

/// Names that firmware ships with instead of a serial number; compared in lower case.
const JUNK_SERIALS: &[&str] = &[
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "default string",
    "none",
    "0",
    "system serial number",
    "chassis serial number",
    "not specified",
    "not applicable",
    "not available",
    "unknown",
    "invalid",
    "o.e.m.",
];

/// A claim as it is kept: no control characters, at most 200 characters; nothing when nothing is left.
pub(crate) fn clean(text: Option<&str>) -> Option<String> {
    let text: String = text?.trim().chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { None } else { Some(text) }
}

/// A serial number that says something.
pub(crate) fn serial(text: Option<&str>) -> Option<String> {
    let text = clean(text)?;
    let lower = text.to_ascii_lowercase();
    let same = lower.bytes().all(|b| Some(b) == lower.bytes().next());
    if text.chars().count() < 4 || same || JUNK_SERIALS.contains(&lower.as_str()) { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_that_firmware_ships_with_count_as_absent() {
        for junk in ["To be filled by O.E.M.", "Default string", "None", "0", "abc", "00000000", " \u{7} ", ""] {
            assert_eq!(serial(Some(junk)), None, "{junk:?}");
        }
        assert_eq!(serial(Some(" C02XG\u{1b}0ABC ")).as_deref(), Some("C02XG0ABC"));
        assert_eq!(serial(None), None);
    }

    #[test]
    fn texts_are_short_and_printable() {
        assert_eq!(clean(Some("srv\n1\u{9b}")).as_deref(), Some("srv1"));
        assert_eq!(clean(Some(&"x".repeat(1000))).unwrap().len(), 200);
    }
}
