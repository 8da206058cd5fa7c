//! Every refusal code of this crate with its two sentences. A table; the server merges it into the one reference.

/// A code, what the person reads, and what the administrator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeEntry {
    /// `LK-SAML-0nn`; never reused.
    pub code: &'static str,
    /// One sentence for the person.
    pub person: &'static str,
    /// What it means and what to do, for the administrator.
    pub administrator: &'static str,
}

const fn entry(code: &'static str, person: &'static str, administrator: &'static str) -> CodeEntry {
    CodeEntry { code, person, administrator }
}

const BROKEN: &str = "The service sent a sign-in request that cannot be read. Go back to the service and try again.";
const REFUSED: &str = "The service sent a sign-in request that is not accepted. Tell your administrator.";
const METADATA: &str = "The service's description is not accepted. Tell your administrator.";

/// All codes, in order.
pub const CODES: &[CodeEntry] = &[
    entry(
        "LK-SAML-001",
        BROKEN,
        "The SAMLRequest is missing, given twice, not base64, not deflated, or larger than 64 KiB. Check which binding the service uses.",
    ),
    entry(
        "LK-SAML-002",
        BROKEN,
        "The request did not pass the XML gate: DOCTYPE, comment, processing instruction, too deep, too many nodes or attributes, a relative namespace, or not XML.",
    ),
    entry(
        "LK-SAML-003",
        BROKEN,
        "The document is not a SAML 2.0 AuthnRequest as the schema has it. The detail names the element.",
    ),
    entry(
        "LK-SAML-004",
        BROKEN,
        "RelayState is longer than 2 KiB or holds control characters. Shorten it in the service's settings.",
    ),
    entry(
        "LK-SAML-010",
        "This service is not known here. Tell your administrator which service you came from.",
        "No service with this entity id (Issuer) is registered in this organization. Register its metadata.",
    ),
    entry(
        "LK-SAML-011",
        REFUSED,
        "The consumer address in the request is not in the service's metadata, byte for byte. Update the metadata or the service. Nothing was sent there.",
    ),
    entry(
        "LK-SAML-012",
        REFUSED,
        "The request names a consumer index or attribute index that the service's metadata does not have.",
    ),
    entry("LK-SAML-013", REFUSED, "The request was addressed to another identity provider (Destination)."),
    entry(
        "LK-SAML-014",
        "This sign-in request is too old. Go back to the service and start again.",
        "IssueInstant is more than 8 minutes old or more than 3 minutes ahead. Check the service's clock; a bookmarked sign-in address also does this.",
    ),
    entry(
        "LK-SAML-015",
        REFUSED,
        "The service's metadata is past its validUntil. Refresh it, or ask the service's owner for current metadata.",
    ),
    entry(
        "LK-SAML-020",
        REFUSED,
        "The request must be signed (the service's metadata or your setting says so) and was not. Switch signing on in the service.",
    ),
    entry(
        "LK-SAML-021",
        REFUSED,
        "The signature on the request does not verify under any signing key of the service's metadata. If the service changed its key, refresh its metadata.",
    ),
    entry(
        "LK-SAML-022",
        REFUSED,
        "The signature's shape is not accepted: exactly one, directly under the root, one reference to the root. This also catches wrapping attacks.",
    ),
    entry(
        "LK-SAML-023",
        REFUSED,
        "The signature uses an algorithm that is not accepted (SHA-1, HMAC, unknown transforms). Set the service to RSA or ECDSA with SHA-256.",
    ),
    entry(
        "LK-SAML-024",
        REFUSED,
        "The request is signed, but no usable, unexpired signing key of this service is stored. Add its metadata with a KeyDescriptor.",
    ),
    entry(
        "LK-SAML-025",
        REFUSED,
        "The service wants its answer by a binding other than HTTP-POST, which is not spoken.",
    ),
    entry(
        "LK-SAML-026",
        REFUSED,
        "The service asks for a NameID format that it is not set up for. Change the service's name id setting or the request.",
    ),
    entry(
        "LK-SAML-027",
        REFUSED,
        "The request holds something that is not built (encrypted identifiers, holder-of-key or other conditions).",
    ),
    entry(
        "LK-SAML-028",
        "You could not be signed in as strongly as the service asks.",
        "RequestedAuthnContext cannot be met at this evidence level.",
    ),
    entry(
        "LK-SAML-029",
        "The service expects somebody else, or cannot be told who you are. Sign out there and start again; if it stays, tell your administrator.",
        "The request names a Subject that is not the person on this device, or the user has no value for the attribute that is this service's NameID. The detail says which.",
    ),
    entry(
        "LK-SAML-030",
        METADATA,
        "The metadata is not XML that passes the gate (DOCTYPE, depth, size 1 MiB, 20,000 nodes).",
    ),
    entry(
        "LK-SAML-031",
        METADATA,
        "An element or attribute of the metadata is missing or wrong; line and column are named.",
    ),
    entry("LK-SAML-032", METADATA, "The document is not the metadata of one SAML 2.0 service provider."),
    entry("LK-SAML-033", METADATA, "The metadata is past its validUntil. Ask the service's owner for a current one."),
    entry("LK-SAML-034", METADATA, "The metadata's signature does not verify under the configured metadata key."),
    entry(
        "LK-SAML-035",
        METADATA,
        "A consumer address is not allowed: https only (http by an explicit switch, loopback always), no user name, no fragment.",
    ),
];
