// Looks at a page as people meet it: in both themes, on a narrow and a wide screen. Owns what is asked of axe and of the layout.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

import { WIDTHS } from "./browser.mjs";
import { picture, shot } from "./shots.mjs";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// The rules whose answer depends on colours.
const COLOURS = ["color-contrast", "link-in-text-block"];

/// Fails with a readable list if axe finds a violation. `rules`: only these.
export async function axe(page, rules = null) {
  // By way of DevTools, which the page's policy does not bind.
  if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(source);
  const options = { resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }) };
  const { violations } = await page.evaluate((options) => globalThis.axe.run(document, options), options);
  if (violations.length === 0) return;
  const list = violations.map(({ id, help, nodes }) => {
    const each = nodes.slice(0, 5).map((node) => `      ${node.target.join(" ")}  ${node.html.slice(0, 160)}\n        ${node.failureSummary.replaceAll(/\s+/g, " ")}`);
    return `  ${id}: ${help} (${nodes.length})\n${each.join("\n")}`;
  });
  throw new Error(`axe, ${page.url()}:\n${list.join("\n")}`);
}

/// Fails if the page is wider than the screen.
export async function mustFit(page) {
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return null;
    const over = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > room + 1);
    return over.slice(0, 5).map((element) => `${element.tagName.toLowerCase()}.${element.className} ${element.textContent.trim().slice(0, 40)}`);
  });
  if (wide) throw new Error(`${page.url()} is wider than ${page.viewportSize().width} px:\n  ${wide.join("\n  ")}`);
}

/// Everything at once: axe in both themes, the layout at both widths, a picture of each. Leaves theme and width as they were.
export async function look(page, name, { book = false } = {}) {
  const before = page.viewportSize();
  const faults = [];
  const ask = async (check) => check.catch((error) => faults.push(error.message));
  for (const [size, width] of Object.entries(WIDTHS).reverse()) {
    await page.setViewportSize({ width, height: 800 });
    await ask(mustFit(page));
    for (const theme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: theme });
      const first = size === "wide" && theme === "light";
      // The rest of axe's rules judge structure, which no theme changes; the narrow layout may hide and show other things.
      if (first) await ask(axe(page));
      else if (theme === "dark" || size === "narrow") await ask(axe(page, theme === "dark" ? COLOURS : [...COLOURS, "target-size"]));
      await shot(page, `${name}-${theme}-${width}`);
      if (book && size === "wide") await picture(page, theme === "light" ? name : `${name}-dark`);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
  if (faults.length > 0) throw new Error(faults.join("\n"));
}
