//! A writer that emits exclusive canonical XML (xml-exc-c14n, without comments) directly.
//!
//! Every value passes through one of two escapes, so escaping cannot be forgotten; a character that XML 1.0 does not
//! have is refused. Because the bytes are canonical as written, signing needs no second canonicalization and no DOM.
//! Must not know what an element means.

/// A value could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A character outside XML 1.0's `Char` production, for instance NUL.
    #[error("{place} holds U+{character:04X}, a character that XML cannot carry; remove it where the value comes from")]
    IllegalCharacter {
        /// The element or attribute that was to hold it.
        place: String,
        /// The code point.
        character: u32,
    },
    /// The identifier is not an `xs:ID`.
    #[error("{0:?} is not an XML identifier (a letter or '_', then letters, digits, '_', '-', '.')")]
    BadId(String),
    /// A persistent or transient identifier of more than 256 characters.
    #[error("a persistent or transient name id has at most 256 characters")]
    NameIdTooLong,
    /// The signing key refused to sign.
    #[error("the signing key could not sign")]
    Sign,
    /// A date outside the years 1 to 9999.
    #[error("a time is outside what SAML can write")]
    BadTime,
    /// The validity asked for is longer than allowed or not in order.
    #[error("an assertion may live at most 300 seconds, {0} were asked for")]
    TooLong(i64),
    /// A required value is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
}

/// A namespace with the one prefix we use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ns {
    Alg,
    Ds,
    Ec,
    Md,
    Mdui,
    Saml,
    Samlp,
    Xml,
    Xs,
    Xsi,
}

impl Ns {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Alg => "alg",
            Self::Ds => "ds",
            Self::Ec => "ec",
            Self::Md => "md",
            Self::Mdui => "mdui",
            Self::Saml => "saml",
            Self::Samlp => "samlp",
            Self::Xml => "xml",
            Self::Xs => "xs",
            Self::Xsi => "xsi",
        }
    }

    pub(crate) fn uri(self) -> &'static str {
        use crate::names as n;
        match self {
            Self::Alg => n::NS_ALG,
            Self::Ds => n::NS_DS,
            Self::Ec => n::EXC_C14N,
            Self::Md => n::NS_MD,
            Self::Mdui => n::NS_MDUI,
            Self::Saml => n::NS_SAML,
            Self::Samlp => n::NS_SAMLP,
            Self::Xml => n::NS_XML,
            Self::Xs => n::NS_XS,
            Self::Xsi => n::NS_XSI,
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// An attribute to be written. The order in which they are given does not matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'v> {
    ns: Option<Ns>,
    local: &'static str,
    value: &'v str,
}

/// An attribute without a namespace.
pub(crate) fn attr<'v>(local: &'static str, value: &'v str) -> Attr<'v> {
    Attr { ns: None, local, value }
}

/// An attribute with a namespace.
pub(crate) fn attr_ns<'v>(ns: Ns, local: &'static str, value: &'v str) -> Attr<'v> {
    Attr { ns: Some(ns), local, value }
}

/// Where an open element stands.
struct Open {
    ns: Ns,
    local: &'static str,
    /// Namespaces already rendered by this element and those around it.
    rendered: u16,
}

