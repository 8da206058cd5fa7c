// The portals in a real browser. `cargo xtask test --only browser` starts this; by hand, after a build:
//
//     node tests/browser/run.mjs [--only PART_OF_A_NAME] [--shots] [--pictures] [--jobs N] [--keep]
//
// Prints one line a test, `passed|failed|skipped FILE::NAME`; what they say goes to stderr. Exit 0 only if nothing failed and something ran.

import { readdirSync } from "node:fs";

import { close } from "./lib/browser.mjs";
import { asked } from "./lib/place.mjs";
import { begin, run } from "./lib/runner.mjs";

const here = new URL(".", import.meta.url);
for (const file of readdirSync(here).filter((name) => name.endsWith(".test.mjs")).sort()) {
  begin(file.replace(".test.mjs", ""));
  await import(new URL(file, here));
}
const well = await run(asked);
await close();
process.exit(well ? 0 : 1);
