#!/usr/bin/env python3
"""A second client of Latchkey: enrolls a device and reaches a SAML service, from docs/protocol.md only.

    client.py --state F enroll --cloud URL --domain D --token-file F [--code-file F] [--user LOGIN] [--ca-file F]
    client.py --state F heartbeat | renew
    client.py --state F sign-in URL [--ca-file F]

Prints one JSON document. A refusal ends with exit 4 and its code on stderr.
"""
import argparse
import json
import os
import platform
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import wire
from wire import Refused, b64, compact, thumbprint, unb64


class Http:
    """Requests that follow nothing by themselves, and cookies by origin, in memory."""

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    def __init__(self, ca_file=None):
        context = ssl.create_default_context(cafile=ca_file)
        self.opener = urllib.request.build_opener(self.NoRedirect, urllib.request.HTTPSHandler(context=context))
        self.cookies = {}

    def send(self, url, body=None, content_type=None, headers=()):
        at = urllib.parse.urlsplit(url)
        if at.scheme != "https" and at.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise Refused(f"no TLS to {url}")
        request = urllib.request.Request(url, data=body, headers=dict(headers))
        if content_type:
            request.add_header("Content-Type", content_type)
        jar = self.cookies.setdefault(origin(url), {})
        if jar:
            request.add_header("Cookie", "; ".join(f"{k}={v}" for k, v in jar.items()))
        try:
            answer = self.opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.split(";")[0].partition("=")
            if value:
                jar[name.strip()] = value.strip()
            else:
                jar.pop(name.strip(), None)
        return answer, answer.read()


def origin(url):
    at = urllib.parse.urlsplit(url)
    return f"{at.scheme}://{at.netloc}"


