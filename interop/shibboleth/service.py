#!/usr/bin/env python3
"""Apache with mod_shib and its daemon shibd in front of a page: the service provider that universities run.

The options are those of ../README.md. Everything is kept in a temporary folder and the daemon runs as long as this program.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import apache  # noqa: E402
import common  # noqa: E402

APACHE = """\
ShibConfig "{work}/shibboleth2.xml"
<Location />
  Require all granted
</Location>
<Location /secret>
  AuthType shibboleth
  ShibRequestSetting requireSession 1
  Require shib-session
</Location>
"""

SHIBBOLETH = """\
<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config" xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" clockSkew="60">
  <OutOfProcess logger="{work}/shibd.logger"/>
  <InProcess logger="{work}/native.logger"/>
  <UnixListener address="{work}/shibd.sock"/>
  <StorageService type="Memory" id="mem"/>
  <SessionCache type="StorageService" StorageService="mem"/>
  <ReplayCache StorageService="mem"/>
  <RequestMapper type="Native"><RequestMap/></RequestMapper>
  <ApplicationDefaults entityID="{origin}/shibboleth" REMOTE_USER="mail" signing="{signed}" homeURL="{origin}/">
    <Sessions lifetime="3600" timeout="3600" checkAddress="false" handlerURL="/Shibboleth.sso" handlerSSL="false" cookieProps="http" relayState="ss:mem" redirectLimit="exact">
      <SessionInitiator type="SAML2" Location="/Login" id="Login" isDefault="true" entityID={idp} outgoingBindings="{binding}" NameIDFormat="{name_id}" template="/etc/shibboleth/bindingTemplate.html"/>
      <md:AssertionConsumerService Location="/SAML2/POST" index="1" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"/>
    </Sessions>
    <MetadataProvider type="XML" validate="true" path="{work}/idp.xml"/>
    <AttributeExtractor type="XML" path="{work}/attribute-map.xml"/>
    <CredentialResolver type="File" use="signing" key="{work}/sp.key" certificate="{work}/sp.cert"/>
  </ApplicationDefaults>
  <SecurityPolicyProvider type="XML" path="/etc/shibboleth/security-policy.xml"/>
  <ProtocolProvider type="XML" path="/etc/shibboleth/protocols.xml"/>
</SPConfig>
"""

ATTRIBUTES = """\
<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Attribute name="urn:oid:0.9.2342.19200300.100.1.3" id="mail"/>
  <Attribute name="urn:oid:2.16.840.1.113730.3.1.241" id="displayName"/>
  <Attribute name="urn:oid:2.5.4.42" id="givenName"/>
  <Attribute name="urn:oid:2.5.4.4" id="sn"/>
  <Attribute name="urn:latchkey:attribute:evidence-level" id="evidenceLevel"/>
</Attributes>
"""

# As a file, for what goes to the console proper is held back in a buffer.
LOGGER = """\
log4j.rootCategory=WARN, console
log4j.appender.console=org.apache.log4j.FileAppender
log4j.appender.console.fileName=/dev/stderr
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%p %c: %m%n
"""

METADATA = """\
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{origin}/shibboleth">
  <SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="{signed}" WantAssertionsSigned="true">
    <KeyDescriptor use="signing">
      <KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>
    </KeyDescriptor>
    <NameIDFormat>{name_id}</NameIDFormat>
    <AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{origin}/Shibboleth.sso/SAML2/POST" index="1" isDefault="true"/>
  </SPSSODescriptor>
</EntityDescriptor>
"""

BINDING = {
    "redirect": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
    "post": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
}


def refusal(line):
    """What the daemon finds wrong with an answer."""
    found = re.match(r"(?:WARN|ERROR|CRIT) (Shibboleth\.SSO|OpenSAML|XMLTooling)\S*:? (?:\[[^]]*\]:? )?(.*)", line)
    return found.group(2) if found else None


def main():
    options = common.parser(__doc__.splitlines()[0]).parse_args()
    program = apache.program("shib", "libapache2-mod-shib")
    shibd = shutil.which("shibd") or shutil.which("shibd", path="/usr/sbin")
    if shibd is None:
        raise SystemExit("install the Debian package shibboleth-sp-utils (missing: shibd)")
    apache.end_when_told()
    place = apache.Place(options)
    key, certificate = common.key_and_certificate("Shibboleth service")
    words = {
        "origin": place.origin,
        "signed": "true" if options.requests == "signed" else "false",
        "name_id": common.NAME_ID[options.name_id],
        "binding": BINDING[options.binding],
    }
    with tempfile.TemporaryDirectory(prefix="shibboleth-") as folder:
        work = pathlib.Path(folder)
        apache.prepare(work, place, "shib", APACHE.format(work=work))
        apache.keep(work / "sp.key", key, 0o600)
        apache.keep(work / "sp.cert", certificate)
        apache.keep(work / "attribute-map.xml", ATTRIBUTES)
        apache.keep(work / "shibd.logger", LOGGER)
        apache.keep(work / "native.logger", LOGGER)
        common.write(options.metadata_out, METADATA.format(certificate=common.one_line(certificate), **words))

        metadata = common.wait_for(options.idp_metadata)
        apache.keep(work / "idp.xml", metadata)
        idp = quoteattr(ET.fromstring(metadata).get("entityID"))
        apache.keep(work / "shibboleth2.xml", SHIBBOLETH.format(work=work, idp=idp, **words))

        daemon = subprocess.Popen(
            [shibd, "-F", "-f", "-c", str(work / "shibboleth2.xml"), "-p", str(work / "shibd.pid")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            threading.Thread(target=apache.relay, args=(daemon.stdout, refusal), daemon=True).start()
            while not (work / "shibd.sock").exists():
                if daemon.poll() is not None:
                    raise SystemExit(f"shibd ended with {daemon.returncode}")
                time.sleep(0.05)
            # Apache's workers talk to the daemon as another user.
            os.chmod(work / "shibd.sock", 0o777)
            apache.serve(program, work, place, lambda line: None)
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
