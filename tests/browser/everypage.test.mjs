// Every page that links lead to, as an owner and as the one who has least: both themes, both widths, and with names that would like to be markup.

import assert from "node:assert/strict";

import { letIn } from "./lib/bootstrap.mjs";
import { visitor } from "./lib/browser.mjs";
import { crawl } from "./lib/crawl.mjs";
import { crowd } from "./lib/crowd.mjs";
import { look } from "./lib/look.mjs";
import { Cloud } from "./lib/programs.mjs";
import { last, shared, test } from "./lib/runner.mjs";

/// An organization with something in it, and its owner.
async function company(hostile) {
  const cloud = await Cloud.start();
  const org = await cloud.cli("org", "create", "acme", "--name", hostile ? `Acme <script>document.title="alive"</script>` : "Acme Manufacturing");
  await cloud.cli("domain", "add", "acme.example");
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", hostile ? `"><script>document.title="alive"</script>` : "demonstration");
  const made = await crowd(cloud, { hostile });
  const [owner] = made.people;
  await cloud.cli("role", "give", "owner", "--user", owner.login_name);
  return { cloud, org, owner };
}

const plain = shared(() => company(false));
const hostile = shared(() => company(true));
last(async () => (await plain()).cloud.stop());
last(async () => (await hostile()).cloud.stop());

/// A visitor who is signed in as the owner of a company.
async function ownerOf({ cloud, org, owner }) {
  const visit = await visitor(cloud);
  await letIn(cloud, visit.context, org, owner);
  await visit.page.goto("/o/acme/");
  return visit.page;
}

test("every page that an owner can reach is there, fits and pleases axe in both themes", { within: 600_000 }, async () => {
  const page = await ownerOf(await plain());
  const { kinds, faults } = await crawl(page, "/o/acme/", { within: "/o/acme", visit: (name) => look(page, `page-${name}`) });
  assert.deepEqual(faults, []);
  assert.ok(kinds.length > 5, kinds.join(" "));
});

test("what people and devices call themselves comes out inert on every page", { within: 300_000 }, async () => {
  const page = await ownerOf(await hostile());
  let shown = 0;
  const visit = async (name) => {
    assert.doesNotMatch(await page.title(), /^alive/, `${name}: a script ran`);
    const alive = await page.evaluate(() => [...document.querySelectorAll("main script, main img[src=x], main [onerror], main svg[onload]")].map((one) => one.outerHTML));
    assert.deepEqual(alive, [], name);
    const text = await page.locator("body").innerText();
    if (text.includes("<script>document.title")) shown += 1;
    assert.doesNotMatch(text, /[\u202a-\u202e\u2066-\u2069]/, `${name}: a direction that is turned round`);
  };
  const { faults } = await crawl(page, "/o/acme/", { within: "/o/acme", visit });
  assert.deepEqual(faults, []);
  assert.ok(shown > 1, "the names were shown");
});
