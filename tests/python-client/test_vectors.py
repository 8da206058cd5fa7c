#!/usr/bin/env python3
"""Checks wire.py against the published vectors: python3 tests/python-client/test_vectors.py. Needs only `cryptography`."""
import json
import pathlib
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import wire

VECTORS = pathlib.Path(__file__).parents[2] / "crates/wire/vectors"


def load(name):
    return json.loads((VECTORS / name).read_text())


def private(entry):
    if "seed" in entry:
        return ed25519.Ed25519PrivateKey.from_private_bytes(wire.unb64(entry["seed"]))
    return serialization.load_der_private_key(wire.unb64(entry["pkcs8"]), None)


KEYS = load("keys.json")
TOKENS = load("tokens.json")
NAMED = {name: entry["jwk"] for name, entry in KEYS.items()}
NAMED["token"], NAMED["code"] = TOKENS["good"][0]["public_key"], TOKENS["good"][2]["public_key"]
KIDS = {name: wire.thumbprint(jwk) for name, jwk in NAMED.items()}
KIDS["token"], KIDS["code"] = TOKENS["good"][0]["kid"], TOKENS["good"][2]["kid"]


class Vectors(unittest.TestCase):
    def test_keys(self):
        for name, entry in KEYS.items():
            self.assertEqual(wire.jwk(private(entry)), entry["jwk"], name)
            self.assertEqual(wire.thumbprint(entry["jwk"]), entry["thumbprint"], name)

    def test_tokens(self):
        for entry in TOKENS["good"]:
            read = wire.Credential(entry["text"], entry["text"].strip()[:5].lower())
            self.assertEqual((read.id, read.pin, read.kid), (entry["id"], entry["pin"], entry["kid"]))
            self.assertEqual(wire.jwk(read.key), entry["public_key"])
        for entry in TOKENS["bad"]:
            with self.assertRaises(wire.Refused) as caught:
                wire.Credential(entry["text"])
            self.assertEqual(caught.exception.args[0], entry["code"], entry["text"])

    def test_hashes(self):
        hashes = load("hashes.json")
        for entry in hashes["pin"]:
            self.assertEqual(wire.pin_of(entry["root"]), entry["pin"])
        for entry in hashes["thumbprint"]:
            self.assertEqual(wire.thumbprint(entry["jwk"]), entry["thumbprint"])
        for entry in hashes["epoch"]:
            self.assertEqual(wire.b64(wire.commitment(wire.unb64(entry["e"]))), entry["v"])
        for entry in hashes["tag"]:
            self.assertEqual(wire.tag(wire.unb64(entry["v"]), entry["nonce"]), entry["tag"])
        for entry in hashes["cb"]:
            self.assertEqual(wire.b64(wire.sha256(entry["cookie"])), entry["cb"])
        for entry in hashes["txn_sha256"]:
            self.assertEqual(wire.b64(wire.sha256(entry["txn"])), entry["txn_sha256"])

    def test_messages(self):
        for entry in load("messages.json"):
            if entry["form"] == "compact":
                signer = NAMED[entry["signers"][0]]
                self.assertEqual(wire.read_compact(entry["jws"], entry["typ"], [signer]), entry["payload"])
                encoded = entry["jws"].split(".")[1]
            else:
                encoded = entry["jws"]["payload"]
                # The kid of an MDM certificate's key is not its thumbprint but the hash of the leaf.
                chains = [e["chain"] for e in entry["payload"].get("evidence", []) if e["type"] == "mdm"]
                kids = KIDS | {"mdm": wire.b64(wire.sha256(wire.unb64(chains[0][0]))) if chains else None}
                for item, name in zip(entry["jws"]["signatures"], entry["signers"], strict=True):
                    key = wire.public_key(NAMED[name])
                    wire.verify_one(item["protected"], encoded, item["signature"], entry["typ"], key, kids[name])
            self.assertEqual(wire.parse_json(wire.unb64(encoded)), entry["payload"], entry["name"])
            self.assertEqual(wire.b64(wire.sha256(wire.unb64(encoded))), entry["payload_sha256"])

    def test_what_we_write_we_read(self):
        dk = private(KEYS["dk"])
        text = wire.write_compact(wire.compact({"v": 1}), "lk-proof+jwt", dk)
        self.assertEqual(wire.read_compact(text, "lk-proof+jwt", [wire.jwk(dk)]), {"v": 1})

    def test_documents(self):
        for entry in load("well-known.json"):
            try:
                wire.follow(entry["answer"], entry["domain"], entry["pin"])
                accepted = True
            except wire.Refused:
                accepted = False
            self.assertEqual(accepted, entry["accepted"], entry["name"])

    def test_strict_json(self):
        for text in ('{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '{"a":null}', '{"a":""}', '{"a":-1}', '{"a":1.0}',
                     '{"a":9007199254740992}'):
            with self.assertRaises(wire.Refused, msg=text):
                wire.parse_json(text.encode())


if __name__ == "__main__":
    unittest.main()
