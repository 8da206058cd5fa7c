// The pages that are there before anybody signs in, and without any organization's looks.

import assert from "node:assert/strict";

import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import { Cloud } from "./lib/programs.mjs";
import { last, shared, test } from "./lib/runner.mjs";

const scene = shared(async () => {
  const cloud = await Cloud.start();
  const org = await cloud.cli("org", "create", "acme", "--name", "Acme");
  return { cloud, org };
});
last(async () => (await scene()).cloud.stop());

test("the front page says what this server is", async () => {
  const { cloud } = await scene();
  const { page } = await visitor(cloud);
  const answer = await page.goto("/");
  assert.equal(answer.status(), 200);
  await look(page, "plain-front");
});

test("the page of codes is readable", async () => {
  const { cloud } = await scene();
  const { page } = await visitor(cloud);
  assert.equal((await page.goto("/docs/errors")).status(), 200);
  await look(page, "plain-codes");
});

test("an address that leads nowhere says so and gives a reference", async () => {
  const { cloud } = await scene();
  const { page } = await visitor(cloud);
  assert.equal((await page.goto("/nowhere")).status(), 404);
  assert.match(await page.locator("body").innerText(), /There is no page at this address/);
  await look(page, "plain-nowhere");
});

test("under another name the page says where to go, and the link leads there", async () => {
  const { cloud } = await scene();
  const elsewhere = cloud.url.replace("localhost", "elsewhere.localhost");
  const { page } = await visitor({ url: elsewhere }, { services: [new URL(cloud.url).origin] });
  const answer = await page.goto("/docs/errors");
  assert.equal(answer.status(), 421);
  await look(page, "plain-another-name");
  await page.getByRole("link").first().click();
  await page.waitForURL(`${cloud.url}/docs/errors`);
});

test("a service's request that cannot be answered is refused with a reference that explains itself", async () => {
  const { cloud, org } = await scene();
  const { page } = await visitor(cloud);
  const answer = await page.goto(`/o/${org.id}/saml/sso?SAMLRequest=bm9uc2Vuc2U%3D`);
  assert.ok(answer.status() >= 400, `${answer.status()}`);
  const text = await page.locator("main").innerText();
  const reference = await page.locator(".ref code, dd code").last().innerText();
  assert.match(text, /LK-/);
  const explained = await cloud.line("explain", reference);
  assert.equal(explained.exit, 0, `${text}: ${explained.err}`);
  await look(page, "plain-refused");
});
