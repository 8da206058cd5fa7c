//! Text inside HTML and XML.
//!
//! Owns escaping. Must not know pages.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

/// How templates write a value: it can neither be markup nor turn the text around it, so a name with a right-to-left override reads as it is
/// written and cannot pass for another (`askama.toml`). Not for what has to come back unchanged.
#[derive(Debug, Clone, Copy)]
pub struct Inert;

impl Escaper for Inert {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let mut pieces = string.split(turns_text);
        if let Some(first) = pieces.next() {
            Html.write_escaped_str(&mut dest, first)?;
        }
        for piece in pieces {
            dest.write_char(char::REPLACEMENT_CHARACTER)?;
            Html.write_escaped_str(&mut dest, piece)?;
        }
        Ok(())
    }
}

/// Embeddings, overrides and isolates. The marks that Hebrew and Arabic are written with are none of them.
const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text as it stands in an element or in a quoted attribute, in HTML and in XML alike.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        Inert.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn a_value_in_a_template_is_neither_markup_nor_turns_the_text_around_it() {
        assert_eq!(written("\u{202e}gnp.exe\u{2066}"), "\u{fffd}gnp.exe\u{fffd}");
        assert!(!written("<b>\"'&").contains(['<', '"', '\'']));
        assert_eq!(written("\u{5d0}\u{200f} a"), "\u{5d0}\u{200f} a");
    }
}
