"""Writes a starting corpus for the SAML targets: an honest request and honest metadata, as each binding carries them."""

import base64
import pathlib
import urllib.parse
import zlib

HERE = pathlib.Path(__file__).parent / "corpus"
REQUEST = (
    '<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
    'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a" Version="2.0" IssueInstant="2026-11-24T12:00:00Z" '
    'Destination="https://idp.example/sso"><saml:Issuer>https://sp.example</saml:Issuer>'
    '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
    '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    '<ds:Reference URI="#_a"><ds:Transforms>'
    '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
    '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AAAA</ds:DigestValue>'
    "</ds:Reference></ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue></ds:Signature>"
    '<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>'
)
METADATA = (
    '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://sp.example">'
    '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
    '<md:AssertionConsumerService index="0" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" '
    'Location="https://sp.example/acs"/></md:SPSSODescriptor></md:EntityDescriptor>'
)


def deflate(text: str) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text.encode()) + packer.flush()


def seed(target: str, data: bytes) -> None:
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "honest").write_bytes(data)


plain = REQUEST[: REQUEST.index("<ds:Signature ")] + REQUEST[REQUEST.index("<samlp:NameIDPolicy") :]
query = urllib.parse.urlencode({"SAMLRequest": base64.b64encode(deflate(plain)).decode(), "RelayState": "https://x/?a=b"})
seed("saml_inflate", deflate(plain))
seed("saml_post", REQUEST.encode())
seed("saml_query", query.encode())
seed("saml_metadata", METADATA.encode())