/// The writer: one growing buffer and a stack of open elements.
pub(crate) struct Writer {
    buffer: Vec<u8>,
    open: Vec<Open>,
    /// Rendered on the outermost element, as if an ancestor had done so already.
    inherited: u16,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes), open: Vec::with_capacity(12), inherited: 0 }
    }

    /// A writer for a fragment that will stand inside an element which declared `ns`.
    pub(crate) fn fragment_inside(ns: Ns, bytes: usize) -> Self {
        Self { inherited: ns.bit(), ..Self::with_capacity(bytes) }
    }

    /// How many bytes were written: a place to cut or insert at.
    pub(crate) fn position(&self) -> usize {
        self.buffer.len()
    }

    /// What was written from `start` on.
    pub(crate) fn since(&self, start: usize) -> &[u8] {
        &self.buffer[start..]
    }

    /// Puts canonical bytes, made by another writer, at an earlier position.
    pub(crate) fn insert(&mut self, position: usize, canonical: Vec<u8>) {
        drop(self.buffer.splice(position..position, canonical));
    }

    pub(crate) fn start<const N: usize>(
        &mut self,
        ns: Ns,
        local: &'static str,
        attributes: [Attr<'_>; N],
    ) -> Result<(), WriteError> {
        self.start_with(ns, local, &mut attributes.to_vec(), &[])
    }

    /// Opens an element; `also` are namespaces declared here though no name uses them (they are in the
    /// `PrefixList` of the signature, for QNames in values).
    pub(crate) fn start_with(
        &mut self,
        ns: Ns,
        local: &'static str,
        attributes: &mut [Attr<'_>],
        also: &[Ns],
    ) -> Result<(), WriteError> {
        let around = self.open.last().map_or(self.inherited, |o| o.rendered);
        let mut used: Vec<Ns> = Vec::with_capacity(4);
        let mut rendered = around;
        for n in std::iter::once(ns).chain(attributes.iter().filter_map(|a| a.ns)).chain(also.iter().copied()) {
            if n != Ns::Xml && rendered & n.bit() == 0 {
                rendered |= n.bit();
                used.push(n);
            }
        }
        used.sort_unstable_by_key(|n| n.prefix());
        // Canonical order: attributes without a namespace first, then by namespace URI, then by local name.
        attributes.sort_unstable_by_key(|a| (a.ns.map_or("", Ns::uri), a.local));

        self.buffer.push(b'<');
        self.name(ns, local);
        for n in used {
            self.buffer.extend_from_slice(b" xmlns:");
            self.buffer.extend_from_slice(n.prefix().as_bytes());
            self.buffer.extend_from_slice(b"=\"");
            self.buffer.extend_from_slice(n.uri().as_bytes());
            self.buffer.push(b'"');
        }
        for a in attributes.iter() {
            self.buffer.push(b' ');
            if let Some(n) = a.ns {
                self.buffer.extend_from_slice(n.prefix().as_bytes());
                self.buffer.push(b':');
            }
            self.buffer.extend_from_slice(a.local.as_bytes());
            self.buffer.extend_from_slice(b"=\"");
            escape(&mut self.buffer, a.value, Place::Attribute(a.local))?;
            self.buffer.push(b'"');
        }
        self.buffer.push(b'>');
        self.open.push(Open { ns, local, rendered });
        Ok(())
    }

    pub(crate) fn text(&mut self, value: &str) -> Result<(), WriteError> {
        let place = self.open.last().map_or("document", |o| o.local);
        escape(&mut self.buffer, value, Place::Text(place))
    }

    pub(crate) fn end(&mut self) {
        let open = self.open.pop().expect("every end belongs to a start in the same function");
        self.buffer.extend_from_slice(b"</");
        self.name(open.ns, open.local);
        self.buffer.push(b'>');
    }

    /// An element with only text in it.
    pub(crate) fn leaf<const N: usize>(
        &mut self,
        ns: Ns,
        local: &'static str,
        attributes: [Attr<'_>; N],
        value: &str,
    ) -> Result<(), WriteError> {
        self.start(ns, local, attributes)?;
        self.text(value)?;
        self.end();
        Ok(())
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        debug_assert!(self.open.is_empty(), "an element was left open");
        self.buffer
    }

    fn name(&mut self, ns: Ns, local: &'static str) {
        self.buffer.extend_from_slice(ns.prefix().as_bytes());
        self.buffer.push(b':');
        self.buffer.extend_from_slice(local.as_bytes());
    }
}

#[derive(Clone, Copy)]
enum Place {
    Attribute(&'static str),
    Text(&'static str),
}

/// The escapes of Canonical XML 1.0, section 2.3. In text only CR needs a reference (a parser would turn a bare one into
/// LF); in attributes TAB and LF too, since attribute values are normalized to spaces.
fn escape(out: &mut Vec<u8>, value: &str, place: Place) -> Result<(), WriteError> {
    let in_attribute = matches!(place, Place::Attribute(_));
    // What needs nothing is copied in one piece: most values need nothing at all.
    let mut copied = 0;
    for (at, c) in value.char_indices() {
        let reference: &[u8] = match c {
            '&' => b"&amp;",
            '<' => b"&lt;",
            '>' if !in_attribute => b"&gt;",
            '"' if in_attribute => b"&quot;",
            ' '..='~' => continue,
            '\r' => b"&#xD;",
            '\t' if in_attribute => b"&#x9;",
            '\n' if in_attribute => b"&#xA;",
            c if is_xml_char(c) => continue,
            c => {
                let (Place::Attribute(name) | Place::Text(name)) = place;
                return Err(WriteError::IllegalCharacter { place: name.to_owned(), character: c.into() });
            }
        };
        out.extend_from_slice(&value.as_bytes()[copied..at]);
        out.extend_from_slice(reference);
        copied = at + c.len_utf8();
    }
    out.extend_from_slice(&value.as_bytes()[copied..]);
    Ok(())
}

/// XML 1.0 `Char`: what may stand in a document at all.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Checks an `xs:ID`, of the ASCII kind that we accept and write.
pub(crate) fn is_id(value: &str) -> bool {
    let mut bytes = value.bytes();
    value.len() <= 256
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// `xs:dateTime` in UTC with whole seconds, as core 1.3.3 wants it.
pub(crate) fn date_time(time: jiff::Timestamp) -> Result<String, WriteError> {
    let seconds = jiff::Timestamp::from_second(time.as_second()).map_err(|_| WriteError::BadTime)?;
    let text = seconds.to_string();
    // A negative year or one of more than four digits would not be read alike by every service.
    if text.len() == 20 { Ok(text) } else { Err(WriteError::BadTime) }
}
