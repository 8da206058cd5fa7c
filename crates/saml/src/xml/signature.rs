//! The one way an enveloped XML signature is accepted.
//!
//! Shape first, with our own eyes: exactly one `ds:Signature` in the document, a direct child of the root, one reference
//! to the root's id, allow-listed algorithms and transforms. Only then the library, with the keys of stored metadata and
//! nothing from `KeyInfo`. [`Verified`] can only be made here, and names the node it is good for.

use bergshamra_dsig::context::DsigContext;
use bergshamra_dsig::verify::{VerifyResult, verify_document};
use bergshamra_keys::{KeysManager, loader};
use uppsala::{Document, NodeId};

use super::dom;
use crate::keys::PublicKey;
use crate::names as n;

/// Proof that the whole root element was signed by one of the keys asked about.
pub(crate) struct Verified {
    pub(crate) root: NodeId,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("{0} is not an algorithm we accept")]
    Algorithm(String),
    #[error("no known key verifies the signature")]
    Invalid,
    #[error("none of the known keys can be used")]
    NoKey,
    #[error("{0}")]
    Shape(&'static str),
}

/// How many signatures a document has, anywhere.
pub(crate) fn count(doc: &Document<'_>) -> usize {
    doc.document_element().map_or(0, |root| dom::elements(doc, root).filter(|e| is_signature(doc, *e)).count())
}

fn is_signature(doc: &Document<'_>, node: NodeId) -> bool {
    dom::is(doc, node, n::NS_DS, "Signature")
}

/// Verifies the enveloped signature of the root whose identifier is the attribute `ID`.
pub(crate) fn verify(doc: &Document<'_>, keys: &[&PublicKey]) -> Result<Verified, SignatureError> {
    let root = doc.document_element().ok_or(SignatureError::Shape("the document is empty"))?;
    shape(doc, root)?;

    let mut manager = KeysManager::new();
    for key in keys {
        if let Ok(key) = loader::load_spki_der(key.spki()) {
            manager.add_key(key);
        }
    }
    if manager.is_empty() {
        return Err(SignatureError::NoKey);
    }
    // `new` is the strict set: trusted keys only, strict positions, every digest computed here.
    let context = DsigContext::new(manager);
    // The library's reasons may quote the input, and tell an attacker how far he came; one refusal is enough.
    let result = verify_document(&context, doc).map_err(|_| SignatureError::Invalid)?;
    match result {
        VerifyResult::Valid { references, .. } => match references.as_slice() {
            [one] if one.digest_verified && one.resolved_node == Some(root) => Ok(Verified { root }),
            _ => Err(SignatureError::Invalid),
        },
        VerifyResult::Invalid { .. } => Err(SignatureError::Invalid),
    }
}

fn shape(doc: &Document<'_>, root: NodeId) -> Result<(), SignatureError> {
    let wrong = |why| Err(SignatureError::Shape(why));
    let mut all = dom::elements(doc, root).filter(|e| is_signature(doc, *e));
    let (Some(signature), None) = (all.next(), all.next()) else {
        return wrong("there must be exactly one signature");
    };
    if doc.parent(signature) != Some(root) {
        return wrong("the signature must be a direct child of the root element");
    }
    let id = dom::attribute(doc, root, "ID").unwrap_or_default();
    if !super::write::is_id(id) {
        return wrong("the root element has no usable ID");
    }
    // A second element with that id, by whatever attribute name, could be what the digest was made over.
    let same = dom::elements(doc, root).filter(|e| {
        doc.element(*e).is_some_and(|e| {
            e.attributes.iter().any(|a| a.name.local_name.eq_ignore_ascii_case("id") && a.value == *id)
        })
    });
    if same.count() != 1 {
        return wrong("an identifier is used twice");
    }

    let mut infos = dom::children_named(doc, signature, n::NS_DS, "SignedInfo");
    let (Some(info), None) = (infos.next(), infos.next()) else {
        return wrong("the signature needs exactly one SignedInfo");
    };
    if dom::children_named(doc, signature, n::NS_DS, "SignatureValue").count() != 1 {
        return wrong("the signature needs exactly one SignatureValue");
    }
    if dom::children_named(doc, signature, n::NS_DS, "Object").count() != 0 {
        return wrong("the signature may not hold objects");
    }

    let parts: Vec<NodeId> = dom::children(doc, info).collect();
    let [c14n, method, reference] = parts.as_slice() else {
        return wrong("SignedInfo needs one canonicalization, one method and one reference");
    };
    if !(dom::is(doc, *c14n, n::NS_DS, "CanonicalizationMethod")
        && dom::is(doc, *method, n::NS_DS, "SignatureMethod")
        && dom::is(doc, *reference, n::NS_DS, "Reference"))
    {
        return wrong("SignedInfo needs one canonicalization, one method and one reference");
    }
    allowed(doc, *c14n, &[n::EXC_C14N])?;
    allowed(doc, *method, &[n::RSA_SHA256, n::RSA_SHA384, n::RSA_SHA512, n::ECDSA_SHA256, n::ECDSA_SHA384])?;

    if dom::attribute(doc, *reference, "URI").and_then(|u| u.strip_prefix('#')) != Some(id) {
        return wrong("the signature's reference is not the root element");
    }
    let parts: Vec<NodeId> = dom::children(doc, *reference).collect();
    let [transforms, digest, value] = parts.as_slice() else {
        return wrong("the reference needs transforms, a digest method and a digest");
    };
    if !(dom::is(doc, *transforms, n::NS_DS, "Transforms")
        && dom::is(doc, *digest, n::NS_DS, "DigestMethod")
        && dom::is(doc, *value, n::NS_DS, "DigestValue"))
    {
        return wrong("the reference needs transforms, a digest method and a digest");
    }
    allowed(doc, *digest, &[n::SHA256, n::SHA384, n::SHA512])?;
    let steps: Vec<NodeId> = dom::children(doc, *transforms).collect();
    let [enveloped, exclusive] = steps.as_slice() else {
        return wrong("the transforms must be enveloped-signature and exclusive canonicalization");
    };
    allowed(doc, *enveloped, &[n::ENVELOPED])?;
    allowed(doc, *exclusive, &[n::EXC_C14N])
}

fn allowed(doc: &Document<'_>, node: NodeId, list: &[&str]) -> Result<(), SignatureError> {
    let algorithm = dom::attribute(doc, node, "Algorithm").unwrap_or_default();
    if list.contains(&algorithm) {
        return Ok(());
    }
    Err(SignatureError::Algorithm(algorithm.chars().filter(|c| !c.is_control()).take(100).collect()))
}
