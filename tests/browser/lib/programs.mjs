// The real programs: the server, its command line, the connector, the service that others wrote. Owns starting them and that none
// outlives the tests. Must not know the browser.

import { spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { folder, target } from "./place.mjs";

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

function program(path, how) {
  const file = join(target, path);
  if (!existsSync(file)) throw new Error(`${file} is not built: ${how}`);
  return file;
}

const latchkey = () => program("debug/latchkey", "cargo build --workspace --bins");
const connector = () => program("debug/latchkey-connector", "cargo build --workspace --bins");
const demoService = () =>
  program("demo-service/debug/demo-service", `cargo build --manifest-path interop/demo-service/Cargo.toml --target-dir ${target}/demo-service`);

/// The environment without what is meant for our programs: whoever runs the tests may have set some of it.
function environment(more) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("LATCHKEY_") && name !== "SSH_CONNECTION");
  return { ...Object.fromEntries(kept), ...more };
}

/// Runs a program to its end: `{exit, out, err}`.
export function ended(file, args, { cwd, input = "", env = {}, within = 60_000 } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(file, args, { cwd, env: environment(env), timeout: within });
    children.add(child);
    let [out, err] = ["", ""];
    child.stdout.on("data", (bytes) => (out += bytes));
    child.stderr.on("data", (bytes) => (err += bytes));
    child.on("error", fail);
    child.on("close", (exit) => {
      children.delete(child);
      done({ exit, out, err });
    });
    child.stdin.on("error", () => {}); // a program that reads nothing may be gone before it is written to
    child.stdin.end(input);
  });
}

/// The same, and the document that it prints; anything but success fails.
async function document(file, args, options) {
  const answer = await ended(file, args, options);
  if (answer.exit !== 0) throw new Error(`${[file, ...args].join(" ")} ended with ${answer.exit}:\n${answer.out}${answer.err}`);
  return answer.out.trim() === "" ? null : JSON.parse(answer.out);
}

/// A program that stays up, until `stop`.
class Running {
  constructor(file, args, { cwd, log }) {
    this.log = log;
    const output = openSync(log, "a");
    this.child = spawn(file, args, { cwd, env: environment(), stdio: ["ignore", "pipe", output] });
    this.out = "";
    this.child.stdout.on("data", (bytes) => (this.out += bytes));
    this.over = new Promise((done) => this.child.on("close", done));
    children.add(this.child);
    this.over.then(() => children.delete(this.child));
  }

  async until(what, holds) {
    for (const end = Date.now() + 60_000; !holds(); await pause(10)) {
      if (this.child.exitCode !== null || Date.now() > end) throw new Error(`${what}: not so.\n${readFileSync(this.log, "utf8")}`);
    }
  }

  async stop() {
    this.child.kill("SIGTERM");
    const hard = setTimeout(() => this.child.kill("SIGKILL"), 12_000);
    await this.over;
    clearTimeout(hard);
  }
}

/// A running cloud with its data in a new folder.
export class Cloud {
  /// Starts `latchkey serve` on a free port of loopback.
  static async start({ flags = [] } = {}) {
    const cloud = new Cloud();
    cloud.folder = folder("cloud");
    cloud.data = join(cloud.folder, "data");
    const ready = join(cloud.folder, "ready.json");
    const args = ["serve", "--data", cloud.data, "--listen", "127.0.0.1:0", "--ready-file", ready, ...flags];
    cloud.running = new Running(latchkey(), args, { cwd: cloud.folder, log: join(cloud.folder, "log") });
    await cloud.running.until("the server answers", () => existsSync(ready));
    cloud.ready = JSON.parse(readFileSync(ready, "utf8"));
    cloud.url = cloud.ready.url;
    cloud.name = cloud.ready.cloud_name;
    return cloud;
  }

  /// What it wrote: the lines of a person, then the log.
  get said() {
    return this.running.out + readFileSync(this.running.log, "utf8");
  }

  /// Runs a command as the operator; the document it prints.
  cli(...args) {
    return document(latchkey(), ["--json", "--data", this.data, ...args], { cwd: this.folder });
  }

  /// The same, whatever comes of it, and as a person reads it: `{exit, out, err}`.
  line(...args) {
    return ended(latchkey(), ["--data", this.data, ...args], { cwd: this.folder });
  }

  /// A file in its folder.
  file(name, text) {
    const path = join(this.folder, name);
    if (text !== undefined) writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  stop() {
    return this.running.stop();
  }
}

/// Sets the host name in a namespace of its own, and runs the rest there.
const AS_HOST = ["--uts", "/bin/sh", "-c", 'printf %s "$1" >/proc/sys/kernel/hostname && shift && exec "$@"', "sh"];

/// A device: the state of one connector. `host`: what the machine says it is called; only root can say otherwise than it is.
export class Device {
  constructor({ host } = {}) {
    this.folder = folder("device");
    this.state = join(this.folder, "state");
    this.host = process.getuid() === 0 ? host : undefined;
  }

  #program(args) {
    const line = [connector(), "--state-dir", this.state, ...args];
    return this.host === undefined ? line : ["/usr/bin/unshare", ...AS_HOST, this.host, ...line];
  }

  /// Runs the connector: `{exit, out, err}`.
  line(...args) {
    const [program, ...rest] = this.#program(args);
    return ended(program, rest, { cwd: this.folder });
  }

  /// Runs what a page says to paste: a shell's words, in which `latchkey-connector` is the one under test, on this device's state.
  shell(text) {
    const bin = join(this.folder, "bin");
    const script = `mkdir -p '${bin}'\nprintf '#!/bin/sh\\nexec %s --state-dir %s "$@"\\n' '${connector()}' '${this.state}' >'${bin}/latchkey-connector'\n` +
      `printf '#!/bin/sh\\nexec "$@"\\n' >'${bin}/sudo'\nchmod +x '${bin}'/*\nPATH='${bin}':"$PATH"\nset -e\n${text}\n`;
    return ended("/bin/sh", ["-c", script], { cwd: this.folder });
  }

  /// A file in its folder.
  file(name, text) {
    const path = join(this.folder, name);
    if (text !== undefined) writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}

/// Starts the service that others wrote. It waits for the identity provider's metadata: `meet` brings it, `introduce` also makes the
/// service known to the cloud. Both give the address of the page that people want to see.
export async function service() {
  const files = folder("service");
  const [ours, metadata] = [join(files, "idp.xml"), join(files, "sp.xml")];
  const args = ["--listen", "127.0.0.1:0", "--idp-metadata", ours, "--metadata-out", metadata];
  const running = new Running(demoService(), args, { cwd: files, log: join(files, "log") });
  await running.until("the service writes its metadata", () => existsSync(metadata));
  const meet = async (cloud) => {
    await cloud.cli("org", "idp-metadata", "--output", ours);
    await running.until("the service is ready", () => running.out.includes("\n"));
    return running.out.split(/\s+/)[1]; // ready URL on ADDRESS
  };
  const introduce = async (cloud, name) => {
    await cloud.cli("service", "add", name, "--metadata", metadata);
    return meet(cloud);
  };
  return { metadata, meet, introduce, stop: () => running.stop() };
}
