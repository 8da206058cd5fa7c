"""The connector protocol, written from docs/protocol.md and the test vectors only.

Strict JSON, credentials, JWS, trust in a cloud. No network here.
"""
import base64
import hashlib
import hmac
import json
import time
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Refused(Exception):
    """A rule of the protocol's page is broken; the first argument is a code where the page names one."""


def sha256(data):
    return hashlib.sha256(data.encode("ascii") if isinstance(data, str) else data).digest()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise Refused("not strict base64url")
    return data


def parse_json(data):
    """JSON under the page's rules: no duplicates, null, empty strings, fractions, negative or huge numbers."""

    def members(pairs):
        if len({name for name, _ in pairs}) != len(pairs) or any(name == "" for name, _ in pairs):
            raise Refused("a member stands twice or has no name")
        return dict(pairs)

    def no_number(text):
        raise Refused(f"the number {text}")

    def integer(text):
        if text.startswith("-") or int(text) > 2**53 - 1:
            raise Refused(f"the number {text}")
        return int(text)

    def check(value, depth=0):
        if value is None or value == "" or depth > 16:
            raise Refused("null, an empty string, or nested too deeply")
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(inner, depth + 1)

    value = json.loads(data.decode("utf-8"), object_pairs_hook=members, parse_int=integer, parse_float=no_number,
                       parse_constant=no_number)
    check(value)
    return value


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


# --- credentials -----------------------------------------------------------------------------------------------------


class Credential:
    PREFIXES = ("lkdt", "lkuc")

    def __init__(self, text, prefix="lkdt1"):
        text = text.strip().lower()
        parts = text.split("_")
        if not text or any(c in text for c in "%{}$<>[]"):
            raise Refused("LK-TOKEN-001")
        if parts[0] != prefix:
            if len(parts) == 1 and prefix.startswith(parts[0]):
                raise Refused("LK-TOKEN-003")
            wrong_kind = parts[0][:4] in self.PREFIXES and parts[0][4:].isdigit()
            raise Refused("LK-TOKEN-004" if wrong_kind else "LK-TOKEN-002" if len(parts) == 5 else "LK-TOKEN-001")
        lengths = [5, 10, 26, 52, 7]
        if len(parts) > 5 or any(len(p) != n for p, n in zip(parts[:-1], lengths)) or len(parts[-1]) > lengths[len(parts) - 1]:
            raise Refused("LK-TOKEN-002")
        if len(parts) < 5 or len(parts[4]) < 7:
            raise Refused("LK-TOKEN-003")
        _, self.id, self.pin, seed, crc = parts
        if any(c not in BASE32 for c in "".join(parts[1:])):
            raise Refused("LK-TOKEN-002")
        decode = lambda t: base64.b32decode(t.upper() + "=" * (-len(t) % 8))
        if decode(crc) != zlib.crc32(text.rsplit("_", 1)[0].encode()).to_bytes(4, "big"):
            raise Refused("LK-TOKEN-002")
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(decode(seed))
        self.kid = f"{prefix}_{self.id}"


def pin_of(root_jwk):
    return base64.b32encode(sha256(unb64(root_jwk["x"]))[:16]).decode().rstrip("=").lower()


# --- keys and signatures ---------------------------------------------------------------------------------------------


def jwk(key):
    public = key.public_key() if hasattr(key, "public_key") else key
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": b64(public.public_bytes_raw())}
    n = public.public_numbers()
    return {"crv": "P-256", "kty": "EC", "x": b64(n.x.to_bytes(32, "big")), "y": b64(n.y.to_bytes(32, "big"))}


def public_key(value):
    x = unb64(value["x"])
    if set(value) == {"kty", "crv", "x"} and (value["kty"], value["crv"]) == ("OKP", "Ed25519"):
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    if set(value) == {"kty", "crv", "x", "y"} and (value["kty"], value["crv"]) == ("EC", "P-256") and len(x) == 32:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + x + unb64(value["y"]))
    raise Refused("not a key of this protocol")


