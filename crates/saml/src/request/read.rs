//! The fields of an AuthnRequest (core 3.4.1), read strictly: schema order, nothing twice, nothing unknown in the
//! protocol's own namespaces. What stands in `Extensions` is not looked at.

use uppsala::{Document, NodeId};

use super::error::Fault;
use super::facts::SubjectHint;
use crate::authn_context::{Comparison, RequestedAuthnContext};
use crate::names as n;
use crate::xml::{dom, write};

/// Everything a request says, before it is compared with metadata.
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) issue_instant: jiff::Timestamp,
    pub(super) destination: Option<String>,
    pub(super) force_authn: bool,
    pub(super) is_passive: bool,
    pub(super) acs_url: Option<String>,
    pub(super) acs_index: Option<u16>,
    pub(super) protocol_binding: Option<String>,
    pub(super) attribute_index: Option<u16>,
    pub(super) provider_name: Option<String>,
    pub(super) subject: Option<SubjectHint>,
    pub(super) name_id_format: Option<String>,
    pub(super) sp_name_qualifier: Option<String>,
    pub(super) authn_context: Option<RequestedAuthnContext>,
    /// Something that is understood and not built.
    pub(super) unsupported: Option<&'static str>,
}

fn schema<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Schema(why.into()))
}

/// The issuer; required of requests by profiles 4.1.4.1.
pub(super) fn issuer(doc: &Document<'_>, root: NodeId) -> Result<String, Fault> {
    let mut issuers = dom::children_named(doc, root, n::NS_SAML, "Issuer");
    let (Some(node), None) = (issuers.next(), issuers.next()) else { return schema("there must be one Issuer") };
    if dom::attribute(doc, node, "Format").is_some_and(|f| f != "urn:oasis:names:tc:SAML:2.0:nameid-format:entity") {
        return schema("the Issuer's format must be that of an entity");
    }
    match dom::trimmed(doc, node) {
        Some(issuer) if !issuer.is_empty() && issuer.len() <= 1024 => Ok(issuer),
        _ => schema("the Issuer must be an entity id of at most 1024 characters"),
    }
}

/// Reads the verified element.
pub(super) fn fields(doc: &Document<'_>, root: NodeId) -> Result<Fields, Fault> {
    let text = |name: &str| dom::attribute(doc, root, name).map(str::to_owned);
    let flag = |name: &str| match dom::attribute(doc, root, name) {
        None => Ok(false),
        Some(value) => dom::boolean(value).map_or_else(|| schema(format!("{name} is not true or false")), Ok),
    };
    let number = |name: &str| match dom::attribute(doc, root, name) {
        None => Ok(None),
        Some(value) => match value.trim().parse::<u16>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => schema(format!("{name} is not a number from 0 to 65535")),
        },
    };

    if dom::attribute(doc, root, "Version") != Some("2.0") {
        return Err(Fault::Version);
    }
    let Some(id) = text("ID").filter(|id| write::is_id(id)) else {
        return schema("ID is missing or not an XML identifier");
    };
    let Some(issue_instant) = dom::attribute(doc, root, "IssueInstant").and_then(dom::date_time) else {
        return schema("IssueInstant is missing or not a date and time");
    };

    let mut fields = Fields {
        id,
        issue_instant,
        destination: text("Destination"),
        force_authn: flag("ForceAuthn")?,
        is_passive: flag("IsPassive")?,
        acs_url: text("AssertionConsumerServiceURL"),
        acs_index: number("AssertionConsumerServiceIndex")?,
        protocol_binding: text("ProtocolBinding"),
        attribute_index: number("AttributeConsumingServiceIndex")?,
        provider_name: text("ProviderName").map(|name| name.chars().filter(|c| !c.is_control()).take(100).collect()),
        subject: None,
        name_id_format: None,
        sp_name_qualifier: None,
        authn_context: None,
        unsupported: None,
    };
    if fields.acs_index.is_some() && (fields.acs_url.is_some() || fields.protocol_binding.is_some()) {
        return schema("AssertionConsumerServiceIndex excludes AssertionConsumerServiceURL and ProtocolBinding");
    }

    // Schema order; each at most once, which is the same as strictly rising.
    let mut last = 0;
    for child in dom::children(doc, root) {
        let name = dom::name(doc, child).unwrap_or_default();
        let rank = match name {
            (n::NS_SAML, "Issuer") => 1,
            (n::NS_DS, "Signature") => 2,
            (n::NS_SAMLP, "Extensions") => 3,
            (n::NS_SAML, "Subject") => 4,
            (n::NS_SAMLP, "NameIDPolicy") => 5,
            (n::NS_SAML, "Conditions") => 6,
            (n::NS_SAMLP, "RequestedAuthnContext") => 7,
            (n::NS_SAMLP, "Scoping") => 8,
            (_, local) => return schema(format!("{} does not belong into an AuthnRequest", shorten(local))),
        };
        if rank <= last {
            return schema(format!("{} is given twice or in the wrong place", shorten(name.1)));
        }
        last = rank;
        match rank {
            4 => subject(doc, child, &mut fields)?,
            5 => {
                fields.name_id_format = dom::attribute(doc, child, "Format").map(str::to_owned);
                fields.sp_name_qualifier = dom::attribute(doc, child, "SPNameQualifier").map(str::to_owned);
            }
            // Conditions a service puts on the assertion (core 3.4.1) would have to be carried into it.
            6 => fields.unsupported = Some("conditions on the assertion"),
            7 => fields.authn_context = Some(authn_context(doc, child)?),
            // ProxyCount and IDPList speak to identity providers that ask others; we never do, so any value is met.
            8 => scoping(doc, child)?,
            _ => {}
        }
    }
    Ok(fields)
}

