#!/usr/bin/env python3
"""SimpleSAMLphp as a service provider, in front of a PHP page, served by PHP's own web server.

The options are those of ../README.md. Like mellon it posts its requests only to an identity provider that has no address for
HTTP-Redirect, so with `--binding post` it is given the provider's metadata without that address. Assertions that were seen are
remembered in an SQLite database in the temporary folder: without a store SimpleSAMLphp does not look for replays.
"""

import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import apache  # noqa: E402
import common  # noqa: E402

LIBRARY = pathlib.Path("/usr/share/simplesamlphp")

CONFIGURATION = """\
<?php
$config = [
    'baseurlpath' => '{origin}/simplesaml/',
    'certdir' => '{work}/',
    'loggingdir' => '{work}/',
    'datadir' => '{work}/',
    'tempdir' => '{work}/temporary',
    'metadatadir' => '{work}/',
    'secretsalt' => '{salt}',
    'auth.adminpassword' => '{password}',
    'technicalcontact_name' => 'Nobody',
    'technicalcontact_email' => 'nobody@service.example',
    'timezone' => 'UTC',
    'logging.level' => SimpleSAML\\Logger::NOTICE,
    'logging.handler' => 'errorlog',
    'session.cookie.secure' => false,
    'session.cookie.samesite' => null,
    'session.cookie.name' => 'SimpleSAML{port}',
    'session.authtoken.cookiename' => 'SimpleSAMLToken{port}',
    'store.type' => 'sql',
    'store.sql.dsn' => 'sqlite:{work}/store.sqlite',
    'application' => ['baseURL' => '{origin}/'],
    'module.enable' => ['core' => true, 'saml' => true],
    'metadata.sources' => [{sources}],
];
"""

SOURCES = """\
<?php
$config = [
    'default-sp' => [
        'saml:SP',
        'entityID' => '{origin}/simplesaml/metadata',
        'idp' => '{idp}',
        'privatekey' => 'sp.key',
        'certificate' => 'sp.cert',
        'sign.authnrequest' => {signed},
        'NameIDPolicy' => ['Format' => '{name_id}', 'AllowCreate' => true],
        'WantAssertionsSigned' => true,
    ],
];
"""

PAGE = """\
<?php
require '{library}/lib/_autoload.php';
$person = new SimpleSAML\\Auth\\Simple('default-sp');
$person->requireAuth();
header('Content-Type: text/plain; charset=utf-8');
header('Cache-Control: no-store');
print_r($person->getAuthData('saml:sp:NameID'));
print_r($person->getAttributes());
"""

METADATA = """\
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{origin}/simplesaml/metadata">
  <SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="{signed}" WantAssertionsSigned="true">
    <KeyDescriptor use="signing">
      <KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>
    </KeyDescriptor>
    <NameIDFormat>{name_id}</NameIDFormat>
    <AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{origin}/simplesaml/module.php/saml/sp/saml2-acs.php/default-sp" index="0" isDefault="true"/>
  </SPSSODescriptor>
</EntityDescriptor>
"""


def refusal(line):
    """The reason in SimpleSAMLphp's log; the trace around it stays as it is."""
    found = re.search(r"(?:Caused by: |Error: )?(?:SimpleSAML\\\S*|Exception|RuntimeException): (.*)", line)
    return found.group(1) if found and "UNHANDLEDEXCEPTION" not in found.group(1) else None


def main():
    options = common.parser(__doc__.splitlines()[0]).parse_args()
    php = shutil.which("php")
    if php is None or not LIBRARY.is_dir():
        raise SystemExit("install the Debian packages simplesamlphp, php-cli, php-xml, php-mbstring, php-curl and php-sqlite3")
    apache.end_when_told()
    place = apache.Place(options)
    key, certificate = common.key_and_certificate("SimpleSAMLphp service")
    words = {
        "origin": place.origin,
        "signed": "true" if options.requests == "signed" else "false",
        "name_id": common.NAME_ID[options.name_id],
    }
    with tempfile.TemporaryDirectory(prefix="simplesamlphp-") as folder:
        work = pathlib.Path(folder)
        (work / "pages" / "secret").mkdir(parents=True)
        (work / "pages" / "simplesaml").symlink_to(LIBRARY / "www")
        apache.keep(work / "pages" / "secret" / "index.php", PAGE.format(library=LIBRARY))
        apache.keep(work / "sp.key", key, 0o600)
        apache.keep(work / "sp.cert", certificate)
        common.write(options.metadata_out, METADATA.format(certificate=common.one_line(certificate), **words))

        metadata = common.reachable_by(options.binding, common.wait_for(options.idp_metadata))
        apache.keep(work / "idp.xml", metadata)
        sources = f"['type' => 'xml', 'file' => '{work}/idp.xml']"
        if options.sheet:
            # The sheet's metadata are PHP text up to the next comment; its second part is what `SOURCES` says as well.
            text = common.wait_for(options.sheet).partition("// SimpleSAMLphp: metadata/saml20-idp-remote.php\n")[2]
            apache.keep(work / "saml20-idp-remote.php", "<?php\n" + text.partition("\n//")[0])
            sources = "['type' => 'flatfile']"
        idp = ET.fromstring(metadata).get("entityID")
        secret = {"salt": secrets.token_hex(16), "password": secrets.token_hex(16)}
        apache.keep(
            work / "config.php",
            CONFIGURATION.format(work=work, sources=sources, port=place.address[1], **words, **secret),
        )
        apache.keep(work / "authsources.php", SOURCES.format(idp=idp, **words))

        place.release()
        server = subprocess.Popen(
            [php, "-d", "error_log=/dev/stderr", "-S", place.listen, "-t", str(work / "pages")],
            env={"SIMPLESAMLPHP_CONFIG_DIR": str(work), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            threading.Thread(target=apache.relay, args=(server.stderr, refusal), daemon=True).start()
            while not place.answers():
                if server.poll() is not None:
                    raise SystemExit(f"PHP's web server ended with {server.returncode}")
                time.sleep(0.05)
            print(f"ready {place.origin}/secret on {place.listen}", flush=True)
            raise SystemExit(server.wait())
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
