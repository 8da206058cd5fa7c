#!/usr/bin/env python3
"""Fills fuzz/corpus/wire_* from the published vectors, so that no second copy of them has to be kept."""
import base64
import hashlib
import json
import pathlib

here = pathlib.Path(__file__).parent
vectors = here.parent / "crates/wire/vectors"


def load(name):
    return json.loads((vectors / name).read_text())


def seed(target, data):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    data = data if isinstance(data, bytes) else data.encode()
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def compact(value):
    return json.dumps(value, separators=(",", ":"))


for entry in load("tokens.json")["good"] + load("tokens.json")["bad"]:
    seed("wire_token", entry["text"])
for entry in load("messages.json"):
    seed("wire_message", compact(entry["payload"]))
    if entry["form"] == "compact":
        seed("wire_jws_compact", entry["jws"])
    else:
        seed("wire_jws_json", compact(entry["jws"]))
for entry in load("refused.json"):
    seed("wire_jws_json", compact(entry["jws"])[:20000])
for entry in load("keys.json").values():
    seed("wire_jwk", compact(entry["jwk"]))
for entry in load("well-known.json"):
    seed("wire_well_known", compact(entry["answer"]))
    seed("wire_jws_compact", entry["answer"]["document"])
for entry in load("extension.json")["good"] + load("extension.json")["bad"]:
    der = entry["der"]
    seed("wire_extension", base64.urlsafe_b64decode(der + "=" * (-len(der) % 4)))
