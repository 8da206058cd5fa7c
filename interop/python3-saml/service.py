#!/usr/bin/env python3
"""A web service that signs people in with python3-saml, in its strict mode.

The options are those of ../README.md. python3-saml sends requests by HTTP-Redirect only; with `--binding post` the form is
built here from the library's own request, and signed by the library's own signer. Like every application on this library,
this one has to remember itself which requests it made and which assertions it has seen.
"""

import html
import http.server
import http.cookies
import json
import pathlib
import secrets
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import common  # noqa: E402

from onelogin.saml2.auth import OneLogin_Saml2_Auth  # noqa: E402
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request  # noqa: E402
from onelogin.saml2.constants import OneLogin_Saml2_Constants as C  # noqa: E402
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser  # noqa: E402
from onelogin.saml2.settings import OneLogin_Saml2_Settings  # noqa: E402
from onelogin.saml2.utils import OneLogin_Saml2_Utils  # noqa: E402

LARGEST_BODY = 256 * 1024


class Service:
    """The service's settings and memory. Must not know HTTP."""

    def __init__(self, options, url, key, certificate):
        self.options = options
        self.url = url
        # A library that finds "http_host" wrong calls every destination wrong, so it is told the public address.
        self.host = urllib.parse.urlsplit(url).netloc
        self.base = {
            "strict": True,
            "sp": {
                "entityId": f"{url}/metadata",
                "assertionConsumerService": {"url": f"{url}/acs", "binding": C.BINDING_HTTP_POST},
                "NameIDFormat": common.NAME_ID[options.name_id],
                "x509cert": certificate,
                "privateKey": key,
            },
            "security": {
                "authnRequestsSigned": options.requests == "signed",
                "wantAssertionsSigned": True,
                "wantNameId": True,
                "wantAttributeStatement": True,
                "rejectDeprecatedAlgorithm": True,
                "rejectUnsolicitedResponsesWithInResponseTo": True,
            },
        }
        self.settings = None
        self.lock = threading.Lock()
        self.requests = {}
        self.sessions = {}
        self.seen = set()

    def metadata(self):
        settings = OneLogin_Saml2_Settings(self.base, sp_validation_only=True)
        text = settings.get_sp_metadata()
        problems = settings.validate_metadata(text)
        if problems:
            raise SystemExit(f"python3-saml finds its own metadata wrong: {', '.join(problems)}")
        return text if isinstance(text, str) else text.decode()

    def follow(self, sheet):
        """Takes the settings of a hand-over sheet as they are written, and adds what only the service has: its key."""
        _, _, text = sheet.partition("# python3-saml: settings.json\n")
        settings = json.loads(text)
        for name in ("x509cert", "privateKey"):
            settings["sp"][name] = self.base["sp"][name]
        settings["security"]["authnRequestsSigned"] = self.base["security"]["authnRequestsSigned"]
        self.settings = OneLogin_Saml2_Settings(settings)

    def meet(self, idp_metadata):
        """Takes the identity provider's name, address and keys. Its wishes for NameIDs are not taken over: the service has
        its own (the library's merge would replace them)."""
        binding = C.BINDING_HTTP_POST if self.options.binding == "post" else C.BINDING_HTTP_REDIRECT
        known = OneLogin_Saml2_IdPMetadataParser.parse(idp_metadata, required_sso_binding=binding)
        self.settings = OneLogin_Saml2_Settings({**self.base, "idp": known["idp"]})

    def auth(self, fields=None):
        scheme = urllib.parse.urlsplit(self.url).scheme
        request = {
            "http_host": self.host,
            "script_name": "/acs",
            "get_data": {},
            "post_data": fields or {},
            "https": "on" if scheme == "https" else "off",
        }
        return OneLogin_Saml2_Auth(request, self.settings)

    def start(self, browser):
        """Makes a request: ("redirect", address) or ("post", address, fields)."""
        relay_state = secrets.token_hex(16)
        if self.options.binding == "redirect":
            auth = self.auth()
            answer = ("redirect", auth.login(return_to=relay_state))
            request_id = auth.get_last_request_id()
        else:
            request = OneLogin_Saml2_Authn_Request(self.settings)
            request_id, xml = request.get_id(), request.get_xml()
            security = self.settings.get_security_data()
            if security["authnRequestsSigned"]:
                xml = OneLogin_Saml2_Utils.add_sign(
                    xml,
                    self.settings.get_sp_key(),
                    self.settings.get_sp_cert(),
                    sign_algorithm=security["signatureAlgorithm"],
                    digest_algorithm=security["digestAlgorithm"],
                )
            fields = {"SAMLRequest": OneLogin_Saml2_Utils.b64encode(xml), "RelayState": relay_state}
            answer = ("post", self.auth().get_sso_url(), fields)
        with self.lock:
            self.requests[(browser, relay_state)] = request_id
        return answer

    def finish(self, browser, fields):
        """The person whom the answer names; raises Refused."""
        with self.lock:
            request_id = self.requests.get((browser, fields.get("RelayState", "")))
        if request_id is None:
            raise Refused("this browser made no such request (RelayState is not known)")
        auth = self.auth(fields)
        auth.process_response(request_id=request_id)
        if auth.get_errors() or not auth.is_authenticated():
            raise Refused(auth.get_last_error_reason() or ", ".join(auth.get_errors()))
        with self.lock:
            if auth.get_last_assertion_id() in self.seen:
                raise Refused("the assertion was seen before")
            self.seen.add(auth.get_last_assertion_id())
        return {
            "NameID": [auth.get_nameid()],
            "NameID format": [auth.get_nameid_format()],
            **auth.get_attributes(),
        }


