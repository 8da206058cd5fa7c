// Each way to sign in, as a person does it, and what a page of it must not give away.

import assert from "node:assert/strict";

import { letIn } from "./lib/bootstrap.mjs";
import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import { passkeyDevice } from "./lib/passkey.mjs";
import * as people from "./lib/people.mjs";
import { Cloud, service } from "./lib/programs.mjs";
import { last, shared, test } from "./lib/runner.mjs";

const scene = shared(async () => {
  const cloud = await Cloud.start();
  const org = await cloud.cli("org", "create", "acme", "--name", "Acme");
  await cloud.cli("domain", "add", "acme.example");
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", "test");
  return { cloud, org };
});
last(async () => (await scene()).cloud.stop());

/// Somebody new, who sets up a password on the pages, and an authenticator with recovery codes if that is wanted. Each test has its own: the code
/// of an authenticator counts once in 30 seconds.
async function somebody(name, { authenticator = false } = {}) {
  const { cloud, org } = await scene();
  const login = `${name.toLowerCase()}@acme.example`;
  const user = await cloud.cli("user", "create", login, "--display-name", `${name} Berg`);
  const { context, page } = await visitor(cloud, { heeded: false });
  await letIn(cloud, context, org, user);
  await people.setPassword(page);
  const secret = authenticator ? await people.setUpAuthenticator(page) : undefined;
  const recovery = authenticator ? await people.makeRecoveryCodes(page) : [];
  await context.close();
  return { cloud, login, secret, recovery, shown: `${name} Berg` };
}

for (const [name, script] of [["Anna", true], ["Bernd", false]]) {
  test(`password and one-time code, ${script ? "with" : "without"} script`, async () => {
    const { cloud, login, secret, shown } = await somebody(name, { authenticator: true });
    const { page } = await visitor(cloud, { script });
    await page.goto("/o/acme/");
    await people.byPassword(page, { login, secret });
    await people.mustBeHome(page, shown);
    await people.signOut(page);
    await page.goto("/o/acme/account/sessions");
    await page.getByLabel("Login name").waitFor();
  });
}

test("every page of a sign-in is fit to look at, and of one's own ways to sign in", async () => {
  const { cloud, login, secret, shown } = await somebody("Chiara", { authenticator: true });
  const { page } = await visitor(cloud);
  await page.goto("/o/acme/");
  await look(page, "signin-name", { book: true });
  await page.getByLabel("Login name").fill(login);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByLabel("Password").waitFor();
  await look(page, "signin-first");
  await page.getByLabel("Password").fill("not this one");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").first().waitFor();
  await look(page, "signin-wrong");
  await page.getByLabel("Password").fill(people.PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByLabel("One-time code").waitFor();
  await look(page, "signin-second");
  await page.getByLabel("One-time code").fill(await people.freshCode(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
  await people.mustBeHome(page, shown);
  await page.goto("/o/acme/account/sign-in");
  await look(page, "account-methods");
  await page.getByRole("button", { name: "Set up" }).click();
  await page.locator(".secret code").waitFor();
  await look(page, "account-authenticator");
});

for (const [name, script] of [["Paula", true], ["Quirin", false]]) {
  test(`a password that has to be changed, ${script ? "with" : "without"} script: after the code, before anything else`, async () => {
    const { cloud, login, secret, shown } = await somebody(name, { authenticator: true });
    await cloud.cli("user", "expire-password", login, "--yes");
    const { page } = await visitor(cloud, { script });
    await page.goto("/o/acme/");
    await people.byPassword(page, { login, secret });
    await page.getByRole("heading", { name: "Choose a new password" }).waitFor();
    if (script) await look(page, "signin-new-password");
    const choose = async (password) => {
      await page.getByLabel("Set a password").fill(password);
      await page.getByLabel("Once more").fill(password);
      await page.getByRole("button", { name: "Save and go on" }).click();
    };
    await choose(people.PASSWORD);
    await page.getByText("this is the password that you have").first().waitFor();
    await choose("quiet harbours trade in mint");
    await people.mustBeHome(page, shown);
  });
}

test("a recovery code in place of the authenticator's, each once", async () => {
  const { cloud, login, recovery, shown } = await somebody("Dora", { authenticator: true });
  const attempt = async () => {
    const { page } = await visitor(cloud);
    await page.goto("/o/acme/");
    await people.byPassword(page, { login });
    await page.getByText("I do not have my authenticator").click();
    await page.getByLabel("Recovery code").fill(recovery[0]);
    await page.getByRole("button", { name: "Use this code" }).click();
    return page;
  };
  await people.mustBeHome(await attempt(), shown);
  await (await attempt()).getByRole("alert").first().waitFor();
});

test("a passkey, made on the page of one's own sign-in methods, signs in without a name", async () => {
  const { cloud, org } = await scene();
  const user = await cloud.cli("user", "create", "emil@acme.example", "--display-name", "Emil Berg");
  const { context, page } = await visitor(cloud);
  await letIn(cloud, context, org, user);
  const device = await passkeyDevice(page);
  await people.addPasskey(page, "Emil's laptop");
  assert.equal((await device.credentials()).length, 1);
  await people.signOut(page);
  await page.goto("/o/acme/");
  // The browser may offer the passkey by itself, in the field of the name; else it is asked for.
  await page.getByRole("button", { name: "Use a passkey" }).click({ timeout: 3_000 }).catch(() => null);
  await people.mustBeHome(page, "Emil Berg");
});

test("a sign-in leads to the page that was asked for, and to none of another site", async () => {
  const { cloud, login } = await somebody("Frida");
  const { page } = await visitor(cloud);
  await page.goto("/o/acme/account/devices");
  await people.byPassword(page, { login });
  await page.waitForURL("**/o/acme/account/devices");
  for (const to of ["https://evil.test/", "//evil.test/", "/\\evil.test", "/o/other/", "javascript:alert(1)"]) {
    await page.goto(`/o/acme/signin?to=${encodeURIComponent(to)}`);
    assert.equal(page.url(), `${cloud.url}/o/acme/`);
  }
});

test("after signing out, going back shows nothing of what was there", async () => {
  const { cloud, login, shown } = await somebody("Gerd");
  const { page } = await visitor(cloud);
  await page.goto("/o/acme/account");
  await people.byPassword(page, { login });
  await page.getByText(shown).first().waitFor();
  await people.signOut(page);
  await page.goBack().catch(() => null);
  await page.waitForTimeout(300);
  assert.doesNotMatch(await page.content(), new RegExp(shown));
});

test("somebody without a device signs in to a service in the browser, with and without script", async () => {
  const { cloud, login } = await somebody("Hanna");
  const wiki = await service();
  const wanted = await wiki.introduce(cloud, "wiki");
  try {
    for (const script of [true, false]) {
      const { page } = await visitor(cloud, { script, services: [new URL(wanted).origin] });
      await page.goto(wanted);
      await people.byPassword(page, { login });
      if (!script) await page.getByRole("button", { name: "Continue" }).click();
      await page.waitForURL(wanted);
      assert.match(await page.locator("body").innerText(), /hanna@acme\.example/);
    }
  } finally {
    await wiki.stop();
  }
});
