#!/usr/bin/env python3
"""Apache with mod_auth_mellon in front of a page: a web service as administrators run it.

The options are those of ../README.md. mellon has no switches for two of them:

* it posts its requests only to an identity provider that has no address for HTTP-Redirect, so with `--binding post` it is
  given the provider's metadata without that address;
* it signs requests if its own metadata say so.
"""

import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import apache  # noqa: E402
import common  # noqa: E402

CONFIGURATION = """\
MellonLockFile "{work}/mellon.lock"
<Location />
  Require all granted
  MellonVariable "mellon_{port}"
  MellonSPPrivateKeyFile "{work}/sp.key"
  MellonSPCertFile "{work}/sp.cert"
  MellonSPMetadataFile "{work}/sp.xml"
  MellonSecureCookie Off
</Location>
Include "{work}/provider.conf"
"""

# What is about the identity provider and the protected page; a hand-over sheet takes its place. The two paths are those of
# such a sheet.
PROVIDER = """\
<Location />
  MellonEndpointPath /mellon
  MellonIdPMetadataFile /etc/apache2/mellon/idp.xml
</Location>
<Location /protected>
  AuthType Mellon
  MellonEnable auth
  Require valid-user
</Location>
"""

METADATA = """\
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{origin}/mellon/metadata">
  <SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="{signed}" WantAssertionsSigned="true">
    <KeyDescriptor use="signing">
      <KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>
    </KeyDescriptor>
    <NameIDFormat>{name_id}</NameIDFormat>
    <AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{origin}/mellon/postResponse" index="0" isDefault="true"/>
  </SPSSODescriptor>
</EntityDescriptor>
"""


def refusal(line):
    """mellon's errors, without what Apache and mellon add for statistics."""
    found = re.match(r"auth_mellon:error (?:\[client [^]]*\] )?(.*)", line)
    return re.sub(r", (referer:|SAML Response: StatusCode1=).*", "", found.group(1)) if found else None


def main():
    options = common.parser(__doc__.splitlines()[0]).parse_args()
    program = apache.program("auth_mellon", "libapache2-mod-auth-mellon")
    apache.end_when_told()
    place = apache.Place(options)
    key, certificate = common.key_and_certificate("mod_auth_mellon service")
    metadata = METADATA.format(
        origin=place.origin,
        signed="true" if options.requests == "signed" else "false",
        certificate=common.one_line(certificate),
        name_id=common.NAME_ID[options.name_id],
    )
    with tempfile.TemporaryDirectory(prefix="mellon-") as folder:
        work = pathlib.Path(folder)
        apache.prepare(work, place, "auth_mellon", CONFIGURATION.format(work=work, port=place.address[1]))
        # Read before Apache becomes another user.
        apache.keep(work / "sp.key", key, 0o600)
        apache.keep(work / "sp.cert", certificate)
        apache.keep(work / "sp.xml", metadata)
        common.write(options.metadata_out, metadata)

        idp = common.reachable_by(options.binding, common.wait_for(options.idp_metadata))
        apache.keep(work / "idp.xml", idp)
        provider = PROVIDER
        if options.sheet:
            provider = common.wait_for(options.sheet).partition("# Apache mod_auth_mellon.")[2].partition("\n")[2]
        provider = provider.replace("/etc/apache2/mellon/idp.xml", f'"{work}/idp.xml"').replace("/protected", "/secret")
        apache.keep(work / "provider.conf", provider)
        apache.serve(program, work, place, refusal)


if __name__ == "__main__":
    main()
