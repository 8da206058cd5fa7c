"""An Apache of its own for a service: configuration, start, end. Must not know which module makes it a service.

Each module gets an instance of its own: two SAML modules in one have been seen to crash. The protected page is a CGI program
that prints its environment, which is where both modules put what they know about the person.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

MODULES = pathlib.Path("/usr/lib/apache2/modules")
NEEDED = "mpm_event authn_core authz_core authz_user alias dir mime env setenvif headers cgid".split()

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
ScriptAlias /secret "{work}/secret.cgi"
"""

PAGE = """\
#!/bin/sh
printf 'Content-Type: text/plain; charset=utf-8\\r\\nCache-Control: no-store\\r\\n\\r\\n'
env | sort
"""


def end_when_told():
    """Makes SIGTERM and SIGINT an orderly end: folders are removed, children stopped."""

    def stop(*_):
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def program(module, package):
    """Apache's path, if it and what it needs are installed."""
    found = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    missing = [name for name in [*NEEDED, module] if not (MODULES / f"mod_{name}.so").exists()]
    if found is None or missing:
        raise SystemExit(f"install the Debian packages apache2 and {package} (missing: {', '.join(missing) or 'apache2'})")
    return found


class Place:
    """Where the service listens. The port is bound until Apache takes it over, so that nobody else gets it."""

    def __init__(self, options):
        host, port = options.listen
        self._holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._holder.bind((host, port))
        self.address = (host, self._holder.getsockname()[1])
        self.listen = f"[{host}]:{self.address[1]}" if ":" in host else f"{host}:{self.address[1]}"
        self.origin = options.public_url or f"http://{self.listen}"

    def release(self):
        self._holder.close()

    def answers(self):
        try:
            socket.create_connection(self.address, timeout=1).close()
        except OSError:
            return False
        return True


def keep(file, text, mode=0o644):
    """Writes a file that never was more readable than `mode`."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def prepare(work, place, module, more):
    """Writes configuration and pages into the folder `work`; `more` is the module's part of the configuration."""
    # Apache's workers are another user and have to reach the folder.
    work.chmod(0o755)
    (work / "pages").mkdir()
    keep(work / "pages" / "index.html", '<!doctype html><title>A service</title><a href="/secret">Sign in</a>\n')
    keep(work / "secret.cgi", PAGE, 0o755)
    # mod_shib names itself otherwise than all others.
    symbols = {name: f"{name}_module" for name in [*NEEDED, module]} | ({"shib": "mod_shib"} if module == "shib" else {})
    modules = "\n".join(f"LoadModule {symbol} {MODULES}/mod_{name}.so" for name, symbol in symbols.items())
    account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    base = CONFIGURATION.format(work=work, origin=place.origin, listen=place.listen, account=account, modules=modules)
    keep(work / "apache.conf", base + more)


def serve(apache, work, place, refusal):
    """Runs Apache until told to end. `refusal` makes of a log line the words of a refusal, or None."""
    place.release()
    command = [apache, "-d", str(work), "-f", str(work / "apache.conf"), "-DFOREGROUND"]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        threading.Thread(target=relay, args=(server.stderr, refusal), daemon=True).start()
        while not place.answers():
            if server.poll() is not None:
                raise SystemExit(f"Apache ended with {server.returncode}")
            time.sleep(0.05)
        print(f"ready {place.origin}/secret on {place.listen}", flush=True)
        raise SystemExit(server.wait())
    finally:
        server.terminate()
        server.wait()


# Apache and a daemon beside it talk at the same moment, and `print` writes a line's end apart from the line: without this, a
# refusal now and then stood at the end of the other program's line, where nobody looks for it.
ONE_LINE = threading.Lock()


def relay(lines, refusal):
    """Refusals as README.md promises them; every other line as it is."""
    for line in lines:
        words = refusal(line.rstrip())
        with ONE_LINE:
            print(f"refused: {words}" if words else line.rstrip(), file=sys.stderr, flush=True)
