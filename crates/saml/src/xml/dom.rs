//! Reading helpers over the one parsed document: names with namespaces, attributes without, text without markup.
//! Knows no SAML.

use uppsala::{Document, NodeId, NodeKind};

/// The namespace and local name of an element; `None` for other nodes.
pub(crate) fn name<'d>(doc: &'d Document<'_>, node: NodeId) -> Option<(&'d str, &'d str)> {
    let element = doc.element(node)?;
    Some((element.name.namespace_uri.as_deref().unwrap_or(""), &element.name.local_name))
}

pub(crate) fn is(doc: &Document<'_>, node: NodeId, ns: &str, local: &str) -> bool {
    name(doc, node) == Some((ns, local))
}

/// Child elements in order.
pub(crate) fn children<'d, 'x>(doc: &'d Document<'x>, node: NodeId) -> impl Iterator<Item = NodeId> + use<'d, 'x> {
    doc.children_iter(node).filter(|n| doc.element(*n).is_some())
}

/// Child elements of one name.
pub(crate) fn children_named<'d, 'x>(
    doc: &'d Document<'x>,
    node: NodeId,
    ns: &'static str,
    local: &'static str,
) -> impl Iterator<Item = NodeId> + use<'d, 'x> {
    children(doc, node).filter(move |n| is(doc, *n, ns, local))
}

/// An attribute that has no namespace.
pub(crate) fn attribute<'d>(doc: &'d Document<'_>, node: NodeId, local: &str) -> Option<&'d str> {
    let element = doc.element(node)?;
    element.attributes.iter().find(|a| a.name.namespace_uri.is_none() && a.name.local_name == local).map(|a| &*a.value)
}

/// An attribute of a namespace.
pub(crate) fn attribute_ns<'d>(doc: &'d Document<'_>, node: NodeId, ns: &str, local: &str) -> Option<&'d str> {
    doc.element(node)?.get_attribute_ns(ns, local)
}

/// All text of an element that has no element in it; `None` if it has one.
///
/// Text on both sides of a comment is joined (comments exist only in metadata), so no part of a value gets lost.
pub(crate) fn text(doc: &Document<'_>, node: NodeId) -> Option<String> {
    let mut out = String::new();
    for child in doc.children_iter(node) {
        match doc.node_kind(child)? {
            NodeKind::Text(t) | NodeKind::CData(t) => out.push_str(t),
            NodeKind::Element(_) => return None,
            _ => {}
        }
    }
    Some(out)
}

/// Text without white space around it.
pub(crate) fn trimmed(doc: &Document<'_>, node: NodeId) -> Option<String> {
    text(doc, node).map(|t| t.trim_matches([' ', '\t', '\r', '\n']).to_owned())
}

/// All elements below and including `node`, in document order.
pub(crate) fn elements<'d, 'x>(doc: &'d Document<'x>, node: NodeId) -> impl Iterator<Item = NodeId> + use<'d, 'x> {
    std::iter::once(node).chain(doc.descendants(node)).filter(|n| doc.element(*n).is_some())
}

/// `xs:boolean`; anything else is `None`.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match value.trim() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// `xs:dateTime`. SAML times are in UTC (core 1.3.3); an offset is understood, a missing zone means UTC.
pub(crate) fn date_time(value: &str) -> Option<jiff::Timestamp> {
    let value = value.trim();
    if !value.is_ascii() || value.len() > 40 || value.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    value.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = value.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    })
}

/// Base64 with white space anywhere, as XML schema allows.
pub(crate) fn base64(value: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let packed: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(packed).ok()
}
