//! The gate every document passes before the XML library sees it.
//!
//! A streaming look, in linear time and constant memory: size, UTF-8, no DOCTYPE, bounded depth, nodes and attributes,
//! no duplicate attribute, no relative namespace name (they make canonicalization fail or be void, A10), only the
//! predefined entities. It decides nothing else and returns nothing but the text: data is read later, once, from the
//! document that was verified (one parse, A9).

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// How much a document may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) nodes: usize,
    pub(crate) depth: usize,
    pub(crate) attributes: usize,
    /// Comments and processing instructions may be there (and are skipped).
    pub(crate) remarks: bool,
}

/// Protocol messages.
pub(crate) const MESSAGE: Limits = Limits { bytes: 64 * 1024, nodes: 2_000, depth: 32, attributes: 64, remarks: false };

/// Metadata: honest files have comments and logos.
pub(crate) const METADATA: Limits =
    Limits { bytes: 1024 * 1024, nodes: 20_000, depth: 32, attributes: 64, remarks: true };

/// Why the gate stayed shut, and where (1-based).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) why: Why,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    #[error("an element has more than {0} attributes")]
    Attributes(usize),
    #[error("it holds a comment")]
    Comment,
    #[error("elements are nested more than {0} deep")]
    Depth(usize),
    #[error("it holds a DOCTYPE")]
    Doctype,
    #[error("an attribute is given twice")]
    DuplicateAttribute,
    #[error("it uses an entity that is not predefined")]
    Entity,
    #[error("it has more than {0} nodes")]
    Nodes(usize),
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not well-formed XML: {0}")]
    NotXml(String),
    #[error("it holds a processing instruction")]
    ProcessingInstruction,
    #[error("a namespace name is relative")]
    RelativeNamespace,
    #[error("it is larger than {0} bytes")]
    Size(usize),
}

/// Lets a document through, as text, or says why not.
pub(crate) fn pass(bytes: &[u8], limits: Limits) -> Result<&str, Refusal> {
    let at_start = |why| Refusal { why, line: 1, column: 1 };
    if bytes.len() > limits.bytes {
        return Err(at_start(Why::Size(limits.bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| at_start(Why::NotUtf8))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);

    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut look = Look { limits, depth: 0, nodes: 0, elements: 0 };
    loop {
        let before = reader.buffer_position();
        let refused = |why| {
            let (line, column) = place(text, before);
            Refusal { why, line, column }
        };
        match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => look.at(&event).map_err(refused)?,
            Err(e) => return Err(refused(Why::NotXml(short(&e.to_string())))),
        }
    }
    if look.depth != 0 || look.elements == 0 {
        let (line, column) = place(text, text.len() as u64);
        return Err(Refusal { why: Why::NotXml("it ends too early".to_owned()), line, column });
    }
    Ok(text)
}

struct Look {
    limits: Limits,
    depth: usize,
    nodes: usize,
    elements: usize,
}

impl Look {
    fn at(&mut self, event: &Event<'_>) -> Result<(), Why> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(Why::Nodes(self.limits.nodes));
        }
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > self.limits.depth {
                    return Err(Why::Depth(self.limits.depth));
                }
                self.tag(tag)
            }
            Event::Empty(tag) => {
                if self.depth + 1 > self.limits.depth {
                    return Err(Why::Depth(self.limits.depth));
                }
                self.tag(tag)
            }
            Event::End(_) => {
                // An end is not a node; the start was counted.
                self.nodes -= 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Event::GeneralRef(reference) => entity(reference.as_bytes()),
            Event::DocType(_) => Err(Why::Doctype),
            Event::Comment(_) if !self.limits.remarks => Err(Why::Comment),
            Event::PI(_) if !self.limits.remarks => Err(Why::ProcessingInstruction),
            Event::Text(text) => characters(text.as_bytes()),
            Event::CData(text) => characters(text.as_bytes()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::Eof => Ok(()),
        }
    }

    fn tag(&mut self, tag: &BytesStart<'_>) -> Result<(), Why> {
        self.elements += 1;
        let mut count = 0;
        // Counted before looking, so that the duplicate check below works on few.
        for attribute in tag.attributes().with_checks(false) {
            attribute.map_err(|e| Why::NotXml(short(&e.to_string())))?;
            count += 1;
            if count > self.limits.attributes {
                return Err(Why::Attributes(self.limits.attributes));
            }
        }
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| Why::DuplicateAttribute)?;
            let key: &str = attribute.key.as_ref();
            let value = attribute.value.as_bytes();
            if (key == "xmlns" || key.starts_with("xmlns:")) && !absolute(value, key == "xmlns") {
                return Err(Why::RelativeNamespace);
            }
            references(value)?;
            characters(value)?;
        }
        Ok(())
    }
}

/// A namespace name with a scheme. `xmlns=""` takes a default namespace back and is allowed; `xmlns:p=""` is not XML.
fn absolute(value: &[u8], default: bool) -> bool {
    if value.is_empty() {
        return default;
    }
    let Some(colon) = value.iter().position(|b| *b == b':') else { return false };
    value[0].is_ascii_alphabetic()
        && value[..colon].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
        && colon + 1 < value.len()
        // A name built from references could be read one way here and another way by the library.
        && !value.iter().any(|b| *b == b'&' || b.is_ascii_whitespace())
}

fn references(value: &[u8]) -> Result<(), Why> {
    let mut rest = value;
    while let Some(start) = rest.iter().position(|b| *b == b'&') {
        rest = &rest[start + 1..];
        let end = rest.iter().position(|b| *b == b';').ok_or(Why::Entity)?;
        entity(&rest[..end])?;
        rest = &rest[end + 1..];
    }
    Ok(())
}

fn entity(name: &[u8]) -> Result<(), Why> {
    if matches!(name, b"amp" | b"lt" | b"gt" | b"quot" | b"apos") {
        return Ok(());
    }
    let digits = name.strip_prefix(b"#").and_then(|d| std::str::from_utf8(d).ok()).ok_or(Why::Entity)?;
    let code = match digits.strip_prefix('x') {
        Some(hex) if hex.len() <= 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16),
        None if digits.len() <= 7 && digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse(),
        _ => return Err(Why::Entity),
    };
    let c = code.ok().and_then(char::from_u32).ok_or(Why::Entity)?;
    if super::write::is_xml_char(c) { Ok(()) } else { Err(Why::Entity) }
}

/// Refuses control characters; the text as a whole is UTF-8 already, so only single bytes need a look.
fn characters(bytes: &[u8]) -> Result<(), Why> {
    let bad = |b: &u8| *b < b' ' && !matches!(*b, b'\t' | b'\n' | b'\r');
    if bytes.iter().any(bad) { Err(Why::NotXml("a control character".to_owned())) } else { Ok(()) }
}

fn place(text: &str, offset: u64) -> (usize, usize) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = &text.as_bytes()[..offset];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rposition(|b| *b == b'\n').map_or(offset, |n| offset - n - 1) + 1;
    (line, column)
}

/// Library messages may quote the input; a refusal quotes little of it.
fn short(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(120).collect()
}
