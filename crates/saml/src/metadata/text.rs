//! Values inside metadata elements, with errors that name place, element and expectation.

use uppsala::{Document, NodeId};

use super::inbound::{MetadataError, Problem};
use crate::xml::dom;

pub(super) fn problem(doc: &Document<'_>, node: NodeId, expected: impl Into<String>) -> MetadataError {
    let element = dom::name(doc, node).map_or_else(String::new, |(_, local)| local.to_owned());
    MetadataError::Invalid(Problem {
        line: doc.node_line(node),
        column: doc.node_column(node),
        element,
        expected: expected.into(),
    })
}

pub(super) fn required<'d>(doc: &'d Document<'_>, node: NodeId, name: &str) -> Result<&'d str, MetadataError> {
    match dom::attribute(doc, node, name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(problem(doc, node, format!("the attribute {name}"))),
    }
}

pub(super) fn boolean(doc: &Document<'_>, node: NodeId, name: &str) -> Result<Option<bool>, MetadataError> {
    dom::attribute(doc, node, name)
        .map(|v| dom::boolean(v).ok_or_else(|| problem(doc, node, format!("{name} to be true or false"))))
        .transpose()
}

pub(super) fn index(doc: &Document<'_>, node: NodeId) -> Result<u16, MetadataError> {
    required(doc, node, "index")?
        .trim()
        .parse()
        .map_err(|_| problem(doc, node, "the attribute index to be a number from 0 to 65535"))
}

pub(super) fn time(doc: &Document<'_>, node: NodeId, name: &str) -> Result<Option<jiff::Timestamp>, MetadataError> {
    dom::attribute(doc, node, name)
        .map(|v| {
            dom::date_time(v)
                .ok_or_else(|| problem(doc, node, format!("{name} to be a date and time such as 2030-01-31T12:00:00Z")))
        })
        .transpose()
}

/// An `xs:duration` in seconds; months count as 30 days and years as 365, for a caching hint needs no calendar.
pub(super) fn duration(doc: &Document<'_>, node: NodeId, name: &str) -> Result<Option<u64>, MetadataError> {
    let Some(value) = dom::attribute(doc, node, name) else { return Ok(None) };
    seconds(value.trim()).map(Some).ok_or_else(|| problem(doc, node, format!("{name} to be a duration such as P1D")))
}

fn seconds(value: &str) -> Option<u64> {
    let rest = value.strip_prefix('P')?;
    let (date, clock) = rest.split_once('T').map_or((rest, None), |(d, c)| (d, Some(c)));
    let mut total = 0_u64;
    let mut parts = 0;
    for (section, units) in [
        (date, &[('Y', 31_536_000), ('M', 2_592_000), ('D', 86_400)][..]),
        (clock.unwrap_or(""), &[('H', 3_600), ('M', 60), ('S', 1)]),
    ] {
        let mut section = section;
        let mut units = units.iter();
        while !section.is_empty() {
            let end = section.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, unit) = (&section[..end], section[end..].chars().next()?);
            let factor = units.by_ref().find(|(u, _)| *u == unit)?.1;
            let whole = number.split('.').next()?;
            total = total.checked_add(whole.parse::<u64>().ok()?.checked_mul(factor)?)?;
            parts += 1;
            section = &section[end + unit.len_utf8()..];
        }
    }
    (parts > 0 && clock != Some("")).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_are_read() {
        assert_eq!(seconds("P1D"), Some(86_400));
        assert_eq!(seconds("PT1H30M"), Some(5_400));
        assert_eq!(seconds("P1Y2M3DT4H5M6.7S"), Some(31_536_000 + 2 * 2_592_000 + 3 * 86_400 + 4 * 3600 + 5 * 60 + 6));
        for wrong in ["", "P", "PT", "P1", "1D", "PT1D", "P1M1Y", "P-1D", "P99999999999999999999D"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
