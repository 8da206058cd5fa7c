// The core of the administrator's story without any script: nothing on these pages needs it. With script: story.test.mjs.

import assert from "node:assert/strict";

import { visitor } from "./lib/browser.mjs";
import * as people from "./lib/people.mjs";
import { Cloud, Device } from "./lib/programs.mjs";
import { afterwards, test } from "./lib/runner.mjs";

/// Seals the token's copy.
const SEAL = "correct horse battery 9";

test("without script, from the set-up link to the first device in the list and the user who came with it", async () => {
  const cloud = await Cloud.start();
  afterwards(() => cloud.stop());
  const { page } = await visitor(cloud, { script: false });
  await page.goto(await people.setUpLink(cloud));
  await people.setUpOrganization(page);
  const secret = await people.setUpByPassword(page);
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", "test");
  await people.signOut(page);

  await page.goto("/o/acme/");
  await people.byPassword(page, { login: "anna@acme.example", secret });
  await people.mustBeHome(page, "Anna Berg");
  await page.getByRole("main").getByRole("link", { name: /^Connector/ }).click();
  await page.getByRole("link", { name: "Device tokens" }).first().click();
  await page.getByRole("link", { name: "Create device token" }).first().click();
  await page.getByLabel("Description").fill("Laptops, Berlin");
  await page.getByLabel("Password of the copy").fill(SEAL);
  await page.getByLabel("Once more").fill(SEAL);
  await page.getByRole("button", { name: "Create device token" }).click();
  assert.match(await page.locator("#device-token code").innerText(), /^lkdt1_/);

  await page.getByRole("link", { name: "Open the device token policy" }).click();
  await page.getByRole("link", { name: "Change the policy" }).click();
  await page.getByLabel("Accept device tokens").check();
  await page.getByLabel("Only the domains ticked here").check();
  await page.locator("input[name=domains][value='acme.example']").check();
  await page.getByLabel("Create unknown people (JIT)").check();
  await page.getByRole("button", { name: "See what changes" }).click();
  await page.getByRole("button", { name: "Save the policy" }).click();
  await page.getByText("The policy is saved.").waitFor();

  await page.goto("/o/acme/connector/deploy");
  await page.locator("#f-password").fill(SEAL);
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("heading", { name: "Ready to deploy" }).waitFor();
  const device = new Device();
  const said = await device.shell(`export LATCHKEY_CONNECTOR_USER_NAME=zoe\n${await page.locator("#artifact pre").innerText()}`);
  assert.equal(said.exit, 0, said.err);

  await page.goto("/o/acme/connector/devices");
  await page.getByRole("row", { name: /Registered.*zoe@acme\.example/ }).waitFor();
  await page.goto("/o/acme/admin/users");
  await page.getByRole("row", { name: /zoe@acme\.example/ }).waitFor();
  assert.equal((await cloud.cli("token", "list")).items[0].uses, 1);
});
