"""What the Python launchers share: the command line of README.md, keys, and files that appear.

SAML is each service's own library's; here is only what is done to metadata before a library sees them.
"""

import argparse
import datetime
import ipaddress
import os
import pathlib
import time
import urllib.parse
import xml.etree.ElementTree as ET

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NAME_ID = {
    "email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "unspecified": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
}

MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"


def loopback(text):
    """`ADDR:PORT` as a pair; loopback addresses only, for everything here is plain HTTP."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        port = int(port)
    except ValueError as error:
        raise argparse.ArgumentTypeError("write an address and a port, such as 127.0.0.1:9000") from error
    if not address.is_loopback or not 0 <= port < 65536:
        raise argparse.ArgumentTypeError("plain HTTP is served on loopback only")
    return str(address), port


def origin(text):
    """A URL without path, such as http://localhost:9000."""
    url = urllib.parse.urlsplit(text)
    if url.scheme not in ("http", "https") or not url.netloc or url.path not in ("", "/") or url.query or url.fragment:
        raise argparse.ArgumentTypeError("write a scheme and a host, such as http://localhost:9000")
    return f"{url.scheme}://{url.netloc}"


def parser(description):
    """The options that every service has."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--listen", type=loopback, default=("127.0.0.1", 9000), metavar="ADDR:PORT", help="loopback only; port 0 takes a free one")
    p.add_argument("--public-url", type=origin, metavar="URL", help="how browsers reach the service; default http://ADDR:PORT")
    p.add_argument("--idp-metadata", type=pathlib.Path, required=True, metavar="FILE", help="waited for, then read once")
    p.add_argument("--metadata-out", type=pathlib.Path, required=True, metavar="FILE", help="where to write the service's own")
    p.add_argument("--requests", choices=("signed", "unsigned"), default="signed")
    p.add_argument("--binding", choices=("redirect", "post"), default="redirect", help="of requests to the identity provider")
    p.add_argument("--sheet", type=pathlib.Path, metavar="FILE", help="a hand-over sheet of the identity provider, waited for and followed")
    p.add_argument("--name-id", choices=tuple(NAME_ID), default="email")
    return p


def write(path, text):
    """Writes by rename: whoever waits for the file never reads half of it."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def wait_for(path):
    """The file's text, once it is there and not empty."""
    while True:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        if text:
            return text
        time.sleep(0.1)


def key_and_certificate(name):
    """A fresh RSA key and its self-signed certificate, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + 365 * day)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def one_line(pem):
    """A certificate as metadata carry it."""
    return "".join(line for line in pem.splitlines() if not line.startswith("-----"))


def reachable_by(binding, metadata):
    """An identity provider's metadata for a service that posts its requests only where it has no other choice."""
    if binding == "redirect":
        return metadata
    root = ET.fromstring(metadata)
    # What is changed is not what was signed; the file comes from whoever starts the service, who vouches for it.
    for signature in root.findall(f"{{{DS}}}Signature"):
        root.remove(signature)
    for role in root.iter(f"{{{MD}}}IDPSSODescriptor"):
        for address in role.findall(f"{{{MD}}}SingleSignOnService"):
            if address.get("Binding") == REDIRECT:
                role.remove(address)
    return ET.tostring(root, encoding="unicode")
