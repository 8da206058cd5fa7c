// Pictures of pages: those of a failure always, the others when they are asked for. Owns where they are and what they are called.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { asked, report, repository } from "./place.mjs";
import { nameOfTest } from "./runner.mjs";

const folder = join(report, "shots");
const pictures = join(repository, "docs", "pictures");

/// What is to be known of a page in front of which a test failed.
export async function failureShot(page, watch) {
  if (page.isClosed()) return "  (its page is closed)";
  const file = join(report, `${nameOfTest()}.png`);
  await page.screenshot({ path: file, fullPage: true, timeout: 10_000 }).catch(() => null);
  writeFileSync(file.replace(/png$/, "html"), await page.content().catch(() => ""));
  const said = watch.faults.length > 0 ? `\n  said:\n${watch.faults.join("\n")}` : "";
  return `  page:    ${page.url()}\n  title:   ${await page.title().catch(() => "")}\n  picture: ${file} (and .html)${said}`;
}

/// Saves a picture of the whole page as it is now.
export async function shot(page, name) {
  if (!asked.shots) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/// Saves a picture for the book, if that is asked for. A person chooses what is worth a place there.
export async function picture(page, name) {
  if (!asked.pictures) return;
  mkdirSync(pictures, { recursive: true });
  const cdp = await page.context().newCDPSession(page);
  const { cssContentSize } = await cdp.send("Page.getLayoutMetrics");
  const clip = { x: 0, y: 0, width: cssContentSize.width, height: Math.min(cssContentSize.height, 1600), scale: 1 };
  const { data } = await cdp.send("Page.captureScreenshot", { format: "webp", quality: 80, captureBeyondViewport: true, clip });
  writeFileSync(join(pictures, `${name}.webp`), Buffer.from(data, "base64"));
  await cdp.detach();
}