class Device:
    def __init__(self, path, http):
        self.path, self.http, self.s = path, http, {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.s = json.load(file)

    def store(self):
        descriptor = os.open(self.path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self.s, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.rename(self.path + ".new", self.path)

    def key(self, name):
        if name not in self.s:
            key = ec.generate_private_key(ec.SECP256R1())
            der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            self.s[name] = b64(der)
        return serialization.load_der_private_key(unb64(self.s[name]), None)

    @property
    def dk(self):
        return thumbprint(wire.jwk(self.key("dk_key")))

    def fetch_document(self, pin=None):
        url = f"{self.s['cloud']}/.well-known/latchkey?domain={urllib.parse.quote(self.s['domain'])}"
        answer, body = self.http.send(url)
        if answer.status != 200:
            raise Refused(json.loads(body)["code"])
        known = self.s.get("document")
        self.s["document"], self.s["root"] = wire.follow(json.loads(body), self.s["domain"], pin, self.s.get("root"), known)

    def url(self, what):
        document = self.s["document"]
        return f"{document['public_urls'][0]}/o/{document['org']}/{what}"

    def nonce(self, purpose, id):
        body = compact({"purpose": purpose, "thumbprint": self.dk, "id": id})
        answer, body = self.http.send(self.url("device/v1/nonces"), body, "application/json")
        if answer.status != 200:
            raise Refused(json.loads(body)["code"])
        said = wire.read_compact(json.loads(body)["nonce"], "lk-nonce+jwt", self.s["document"]["challenge_keys"])
        if (said["purpose"], said["thumbprint"], said["org"]) != (purpose, self.dk, self.s["document"]["org"]):
            raise Refused("a nonce for somebody else")
        if said["time"] - self.s["document"]["serial"] / 1000 > 30 * 86400 and "device_id" not in self.s:
            raise Refused("LK-CLOUD-003")
        return said["nonce"]

    def post(self, kind, path, nonce, members, signers):
        """Posts a message and returns its verified result."""
        payload = compact({**wire.common(self.s["document"], nonce), **members})
        body = wire.write_json(payload, f"lk-{kind}+jwt", signers)
        answer, body = self.http.send(self.url(f"device/v1/{path}"), body, "application/jose+json")
        body = json.loads(body)
        keys = self.s["document"]["challenge_keys"]

        def ours(said):
            expected = (self.dk, b64(wire.sha256(payload)), nonce, self.s["document"]["org"])
            if (said["dk"], said["request_sha256"], said["nonce"], said["org"]) != expected:
                raise Refused("an answer to somebody else")
            return said

        if answer.status not in (200, 201):
            if "signed" in body:
                raise Refused(ours(wire.read_compact(body["signed"], "lk-refusal+jwt", keys))["code"], body.get("detail"))
            raise Refused(body["code"], body.get("detail"))
        return ours(wire.read_compact(body["result"], f"lk-{kind}-result+jwt", keys))

    def facts(self):
        return {"platform": "linux", "os": platform.platform(), "host": platform.node() or "host", "agent": "0.1.0"}

    def enroll(self, args):
        with open(args.token_file, encoding="utf-8") as file:
            token = wire.Credential(file.read())
        self.s.update(cloud=args.cloud.rstrip("/"), domain=args.domain)
        self.s.setdefault("e_n", b64(os.urandom(32)))
        self.key("dk_key"), self.key("uk_key")
        self.store()
        self.fetch_document(token.pin)
        self.store()
        signers = [(self.key("dk_key"), None), (token.key, token.kid)]
        members = {
            "cloud": self.s["document"]["public_urls"][0], "domain": self.s["domain"], "token_id": token.id,
            "dk_jwk": wire.jwk(self.key("dk_key")), "v_0": b64(wire.commitment(unb64(self.s["e_n"]))),
            "protection": "software", "device": self.facts(), "evidence": [],
        }
        if args.user:
            claim = args.user if "@" in args.user else f"{args.user}@{args.domain}"
            members["user"] = {"uk_jwk": wire.jwk(self.key("uk_key")), "claim": claim, "source": "option", "os_account": "python"}
            signers.append((self.key("uk_key"), None))
        if args.code_file:
            with open(args.code_file, encoding="utf-8") as file:
                code = wire.Credential(file.read(), "lkuc1")
            members["evidence"].append({"type": "code", "id": code.id})
            signers.append((code.key, code.kid))
        result = self.post("enroll", "enrollments", self.nonce("enroll", token.id), members, signers)
        return self.took(result)

    def took(self, result):
        self.s.update(device_id=result["device_id"], state=result["state"], bindings=result["bindings"], n=result["n"])
        if "certificate" in result:
            self.s["certificate"] = result["certificate"]
        self.s["clock"] = result["time"] - time.monotonic()
        self.store()
        return result

    def v(self):
        return wire.commitment(unb64(self.s["e_n"]))

    def heartbeat(self, _args=None):
        nonce = self.nonce("heartbeat", self.s["device_id"])
        members = {"device_id": self.s["device_id"], "n": self.s["n"], "tag": wire.tag(self.v(), nonce)}
        return self.took(self.post("heartbeat", "heartbeats", nonce, members, [(self.key("dk_key"), None)]))

    def renew(self, _args=None):
        self.s.setdefault("e_next", b64(os.urandom(32)))
        self.store()
        members = {
            "device_id": self.s["device_id"], "n": self.s["n"], "e_n": self.s["e_n"],
            "v_next": b64(wire.commitment(unb64(self.s["e_next"]))), "facts": self.facts(),
        }
        if "certificate" in self.s:
            members["certificate"] = self.s["certificate"]
        n = self.s["n"]
        result = self.post("renew", "renewals", self.nonce("renew", self.s["device_id"]), members, [(self.key("dk_key"), None)])
        if "certificate" in result and result["n"] == n + 1:
            self.s["e_n"] = self.s.pop("e_next")
            self.took(result)
            self.heartbeat()
        return result

    def proof(self, at, challenge, txn, cookie):
        document = self.s["document"]
        said = wire.read_compact(challenge, "lk-challenge+jwt", document["challenge_keys"])
        fits = (said["org"], said["rk"], said["origin"], said["cb"], said["txn_sha256"], said["channel"])
        if fits != (document["org"], document["rk"], at, b64(wire.sha256(cookie)), b64(wire.sha256(txn)), "agent"):
            raise Refused("a challenge that is not for us")
        if said["exp"] < self.s["clock"] + time.monotonic():
            raise Refused("LK-PROOF-010")
        uk = thumbprint(wire.jwk(self.key("uk_key")))
        binding = next((b for b in self.s["bindings"] if b["uk"] == uk), None) or (_ for _ in ()).throw(Refused("no binding"))
        payload = compact({
            **wire.common(document, said["nonce"]), "txn_sha256": said["txn_sha256"], "device_id": self.s["device_id"],
            "binding_id": binding["id"], "channel": "agent", "n": self.s["n"], "tag": wire.tag(self.v(), said["nonce"]),
            "presence": False,
        })
        return wire.write_compact(payload, "lk-proof+jwt", self.key("uk_key"))

    def sign_in(self, args):
        # Server time needs one signed answer in this run: monotonic clocks do not survive a process.
        self.heartbeat()
        self.fetch_document()
        issuers = [origin(url) for url in self.s["document"]["public_urls"]]
        url, body, hops = args.url, None, []
        for _ in range(20):
            at_issuer = origin(url) in issuers
            headers = [("Latchkey-Agent", "1"), ("Origin", origin(url))] if at_issuer else []
            form = "application/x-www-form-urlencoded" if body is not None else None
            answer, page = self.http.send(url, body, form, headers)
            hops.append([answer.status, url.split("?")[0]])
            if answer.status in (301, 302, 303, 307, 308):
                target = urllib.parse.urljoin(url, answer.headers["Location"])
                if url.startswith("https:") and not target.startswith("https:"):
                    raise Refused("from https to http")
                url, body = target, body if answer.status in (307, 308) else None
                continue
            if at_issuer:
                if answer.status != 200:
                    raise Refused(json.loads(page)["code"], json.loads(page).get("detail"))
                url, body = self.finish(origin(url), json.loads(page))
                continue
            fields = Form(page)
            if "SAMLRequest" in fields.values and origin(urllib.parse.urljoin(url, fields.action)) in issuers:
                url, body = urllib.parse.urljoin(url, fields.action), urllib.parse.urlencode(fields.values).encode()
                continue
            return {"http_status": answer.status, "final_url": url, "hops": hops, "page": page.decode("utf-8", "replace")}
        raise Refused("more than 20 hops")

    def finish(self, at, said):
        if "challenge" in said:
            cookie = self.http.cookies[at]["__Host-lk-b"]
            proof = self.proof(at, said["challenge"], said["txn"], cookie)
            headers = [("Latchkey-Agent", "1"), ("Origin", at)]
            body = compact({"txn": said["txn"], "proof": proof})
            answer, body = self.http.send(self.url("signin/finish"), body, "application/json", headers)
            said = json.loads(body)
            if answer.status != 200:
                raise Refused(said["code"], said.get("detail"))
        form = {"SAMLResponse": said["saml_response"]}
        if said.get("relay_state"):
            form["RelayState"] = said["relay_state"]
        return said["destination"], urllib.parse.urlencode(form).encode()


class Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.action, self.values = "", {}
        self.feed(page.decode("utf-8", "replace"))

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag == "form":
            self.action = a.get("action") or ""
        if tag == "input" and a.get("name"):
            self.values[a["name"]] = a.get("value") or ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    enroll = commands.add_parser("enroll")
    for flag in ("--cloud", "--domain", "--token-file"):
        enroll.add_argument(flag, required=True)
    enroll.add_argument("--code-file")
    enroll.add_argument("--user")
    sign_in = commands.add_parser("sign-in")
    sign_in.add_argument("url")
    for command in (enroll, sign_in, commands.add_parser("heartbeat"), commands.add_parser("renew")):
        command.add_argument("--ca-file")
    args = parser.parse_args()
    device = Device(args.state, Http(args.ca_file))
    try:
        answer = getattr(device, args.command.replace("-", "_"))(args)
    except Refused as refused:
        print(*refused.args, file=sys.stderr)
        sys.exit(4)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
