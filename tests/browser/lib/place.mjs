// Where things are: the programs under test, the folder for what they keep, the report. Owns the command line of run.mjs.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/// The repository.
export const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

const { values } = parseArgs({
  options: {
    target: { type: "string", default: join(repository, "target") },
    only: { type: "string" },
    jobs: { type: "string", default: "2" },
    shots: { type: "boolean", default: false },
    pictures: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});

/// What was asked for: `only` tests whose name holds this; `shots` saves a picture of every page that a test shows, `pictures` also those
/// of the book; `keep` leaves the folders of the programs.
export const asked = { ...values, jobs: Number(values.jobs), shots: values.shots || values.pictures };

/// Cargo's target folder.
export const target = resolve(asked.target);

/// Where failures leave their pictures.
export const report = join(target, "report", "browser");
mkdirSync(report, { recursive: true });

const mine = mkdtempSync(join(tmpdir(), "latchkey-browser-"));
if (!asked.keep) process.on("exit", () => rmSync(mine, { recursive: true, force: true }));

/// A new folder that is gone at the end.
export function folder(name) {
  return mkdtempSync(join(mine, `${name}-`));
}
