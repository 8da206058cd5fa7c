// The administrator's story: from the set-up link to the first device in the list, by clicks alone, with real programs on the other side.

import assert from "node:assert/strict";

import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import { passkeyDevice } from "./lib/passkey.mjs";
import * as people from "./lib/people.mjs";
import { Cloud, Device } from "./lib/programs.mjs";
import { afterwards, test } from "./lib/runner.mjs";

/// The first run with a passkey, ending on the list of what comes next.
async function firstRun(cloud, page) {
  await page.goto(await people.setUpLink(cloud));
  await people.setUpOrganization(page);
  await page.getByLabel("Login name").fill("olga@acme.example");
  await page.getByLabel("Your name").fill("Olga Sund");
  await page.getByLabel("With a passkey").check();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByLabel("What shall it be called?").fill("Laptop");
  await look(page, "setup-passkey");
  await page.getByRole("button", { name: "Make the passkey" }).click();
  await page.getByRole("heading", { name: "Get started" }).waitFor();
}

test("from the set-up link to the first device, with nothing but clicks", async () => {
  const cloud = await Cloud.start();
  afterwards(() => cloud.stop());
  const { page } = await visitor(cloud);
  await passkeyDevice(page);
  await firstRun(cloud, page);
  // Nobody can verify this name by DNS: what the page says to run on the server.
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", "test");

  await page.goto("/o/acme/");
  await look(page, "home", { book: true });
  await page.locator("main").getByRole("link", { name: /^Connector/ }).click();
  await page.getByRole("link", { name: /^Create a device token/ }).waitFor();
  await look(page, "connector");
  await page.getByRole("link", { name: "Device tokens" }).first().click();
  await look(page, "tokens-empty");
  await page.getByRole("link", { name: "Create device token" }).first().click();
  await page.getByLabel("Description").fill("Laptops, Berlin");
  await page.getByLabel("Keep no copy").check();
  await look(page, "token-new", { book: true });
  await page.getByRole("button", { name: "Create device token" }).click();
  await page.getByRole("heading", { name: "The device token is ready" }).waitFor();
  const token = (await page.locator("#device-token code").innerText()).trim();
  assert.match(token, /^lkdt1_/);
  await page.locator("#device-token").getByRole("button", { name: "Copy" }).click();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), token);
  await page.getByRole("heading", { name: "Not accepted yet" }).waitFor();

  await page.getByRole("link", { name: "Open the device token policy" }).click();
  await page.getByRole("link", { name: "Change the policy" }).click();
  await page.getByLabel("Accept device tokens").check();
  await page.getByLabel("All verified domains").check();
  await page.getByLabel("Create unknown people (JIT)").check();
  await page.getByRole("button", { name: "See what changes" }).click();
  await look(page, "policy-review", { book: true });
  await page.getByRole("button", { name: "Save the policy" }).click();
  await page.getByText("The policy is saved.").waitFor();

  await page.goto("/o/acme/connector/deploy");
  // The one token there is has been chosen already.
  assert.match(await page.locator("#f-token option:checked").innerText(), /Laptops, Berlin/);
  await page.getByLabel("I have the token").check();
  await page.locator("#f-device_token").fill(token);
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("heading", { name: "Ready to deploy" }).waitFor();
  assert.ok(!page.url().includes(token), "the token is in no address");
  const block = await page.locator("#artifact pre").innerText();

  // The device, at last: it pastes what the page says.
  const device = new Device();
  const said = await device.shell(`export LATCHKEY_CONNECTOR_USER_NAME=erik\n${block}`);
  assert.equal(said.exit, 0, said.err);

  await page.goto("/o/acme/connector/devices");
  await page.getByRole("row", { name: /Registered.*erik@acme\.example/ }).waitFor();
  await look(page, "devices", { book: true });
  await page.goto("/o/acme/admin/users");
  await page.getByRole("row", { name: /erik@acme\.example/ }).waitFor();
  await look(page, "users", { book: true });
  await page.goto("/o/acme/connector/tokens");
  await page.getByRole("link", { name: "Laptops, Berlin" }).click();
  await look(page, "token", { book: true });

  // What was typed and shown is in no log: neither the token's secret nor what the browser holds.
  const seed = token.split("_").at(3) ?? token;
  assert.ok(!cloud.said.includes(seed), "the token's secret is in the log");
  const cookies = await page.context().cookies();
  const session = cookies.find((cookie) => cookie.name.startsWith("__Host-lk-s-"));
  assert.ok(session.httpOnly && session.secure, "a cookie that script reads, or plain HTTP carries");
  assert.ok(!cloud.said.includes(session.value.split(".").at(1)), "the session's secret is in the log");
});
