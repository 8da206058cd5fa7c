//! Programs of other descent that judge our documents: `xmlsec1` (C) and, through Python, signxml and lxml.
//! A missing program fails the test and names the package; nothing is skipped.

use std::io::Write as _;
use std::process::{Command, Stdio};

use latchkey_saml::keys::{Certificate, GeneratedKey};

fn pem(key: &GeneratedKey) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".pem").tempfile().unwrap();
    file.write_all(Certificate::from_der(&key.certificate).unwrap().pem().as_bytes()).unwrap();
    file
}

/// Whether `xmlsec1` accepts the signature that is a child of the element `parent`, made by `key`.
pub(crate) fn xmlsec1_accepts(xml: &[u8], parent: &str, key: &GeneratedKey) -> bool {
    let pem = pem(key);
    let mut document = tempfile::NamedTempFile::new().unwrap();
    document.write_all(xml).unwrap();
    let output = Command::new("xmlsec1")
        .arg("--verify")
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"])
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor"])
        .arg("--node-xpath")
        .arg(format!("//*[local-name()='{parent}']/*[local-name()='Signature']"))
        .arg("--pubkey-cert-pem")
        .arg(pem.path())
        .arg(document.path())
        .output()
        .expect("xmlsec1 is missing: install the Debian package xmlsec1");
    output.status.success()
}

/// Runs Python with `input` on its standard input, and gives back what it printed.
pub(crate) fn python(program: &str, arguments: &[&str], input: &[u8]) -> Result<String, String> {
    let interpreter = std::env::var("LATCHKEY_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut child = Command::new(&interpreter)
        .args(["-c", program])
        .args(arguments)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{interpreter} does not start ({e}): install python3 or set LATCHKEY_TEST_PYTHON"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !errors.contains("ModuleNotFoundError"),
        "install the Python packages signxml, lxml and python3-saml:\n{errors}"
    );
    if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(errors) }
}

const SIGNXML: &str = r"
import sys
from lxml import etree
from signxml import XMLVerifier, SignatureConfiguration
cert = open(sys.argv[1]).read()
doc = etree.fromstring(sys.stdin.buffer.read())
local = sys.argv[2]
node = doc if etree.QName(doc).localname == local else doc.find('.//{*}' + local)
signed = XMLVerifier().verify(
    node, x509_cert=cert, id_attribute='ID',
    expect_config=SignatureConfiguration(location='./', require_x509=True, default_reference_c14n_method=__import__('signxml').CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0))
signed = signed[0] if isinstance(signed, list) else signed
print(etree.QName(signed.signed_xml).localname)
";

/// Whether signxml accepts the signature of the element `parent`.
pub(crate) fn signxml_accepts(xml: &[u8], parent: &str, key: &GeneratedKey) -> Result<(), String> {
    let pem = pem(key);
    let signed = python(SIGNXML, &[pem.path().to_str().unwrap(), parent], xml)?;
    if signed.trim() == parent { Ok(()) } else { Err(format!("signxml saw {signed:?} signed")) }
}

const SCHEMA: &str = r"
import importlib.util, pathlib, sys
from lxml import etree
found = importlib.util.find_spec('onelogin')
if found is None:
    raise ModuleNotFoundError('onelogin')
folder = pathlib.Path(list(found.submodule_search_locations)[0]) / 'saml2' / 'schemas'
schema = etree.XMLSchema(etree.parse(str(folder / sys.argv[1])))
schema.assertValid(etree.fromstring(sys.stdin.buffer.read()))
";

/// Whether a document is what the OASIS schema has, which also fixes the order of elements. The schemas are those that
/// python3-saml carries.
pub(crate) fn schema_accepts(xml: &[u8], schema: &str) -> Result<(), String> {
    python(SCHEMA, &[schema], xml).map(drop)
}
