// The browser: one process for all tests, a context a visitor. Owns how it is started and what a visitor is: theme, width, script or none.
// Must not know what the pages are.

import { chromium } from "playwright-core";

import { asked } from "./place.mjs";
import { afterwards, atTheEnd, onFailure } from "./runner.mjs";
import { failureShot } from "./shots.mjs";
import { Watch } from "./watch.mjs";

/// Debian's; another may be named.
const PROGRAM = process.env.LATCHKEY_TEST_CHROMIUM ?? "/usr/bin/chromium";

/// No name but those of loopback leads anywhere, and the browser speaks to nobody of its own accord.
const FLAGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
];

/// The narrow and the wide screen.
export const WIDTHS = { narrow: 360, wide: 1280 };

let browser = null;

/// The one browser.
async function theBrowser() {
  // Chromium has no sandbox for root; what it is shown here is ours.
  browser ??= chromium.launch({ executablePath: PROGRAM, args: FLAGS, chromiumSandbox: process.getuid() !== 0 });
  try {
    return await browser;
  } catch (error) {
    throw new Error(`${PROGRAM} does not start: ${error.message}`);
  }
}

/// Ends the browser.
export async function close() {
  if (browser) await (await browser).close();
}

/// Somebody with a browser of their own at a cloud. What the pages must never do is watched, and fails the test at its end.
///
/// `services`: origins that a page of the cloud may lead to. `lenient`: words of console messages that the test expects. `heeded`: false where
/// the test itself asks the watch.
export async function visitor(cloud, { theme = "light", width = WIDTHS.wide, script = true, services = [], lenient = [], heeded = true } = {}) {
  const context = await (await theBrowser()).newContext({
    baseURL: cloud.url,
    colorScheme: theme,
    reducedMotion: "reduce", // colours that are on their way to others have no contrast to judge
    viewport: { width, height: 800 },
    javaScriptEnabled: script,
    locale: "en-GB",
    timezoneId: "UTC",
    permissions: script ? ["clipboard-read", "clipboard-write"] : [],
  });
  context.setDefaultTimeout(15_000);
  const watch = new Watch(context, { origin: new URL(cloud.url).origin, services, lenient });
  const page = await context.newPage();
  afterwards(() => (asked.keep ? null : context.close()));
  if (heeded) atTheEnd(() => watch.mustBeQuiet());
  onFailure(() => failureShot(page, watch));
  return { context, page, watch };
}
