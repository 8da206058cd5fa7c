// How an organization looks: chosen and seen on a page, then met by whoever comes to sign in, in both themes.

import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";

import { letIn } from "./lib/bootstrap.mjs";
import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import { Cloud } from "./lib/programs.mjs";
import { afterwards, test } from "./lib/runner.mjs";

/// A picture of one colour.
function png(width, height) {
  const crc = (bytes) => {
    let sum = ~0;
    for (const byte of bytes) for (let bit = 0, value = (sum ^= byte); bit < 8; bit++) sum = value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
    return ~sum >>> 0;
  };
  const chunk = (kind, body) => {
    const inner = Buffer.concat([Buffer.from(kind), body]);
    const out = Buffer.alloc(inner.length + 8);
    out.writeUInt32BE(body.length), inner.copy(out, 4), out.writeUInt32BE(crc(inner), inner.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width), head.writeUInt32BE(height, 4), head.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(width * 3, Buffer.from([0x9f, 0x12, 0x39]))]);
  const data = deflateSync(Buffer.concat(Array(height).fill(row)));
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

test("an administrator sees the new looks first, saves them, and the sign-in page has them", async () => {
  const cloud = await Cloud.start();
  afterwards(() => cloud.stop());
  const org = await cloud.cli("org", "create", "acme", "--name", "Acme Manufacturing");
  await cloud.cli("domain", "add", "acme.example");
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", "test");
  const anna = await cloud.cli("user", "create", "anna@acme.example", "--display-name", "Anna Berg");
  await cloud.cli("role", "give", "owner", "--user", "anna@acme.example");
  const { page, context } = await visitor(cloud);
  await letIn(cloud, context, org, anna);

  await page.goto("/o/acme/admin/branding");
  await look(page, "branding");
  await page.getByLabel("Accent colour").fill("#ffcc00");
  await page.getByRole("button", { name: "Preview" }).click();
  const nearest = (await page.locator("#e-accent").innerText()).match(/#[0-9a-f]{6}$|#[0-9a-f]{6}(?=\.?$)/)[0];
  await look(page, "branding-refused");

  await page.getByLabel("Accent colour").fill(nearest);
  await page.getByLabel("Heading of the sign-in page").fill("Welcome to Acme");
  await page.getByLabel("A line below it").fill("Use the passkey of your laptop.");
  await page.getByLabel("Whom to ask").fill("Help desk, room 12");
  await page.getByLabel("Choose a file").setInputFiles({ name: "logo.png", mimeType: "image/png", buffer: png(320, 80) });
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByRole("heading", { name: "This is a preview" }).waitFor();
  const logo = page.locator("header .org img");
  assert.ok(await logo.evaluate((one) => one.complete && one.naturalWidth === 320), "the logo is there");
  await look(page, "branding-preview");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("The looks were saved.").waitFor();

  const stranger = await visitor(cloud);
  await stranger.page.goto("/o/acme/signin");
  await stranger.page.getByRole("heading", { name: "Welcome to Acme" }).waitFor();
  await stranger.page.getByText("Help: Help desk, room 12").waitFor();
  assert.ok(await stranger.page.locator(".org img").evaluate((one) => one.naturalWidth === 320));
  const colour = await stranger.page.getByRole("button", { name: "Continue" }).evaluate((one) => getComputedStyle(one).backgroundColor);
  const wanted = `rgb(${[1, 3, 5].map((at) => Number.parseInt(nearest.slice(at, at + 2), 16)).join(", ")})`;
  assert.equal(colour, wanted);
  await look(stranger.page, "branding-signin");
});
