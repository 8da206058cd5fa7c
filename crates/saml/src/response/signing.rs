//! Enveloped signatures over what a [`Writer`] just wrote. The bytes are canonical already, so the digest is taken over
//! them as they stand and the signature is put into its place afterwards.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::keys::{Certificate, KeyUse, Signer};
use crate::names as n;
use crate::xml::write::{Ns, WriteError, Writer, attr};

/// Signs the element that stands from `start` to the end of the writer, putting the signature at `place` in it.
///
/// `qnames` are the prefixes that occur in values only (`xs:string`); exclusive canonicalization has to be told them.
pub(crate) fn enveloped<U: KeyUse>(
    w: &mut Writer,
    start: usize,
    place: usize,
    id: &str,
    qnames: &[Ns],
    key: &Signer<U>,
) -> Result<(), WriteError> {
    let digest = STANDARD.encode(digest(&SHA256, w.since(start)).as_ref());

    // In the document SignedInfo stands inside ds:Signature, which declares the prefix; canonicalized by itself, as the
    // verifier does, it carries the declaration. The rest is the same bytes.
    let mut inner = Writer::fragment_inside(Ns::Ds, 1024);
    inner.start(Ns::Ds, "SignedInfo", [])?;
    let uri = format!("#{id}");
    let prefixes = qnames.iter().map(|q| q.prefix()).collect::<Vec<_>>().join(" ");
    empty(&mut inner, "CanonicalizationMethod", n::EXC_C14N)?;
    empty(&mut inner, "SignatureMethod", key.algorithm().uri())?;
    inner.start(Ns::Ds, "Reference", [attr("URI", &uri)])?;
    inner.start(Ns::Ds, "Transforms", [])?;
    empty(&mut inner, "Transform", n::ENVELOPED)?;
    inner.start(Ns::Ds, "Transform", [attr("Algorithm", n::EXC_C14N)])?;
    if !prefixes.is_empty() {
        inner.start(Ns::Ec, "InclusiveNamespaces", [attr("PrefixList", &prefixes)])?;
        inner.end();
    }
    inner.end();
    inner.end();
    empty(&mut inner, "DigestMethod", n::SHA256)?;
    inner.leaf(Ns::Ds, "DigestValue", [], &digest)?;
    inner.end();
    inner.end();
    let signed_info = inner.finish();

    let bare = b"<ds:SignedInfo";
    let mut to_sign = Vec::with_capacity(signed_info.len() + 64);
    to_sign.extend_from_slice(bare);
    to_sign.extend_from_slice(b" xmlns:ds=\"");
    to_sign.extend_from_slice(n::NS_DS.as_bytes());
    to_sign.push(b'"');
    to_sign.extend_from_slice(&signed_info[bare.len()..]);
    let value = STANDARD.encode(key.sign(&to_sign)?);

    let mut signature = Writer::with_capacity(signed_info.len() + 2048);
    signature.start(Ns::Ds, "Signature", [])?;
    let here = signature.position();
    signature.leaf(Ns::Ds, "SignatureValue", [], &value)?;
    key_info(&mut signature, key.certificate())?;
    signature.end();
    signature.insert(here, signed_info);
    w.insert(place, signature.finish());
    Ok(())
}

fn empty(w: &mut Writer, local: &'static str, algorithm: &str) -> Result<(), WriteError> {
    w.start(Ns::Ds, local, [attr("Algorithm", algorithm)])?;
    w.end();
    Ok(())
}

/// `ds:KeyInfo` with one certificate.
pub(crate) fn key_info(w: &mut Writer, certificate: &Certificate) -> Result<(), WriteError> {
    w.start(Ns::Ds, "KeyInfo", [])?;
    w.start(Ns::Ds, "X509Data", [])?;
    w.leaf(Ns::Ds, "X509Certificate", [], &certificate.base64())?;
    w.end();
    w.end();
    Ok(())
}
