#!/usr/bin/env python3
"""Runs client.py through a cloud that stands in this file, with the keys of the vectors.

The real server is the judge of the client; this finds out that the client refuses a cloud that lies, which the real server does not.
`--write` keeps what the client posted in posted.json, which the product's own parser reads in its tests (crates/wire/tests).
"""
import json
import os
import pathlib
import sys
import tempfile
import time
import types
import unittest
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ed25519

import client
import test_vectors
import wire

KEYS, TOKENS = test_vectors.KEYS, test_vectors.TOKENS
ROOT, CHALLENGE, IMPOSTOR = (test_vectors.private(KEYS[name]) for name in ("root", "challenge", "root_2"))
CLOUD, SERVICE, ORG = "http://localhost:8470", "http://localhost:9000", "org-1"


class Answer:
    def __init__(self, status=200, headers=None):
        self.status, self.headers = status, headers or {}


class Cloud:
    """A cloud with one organization, and a service, in one object that has the interface of client.Http."""

    def __init__(self):
        self.cookies, self.posted, self.n, self.certificate = {}, [], 0, wire.b64(b"a certificate")
        self.lie, self.bindings, self.refuse = None, [], None

    def common(self, nonce=None, **members):
        said = {"v": 1, "iss": CLOUD, "org": ORG, "rk": KEYS["root"]["thumbprint"], "iat": int(time.time())}
        if nonce:
            said["nonce"] = nonce
        return wire.compact({**said, **members})

    def say(self, typ, key, payload):
        return wire.write_compact(payload, typ, IMPOSTOR if self.lie == typ else key)

    def send(self, url, body=None, content_type=None, headers=()):
        path = urlsplit(url).path
        if url.startswith(SERVICE):
            return self.service(path, body)
        if path == "/.well-known/latchkey":
            document = self.common(
                domain="acme.example", public_urls=[CLOUD], challenge_keys=[KEYS["challenge"]["jwk"]], device_ca=[],
                tls_spki_sha256=[], versions=[1], min_connector="0.1.0", serial=int(time.time() * 1000),
            )
            said = {"document": self.say("lk-cloud+jwt", ROOT, document), "roots": [KEYS["root"]["jwk"]], "succession": []}
        elif path == f"/o/{ORG}/device/v1/nonces":
            asked = json.loads(body)
            now = int(time.time())
            nonce = self.common(f"nonce-{asked['purpose']}-{len(self.posted)}", purpose=asked["purpose"],
                                thumbprint=asked["thumbprint"], time=now, exp=now + 120, serial=1)
            said = {"nonce": self.say("lk-nonce+jwt", CHALLENGE, nonce)}
        elif path.startswith(f"/o/{ORG}/device/v1/"):
            return self.device(json.loads(body))
        elif path == f"/o/{ORG}/saml/sso":
            assert ("Latchkey-Agent", "1") in headers
            self.cookies.setdefault(CLOUD, {})["__Host-lk-b"] = "cookie"
            at = "https://evil.example" if self.lie == "origin" else CLOUD
            challenge = self.common(
                "nonce-of-a-challenge", txn_sha256=wire.b64(wire.sha256("txn")), origin=at, service="wiki",
                cb=wire.b64(wire.sha256("other" if self.lie == "cb" else "cookie")), channel="agent", level=0,
                exp=int(time.time()) + (-5 if self.lie == "exp" else 60),
            )
            said = {"txn": "txn", "challenge": self.say("lk-challenge+jwt", CHALLENGE, challenge)}
        else:
            asked = json.loads(body)
            self.posted.append({"typ": "lk-proof+jwt", "jws": asked["proof"], "uk": self.uk})
            said = {"destination": f"{SERVICE}/acs", "saml_response": "response", "relay_state": "r"}
        return Answer(), wire.compact(said)

    def device(self, jws):
        payload = wire.unb64(jws["payload"])
        typ = json.loads(wire.unb64(jws["signatures"][0]["protected"]))["typ"]
        asked, dk = json.loads(payload), json.loads(wire.unb64(jws["signatures"][0]["protected"]))["kid"]
        if typ == "lk-enroll+jwt":
            self.dk_jwk, self.uk = asked["dk_jwk"], asked["user"]["uk_jwk"]
            self.bindings = [{"id": "b1", "state": "active", "level": 0, "login_name": asked["user"]["claim"],
                              "uk": wire.thumbprint(self.uk)}]
        self.n += typ == "lk-renew+jwt"
        self.posted.append({"typ": typ, "jws": jws, "dk": self.dk_jwk})
        now = int(time.time())
        answers = {"request_sha256": wire.b64(wire.sha256(b"x" if self.lie == "request" else payload)), "dk": dk, "time": now}
        if self.refuse:
            refusal = self.common(asked["nonce"], code=self.refuse, retry="N", **answers)
            problem = {"code": "LK-ENROLL-010", "ref": "r", "signed": self.say("lk-refusal+jwt", CHALLENGE, refusal)}
            return Answer(403), wire.compact(problem)
        result = self.common(
            asked["nonce"], device_id="d1", state="registered", n=self.n, certificate=self.certificate, renew_at=now + 9,
            heartbeat_s=60, settings={}, bindings=self.bindings, **answers,
        )
        return Answer(201), wire.compact({"result": self.say(typ.replace("+", "-result+"), CHALLENGE, result)})

    def service(self, path, body):
        if path == "/secret":
            return Answer(302, {"Location": f"{CLOUD}/o/{ORG}/saml/sso?SAMLRequest=x"}), b""
        form = parse_qs(body.decode())
        return Answer(), f"hello {form['SAMLResponse'][0]} {form['RelayState'][0]}".encode()


