// A session of a user who has no way to sign in yet, as the directory would have written it. Owns that one row: everything else is made by clicks.

import { spawnSync } from "node:child_process";
import { join } from "node:path";

const SCRIPT = `
import base64, hashlib, os, sqlite3, sys, time, uuid
db, org, user = sys.argv[1:]
now = int(time.time() * 1000)
secret = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=")
row = dict(org=org, id=str(uuid.uuid4()), secret_sha256=hashlib.sha256(secret).digest(), user_id=user, methods='["passkey"]', level=5,
           nonce=os.urandom(16), address="127.0.0.1", agent="bootstrap", created_at=now, authenticated_at=now, seen_at=now, rotated_at=now,
           expires_at=now + 8 * 3600 * 1000)
store = sqlite3.connect(db, timeout=20)
with store:
    store.execute(f"INSERT INTO browser_session ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
print(row["id"] + "." + secret.decode())
`;

/// Lets the visitor in as this user: `org` and `user` are what the command line answered.
export async function letIn(cloud, context, org, user) {
  const asked = spawnSync("python3", ["-c", SCRIPT, join(cloud.data, "latchkey.db"), org.id, user.id], { encoding: "utf8" });
  if (asked.status !== 0) throw new Error(`no session for ${user.login_name}: ${asked.stderr}`);
  const cookie = { name: `__Host-lk-s-${org.id}`, value: asked.stdout.trim(), secure: true, httpOnly: true, sameSite: "Lax" };
  await context.addCookies([{ ...cookie, url: cloud.url.replace("http:", "https:") }]);
}
