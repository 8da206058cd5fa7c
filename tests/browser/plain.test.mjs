// The pages that are there before anybody signs in, and without any organization's looks.

import assert from "node:assert/strict";

import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import { Cloud, service } from "./lib/programs.mjs";
import { last, shared, test } from "./lib/runner.mjs";

const scene = shared(async () => {
  const cloud = await Cloud.start();
  await cloud.cli("org", "create", "acme", "--name", "Acme");
  const wiki = await service();
  return { cloud, wiki, page: await wiki.introduce(cloud, "wiki") };
});
last(async () => {
  const { cloud, wiki } = await scene();
  await Promise.all([cloud.stop(), wiki.stop()]);
});

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

test("somebody whom nothing can sign in is told so, with a reference that explains itself", async () => {
  const { cloud, page: wanted } = await scene();
  const { page } = await visitor(cloud, { services: [new URL(wanted).origin] });
  await page.goto(wanted);
  assert.equal(await page.title(), "You are not signed in");
  const reference = await page.locator("dd code").innerText();
  const explained = await cloud.line("explain", reference);
  assert.equal(explained.exit, 0, explained.err);
  await look(page, "plain-not-signed-in");
});