fn subject(doc: &Document<'_>, node: NodeId, fields: &mut Fields) -> Result<(), Fault> {
    for child in dom::children(doc, node) {
        match dom::name(doc, child) {
            Some((n::NS_SAML, "NameID")) if fields.subject.is_none() => {
                let value = dom::trimmed(doc, child).filter(|v| !v.is_empty() && v.len() <= 1024);
                let Some(value) = value else { return schema("Subject's NameID is empty or too long") };
                fields.subject =
                    Some(SubjectHint { value, format: dom::attribute(doc, child, "Format").map(str::to_owned) });
            }
            Some((n::NS_SAML, "EncryptedID")) => fields.unsupported = Some("an encrypted identifier"),
            Some((n::NS_SAML, "BaseID")) => fields.unsupported = Some("an identifier of another kind"),
            // Core 3.4.1: no confirmation is asked for by the web profile; bearer is what it gets anyway.
            Some((n::NS_SAML, "SubjectConfirmation")) => {
                if dom::attribute(doc, child, "Method") != Some(n::CM_BEARER) {
                    fields.unsupported = Some("a subject confirmation other than bearer");
                }
            }
            _ => return schema("Subject holds something unknown"),
        }
    }
    Ok(())
}

fn authn_context(doc: &Document<'_>, node: NodeId) -> Result<RequestedAuthnContext, Fault> {
    let comparison = match dom::attribute(doc, node, "Comparison") {
        None | Some("exact") => Comparison::Exact,
        Some("better") => Comparison::Better,
        Some("maximum") => Comparison::Maximum,
        Some("minimum") => Comparison::Minimum,
        Some(_) => return schema("Comparison is not exact, minimum, maximum or better"),
    };
    let mut classes = Vec::new();
    let mut declarations = 0;
    for child in dom::children(doc, node) {
        match dom::name(doc, child) {
            Some((n::NS_SAML, "AuthnContextClassRef")) => {
                let class = dom::trimmed(doc, child).filter(|c| !c.is_empty() && c.len() <= 512);
                let Some(class) = class else { return schema("AuthnContextClassRef is empty or too long") };
                classes.push(class);
            }
            Some((n::NS_SAML, "AuthnContextDeclRef")) => declarations += 1,
            _ => return schema("RequestedAuthnContext holds something unknown"),
        }
    }
    if classes.len() + declarations == 0 {
        return schema("RequestedAuthnContext is empty");
    }
    Ok(RequestedAuthnContext { comparison, classes })
}

fn scoping(doc: &Document<'_>, node: NodeId) -> Result<(), Fault> {
    match dom::attribute(doc, node, "ProxyCount").map(|v| v.trim().parse::<u32>()) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => schema("ProxyCount is not a number"),
    }
}

fn shorten(name: &str) -> String {
    name.chars().take(60).collect()
}