class Refused(Exception):
    """What the library, or the application around it, did not accept."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Pages and cookies."""

    protocol_version = "HTTP/1.1"
    service = None

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/":
            self.page(200, "A service on python3-saml", '<p><a href="/secret">For people who signed in</a></p>')
        elif path == "/metadata":
            self.answer(200, self.service.metadata(), {"Content-Type": "application/samlmetadata+xml"})
        elif path == "/secret":
            self.secret()
        else:
            self.page(404, "There is nothing here", "")

    def do_POST(self):
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= LARGEST_BODY:
            self.close_connection = True
            self.page(413, "Too long, or of no stated length", "")
            return
        body = self.rfile.read(length)
        if self.path != "/acs":
            self.page(404, "There is nothing here", "")
            return
        try:
            fields = dict(urllib.parse.parse_qsl(body.decode("ascii"), keep_blank_values=True))
            person = self.service.finish(self.cookie("browser"), fields)
        except Refused as refused:
            self.refuse(str(refused))
            return
        except Exception as error:  # the library raises many kinds for bad input; each is a refusal
            self.refuse(f"{type(error).__name__}: {error}")
            return
        session = secrets.token_hex(16)
        with self.service.lock:
            self.service.sessions[session] = person
        self.answer(303, "", {"Location": "/secret", "Set-Cookie": self.set_cookie("session", session)})

    def secret(self):
        with self.service.lock:
            person = self.service.sessions.get(self.cookie("session"))
        if person is not None:
            rows = "".join(
                f"<tr><th>{html.escape(name)}<td>{html.escape(', '.join(str(v) for v in values))}"
                for name, values in person.items()
            )
            self.page(200, "You are signed in", f"<table>{rows}</table>")
            return
        browser = self.cookie("browser") or secrets.token_hex(16)
        kind, address, *rest = self.service.start(browser)
        cookie = {"Set-Cookie": self.set_cookie("browser", browser)}
        if kind == "redirect":
            self.answer(302, "", {"Location": address, **cookie})
            return
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in rest[0].items()
        )
        form = f'<form method="post" action="{html.escape(address)}">{fields}<button>Continue</button></form>'
        self.page(200, "To the identity provider", f"{form}<script>document.forms[0].submit()</script>", cookie)

    def refuse(self, why):
        print("refused:", " ".join(why.split()), file=sys.stderr, flush=True)
        self.page(403, "Sign-in refused", f"<p>python3-saml says: <code>{html.escape(why)}</code></p>")

    # Cookies do not know ports, so their names do.
    def cookie(self, name):
        jar = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        morsel = jar.get(f"p3s_{name}_{self.server.server_address[1]}")
        return morsel.value if morsel else None

    def set_cookie(self, name, value):
        return f"p3s_{name}_{self.server.server_address[1]}={value}; Path=/; HttpOnly"

    def page(self, status, title, body, headers=None):
        text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}\n'
        self.answer(status, text, {"Content-Type": "text/html; charset=utf-8", **(headers or {})})

    def answer(self, status, text, headers):
        body = text.encode()
        self.send_response(status)
        for name, value in {"Cache-Control": "no-store", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Silent: stderr is for refusals."""


def main():
    options = common.parser(__doc__.splitlines()[0]).parse_args()
    server = http.server.ThreadingHTTPServer(options.listen, Handler)
    server.daemon_threads = True
    host, port = server.server_address[:2]
    url = options.public_url or f"http://{host}:{port}"
    key, certificate = common.key_and_certificate("python3-saml service")
    service = Service(options, url, key, certificate)
    common.write(options.metadata_out, service.metadata())
    if options.sheet:
        service.follow(common.wait_for(options.sheet))
    else:
        service.meet(common.wait_for(options.idp_metadata))
    Handler.service = service
    print(f"ready {url}/secret on {host}:{port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
