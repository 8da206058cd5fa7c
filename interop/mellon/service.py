#!/usr/bin/env python3
"""Apache with mod_auth_mellon in front of a page: a web service as administrators run it.

The options are those of ../README.md. An Apache of its own, with its own configuration, runs as long as this program; the
protected page is a CGI program that prints what mellon tells it. mellon has no switches for two of the options:

* it posts its requests only to an identity provider that has no address for HTTP-Redirect, so with `--binding post` it is
  given the provider's metadata without that address;
* it signs requests if its own metadata say so.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common  # noqa: E402

MODULES = pathlib.Path("/usr/lib/apache2/modules")
NEEDED = "mpm_event authn_core authz_core authz_user alias dir mime env setenvif headers cgid auth_mellon".split()
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"

CONFIGURATION = """\
ServerRoot "{work}"
ServerName {origin}
UseCanonicalName On
Listen {listen}
PidFile "{work}/apache.pid"
DefaultRuntimeDir "{work}"
ErrorLog /dev/stderr
ErrorLogFormat "%m:%l %M"
LogLevel warn
ScriptSock "{work}/cgi.sock"
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
{account}
{modules}
TypesConfig /dev/null
DocumentRoot "{work}/pages"
MellonLockFile "{work}/mellon.lock"
ScriptAlias /secret "{work}/secret.cgi"
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

PAGE = """\
#!/bin/sh
printf 'Content-Type: text/plain; charset=utf-8\\r\\nCache-Control: no-store\\r\\n\\r\\n'
env | sort
"""


def take_port(host, port):
    """A bound socket: nobody else gets the port until Apache takes it over."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    holder = socket.socket(family, socket.SOCK_STREAM)
    holder.bind((host, port))
    return holder


def provider_metadata(text, binding):
    """The identity provider's metadata as mellon is to see it."""
    if binding == "redirect":
        return text
    root = ET.fromstring(text)
    # What is changed is not what was signed; the file comes from whoever starts this program, who vouches for it.
    for signature in root.findall(f"{{{DS}}}Signature"):
        root.remove(signature)
    for role in root.iter(f"{{{MD}}}IDPSSODescriptor"):
        for address in role.findall(f"{{{MD}}}SingleSignOnService"):
            if address.get("Binding") == REDIRECT:
                role.remove(address)
    return ET.tostring(root, encoding="unicode")


def prepare(work, options, origin, listen):
    """Everything but the identity provider's metadata."""
    key, certificate = common.key_and_certificate("mod_auth_mellon service")
    metadata = METADATA.format(
        origin=origin,
        signed="true" if options.requests == "signed" else "false",
        certificate="".join(line for line in certificate.splitlines() if not line.startswith("-----")),
        name_id=common.NAME_ID[options.name_id],
    )
    configuration = CONFIGURATION.format(
        work=work,
        origin=origin,
        listen=listen,
        port=urllib.parse.urlsplit(f"//{listen}").port,
        account="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED),
    )
    # Apache's workers are another user: they have to reach the folder. The key is read before Apache becomes that user.
    work.chmod(0o755)
    (work / "pages").mkdir()
    (work / "pages" / "index.html").write_text('<!doctype html><title>mellon</title><a href="/secret">Sign in</a>\n')
    for name, text, mode in (
        ("sp.key", key, 0o600),
        ("sp.cert", certificate, 0o644),
        ("sp.xml", metadata, 0o644),
        ("apache.conf", configuration, 0o644),
        ("secret.cgi", PAGE, 0o755),
    ):
        file = work / name
        file.touch(mode=0o600)
        file.write_text(text)
        file.chmod(mode)
    return metadata


def relay(lines):
    """mellon's errors as the lines that README.md promises; everything else as it is."""
    for line in lines:
        found = re.match(r"auth_mellon:error (?:\[client [^]]*\] )?(.*)", line.rstrip())
        text = re.sub(r", (referer:|SAML Response: StatusCode1=).*", "", found.group(1)) if found else ""
        print(f"refused: {text}" if found else line.rstrip(), file=sys.stderr, flush=True)


def answers(address):
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def main():
    options = common.parser(__doc__.splitlines()[0]).parse_args()
    missing = [name for name in NEEDED if not (MODULES / f"mod_{name}.so").exists()]
    apache = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    if apache is None or missing:
        raise SystemExit(f"install the Debian packages apache2 and libapache2-mod-auth-mellon (missing: {missing or 'apache2'})")

    host, port = options.listen
    holder = take_port(host, port)
    port = holder.getsockname()[1]
    listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    origin = options.public_url or f"http://{listen}"

    with tempfile.TemporaryDirectory(prefix="mellon-") as folder:
        work = pathlib.Path(folder)
        common.write(options.metadata_out, prepare(work, options, origin, listen))
        idp = provider_metadata(common.wait_for(options.idp_metadata), options.binding)
        (work / "idp.xml").write_text(idp, encoding="utf-8")
        provider = PROVIDER
        if options.sheet:
            provider = common.wait_for(options.sheet).partition("# Apache mod_auth_mellon.")[2].partition("\n")[2]
        provider = provider.replace("/etc/apache2/mellon/idp.xml", f'"{work}/idp.xml"').replace("/protected", "/secret")
        (work / "provider.conf").write_text(provider, encoding="utf-8")

        def stop(*_):
            raise SystemExit(0)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        holder.close()
        command = [apache, "-d", str(work), "-f", str(work / "apache.conf"), "-DFOREGROUND"]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            threading.Thread(target=relay, args=(server.stderr,), daemon=True).start()
            while not answers((host, port)):
                if server.poll() is not None:
                    raise SystemExit(f"Apache ended with {server.returncode}")
                time.sleep(0.05)
            print(f"ready {origin}/secret on {listen}", flush=True)
            raise SystemExit(server.wait())
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