class Client(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.cloud = Cloud()
        token = TOKENS["good"][0]["text"]
        (pathlib.Path(self.folder.name) / "token").write_text(token)
        (pathlib.Path(self.folder.name) / "code").write_text(TOKENS["good"][2]["text"])
        self.device = client.Device(os.path.join(self.folder.name, "state"), self.cloud)
        self.device.facts = lambda: {"platform": "linux", "os": "any", "host": "python", "agent": "0.1.0"}
        self.args = types.SimpleNamespace(
            cloud=CLOUD, domain="acme.example", token_file=self.folder.name + "/token", code_file=self.folder.name + "/code",
            user="anna", url=f"{SERVICE}/secret",
        )

    def refused(self, act):
        with self.assertRaises(wire.Refused) as caught:
            act(self.args)
        return caught.exception.args[0]

    def test_the_whole_way(self):
        self.assertEqual(self.device.enroll(self.args)["state"], "registered")
        e_0 = self.device.s["e_n"]
        self.device.renew()
        self.assertNotEqual(self.device.s["e_n"], e_0)
        reached = self.device.sign_in(self.args)
        self.assertEqual(reached["page"], "hello response r")
        if "--write" in sys.argv:
            path = pathlib.Path(__file__).parent / "posted.json"
            path.write_text(json.dumps(self.cloud.posted, indent=1) + "\n")

    def test_a_cloud_with_another_root(self):
        self.cloud.lie = "lk-cloud+jwt"
        self.refused(self.device.enroll)
        self.assertEqual(self.cloud.posted, [])

    def test_a_nonce_by_somebody_else(self):
        self.cloud.lie = "lk-nonce+jwt"
        self.refused(self.device.enroll)
        self.assertEqual(self.cloud.posted, [])

    def test_results_that_are_not_ours(self):
        for lie in ("lk-enroll-result+jwt", "request"):
            self.cloud.lie = lie
            self.refused(self.device.enroll)
            self.assertNotIn("device_id", self.device.s)

    def test_challenges_that_are_not_for_us(self):
        self.device.enroll(self.args)
        for lie in ("lk-challenge+jwt", "origin", "cb", "exp"):
            self.cloud.lie = lie
            self.refused(self.device.sign_in)
        self.assertNotIn("lk-proof+jwt", [posted["typ"] for posted in self.cloud.posted])

    def test_only_the_signed_code_of_a_refusal_counts(self):
        self.cloud.refuse = "LK-ENROLL-014"
        self.assertEqual(self.refused(self.device.enroll), "LK-ENROLL-014")


if __name__ == "__main__":
    assert isinstance(ROOT, ed25519.Ed25519PrivateKey)
    unittest.main(argv=[arg for arg in sys.argv if arg != "--write"])
