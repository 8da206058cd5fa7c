// The first run: from the line that `latchkey serve` prints to an owner on the list of what comes next. With a passkey: story.test.mjs.

import assert from "node:assert/strict";

import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import * as people from "./lib/people.mjs";
import { Cloud } from "./lib/programs.mjs";
import { afterwards, test } from "./lib/runner.mjs";

/// A cloud with nothing in it.
async function empty() {
  const cloud = await Cloud.start();
  afterwards(() => cloud.stop());
  return cloud;
}

test("with password and one-time codes: an owner, and no page that axe finds fault with", async () => {
  const cloud = await empty();
  const { page } = await visitor(cloud);
  await page.goto(await people.setUpLink(cloud));
  assert.equal(page.url(), `${cloud.url}/setup`, "the link's secret stays in the address");
  const see = (name) => look(page, name, { book: ["setup-administrator", "setup-start"].includes(name) });
  await people.setUpOrganization(page, see);
  await people.setUpByPassword(page, see);
  const { items } = await cloud.cli("role", "holders", "owner");
  assert.deepEqual(items.map((holder) => holder.name), ["anna@acme.example"]);
});

test("it can be left and gone on with by a new link, and no link opens twice", async () => {
  const cloud = await empty();
  const link = await people.setUpLink(cloud);
  const first = await visitor(cloud);
  await first.page.goto(link);
  await people.setUpOrganization(first.page);
  await first.context.close();
  const { page } = await visitor(cloud, { script: false });
  await page.goto(link);
  await page.getByRole("heading", { name: "This set-up link no longer works" }).waitFor();
  const again = await cloud.line("setup-link");
  await page.goto(again.out.match(/http:\S+\/setup\/[\w-]+/)[0]);
  await page.getByRole("heading", { name: "The first administrator" }).waitFor();
  assert.match(await page.locator("main").innerText(), /acme\.example/);
  await people.setUpByPassword(page);
});
