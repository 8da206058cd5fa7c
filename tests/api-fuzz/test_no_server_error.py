"""Somebody else's fuzzer reads the description of the API and sends what it thinks of; whatever that is, the server must not fail.

One test for each resource that the server itself describes, so that a new one is fuzzed without being named here.
"""
import atexit
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LATCHKEY = os.environ.get("LATCHKEY_TEST_PROGRAM", TARGET / "debug" / "latchkey")
# Enough to reach what single requests reach; a long run is a matter of raising it.
EXAMPLES = os.environ.get("LATCHKEY_FUZZ_EXAMPLES", "12")

# How the media types are written that the fuzzer does not know.
HOOKS = """
import schemathesis

@schemathesis.serializer("application/jsonl", "text/csv", "application/samlmetadata+xml")
def as_text(ctx, value):
    return value if isinstance(value, (bytes, str)) else str(value)
"""


class Cloud:
    """A server with one organization, a few things in it, and a client that may do everything."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.data = Path(self.folder.name, "data")
        ready = Path(self.folder.name, "ready.json")
        self.log = open(Path(self.folder.name, "log"), "w+")
        arguments = [LATCHKEY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--ready-file", ready]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=self.log)
        atexit.register(self.close)
        for _ in range(600):
            if ready.exists():
                break
            if self.process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(0.1)
        self.url = json.loads(ready.read_text())["url"]
        self.fill()

    def run(self, *arguments):
        environment = {**os.environ, "LATCHKEY_DATA": str(self.data)}
        done = subprocess.run([LATCHKEY, "--json", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fill(self):
        self.run("org", "create", "acme", "--name", "Acme")
        self.run("domain", "add", "acme.example")
        self.run("domain", "verify", "acme.example", "--operator-word", "test")
        self.run("user", "create", "anna@acme.example")
        self.run("group", "create", "people")
        self.run("device-group", "create", "kiosks")
        self.run("cleanup-rule", "create", "--action", "retire", "--silent-days", "90", "--device-group", "kiosks")
        self.run("policy", "set", "--enabled", "--domain", "acme.example", "--jit")
        self.run("service", "add", "wiki", "--entity-id", "https://wiki.example/saml", "--acs", "https://wiki.example/acs")
        # The one organization: what the fuzzer would invent instead leads nowhere.
        Path(self.folder.name, "schemathesis.toml").write_text('[parameters]\norg = "acme"\n')
        Path(self.folder.name, "hooks.py").write_text(HOOKS)

    def description(self):
        with urllib.request.urlopen(f"{self.url}/api/v1/openapi.json") as answer:
            return json.load(answer)

    def scopes(self):
        schemes = self.description()["components"]["securitySchemes"].values()
        flows = next(scheme["flows"] for scheme in schemes if scheme["type"] == "oauth2")
        return sorted(flows["clientCredentials"]["scopes"])

    def token(self, name):
        """Of a new client for each test: the fuzzer may well take away what an earlier one had."""
        scopes = [part for scope in self.scopes() for part in ("--scope", scope)]
        client = self.run("api-client", "create", name, *scopes)
        secret = f"{client['client_id']}:{client['client_secret']}"
        request = urllib.request.Request(f"{self.url}/o/acme/oauth2/token", data=b"grant_type=client_credentials")
        request.add_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["access_token"]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.log.close()
        self.folder.cleanup()


class NoServerError(unittest.TestCase):
    """A resource of the API."""

    def __init__(self, cloud, tag):
        super().__init__("fuzz")
        self.cloud, self.tag = cloud, tag

    def id(self):
        return f"no_server_error.{self.tag}"

    def fuzz(self):
        arguments = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{self.cloud.url}/api/v1/openapi.json", "--url", self.cloud.url,
            "--include-tag", self.tag, "--checks", "not_a_server_error", "--max-examples", EXAMPLES, "--seed", "20261125",
            "--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-color", "--request-timeout", "20",
            "--suppress-health-check", "all",
            "--header", f"Authorization: Bearer {self.cloud.token(f'fuzzer of {self.tag}')}",
        ]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": self.cloud.folder.name}
        done = subprocess.run(arguments, capture_output=True, text=True, cwd=self.cloud.folder.name, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout[-8000:] + done.stderr[-2000:])
        self.assertIsNone(self.cloud.process.poll(), "the server ended")
        # A run that sent nothing would be no evidence.
        self.assertRegex(done.stdout, r"[1-9][0-9]* generated")


def load_tests(_loader, _tests, _pattern):
    """One test for each resource of the description."""
    cloud = Cloud()
    calls = [call for path in cloud.description()["paths"].values() for call in path.values() if isinstance(call, dict)]
    tags = {tag for call in calls for tag in call.get("tags", [])}
    # What only the operator may call is not on the public listener.
    return unittest.TestSuite(NoServerError(cloud, tag) for tag in sorted(tags - {"operator"}))


if __name__ == "__main__":
    unittest.main()