def thumbprint(value):
    return b64(sha256(json.dumps(value, separators=(",", ":"), sort_keys=True).encode()))


def alg_of(key):
    return "EdDSA" if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)) else "ES256"


def sign(payload, typ, key, kid=None):
    """One signature over payload bytes: (protected, signature), both encoded."""
    header = {"typ": typ, "alg": alg_of(key), "kid": kid or thumbprint(jwk(key))}
    protected = b64(compact(header))
    data = f"{protected}.{b64(payload)}".encode()
    if alg_of(key) == "EdDSA":
        return protected, b64(key.sign(data))
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return protected, b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def verify_one(protected, payload, signature, typ, key, kid):
    header = parse_json(unb64(protected))
    if header != {"typ": typ, "alg": alg_of(key), "kid": kid}:
        raise Refused(f"header {header}")
    data, signature = f"{protected}.{payload}".encode(), unb64(signature)
    if len(signature) != 64:
        raise Refused("a signature has 64 bytes")
    try:
        if alg_of(key) == "EdDSA":
            key.verify(signature, data)
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused("a signature does not verify") from None


def read_compact(text, typ, keys):
    """The payload of a compact JWS signed by one of these JWKs (one it does not know is ignored)."""
    protected, payload, signature = text.split(".")
    kid = parse_json(unb64(protected)).get("kid")
    for key in keys:
        if key.get("kty") in ("OKP", "EC") and thumbprint(key) == kid:
            verify_one(protected, payload, signature, typ, public_key(key), kid)
            return parse_json(unb64(payload))
    raise Refused(f"signed by an unknown key {kid}")


def write_compact(payload, typ, key):
    protected, signature = sign(payload, typ, key)
    return f"{protected}.{b64(payload)}.{signature}"


def write_json(payload, typ, signers):
    """JWS JSON for `signers`, a list of (key, kid or None)."""
    signatures = [dict(zip(("protected", "signature"), sign(payload, typ, key, kid))) for key, kid in signers]
    return compact({"payload": b64(payload), "signatures": signatures})


# --- small hashes ----------------------------------------------------------------------------------------------------


def commitment(e):
    return sha256(b"latchkey-epoch-v1" + e)


def tag(v, nonce):
    return b64(hmac.new(v, sha256(nonce), hashlib.sha256).digest())


# --- trust in a cloud ------------------------------------------------------------------------------------------------


def follow(answer, domain, pin=None, root=None, known=None):
    """The accepted cloud document and the root to store."""
    roots, steps = answer["roots"], answer["succession"]
    start = next((i for i, r in enumerate(roots) if (r == root if root else r["kty"] == "OKP" and pin_of(r) == pin)), None)
    if start is None:
        raise Refused("LK-CLOUD-002")
    if len(steps) != len(roots) - 1:
        raise Refused("the chain of roots is broken")
    document = read_compact(answer["document"], "lk-cloud+jwt", [roots[-1]])
    for old, new, step in list(zip(roots, roots[1:], steps))[start:]:
        said = read_compact(step, "lk-succession+jwt", [old])
        if said["next"] != new or said["rk"] != thumbprint(old) or said["iss"] != document["iss"]:
            raise Refused("the chain of roots is broken")
    if document["v"] != 1 or document["rk"] != thumbprint(roots[-1]) or document["domain"] != domain:
        raise Refused("the document is not for us")
    if known:
        if (known["org"], known["iss"]) != (document["org"], document["iss"]):
            raise Refused("the document is not for us")
        if document["serial"] < known["serial"]:
            raise Refused("LK-CLOUD-003")
    return document, roots[-1]


def common(document, nonce):
    return {"v": 1, **{name: document[name] for name in ("iss", "org", "rk")}, "nonce": nonce, "iat": int(time.time())}
