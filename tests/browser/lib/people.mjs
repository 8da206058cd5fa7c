// People at their browsers: how somebody signs in and gets new ways to. Owns the clicks; words are those of the English catalogue.

import assert from "node:assert/strict";

import { totp } from "./totp.mjs";

/// A password that nobody would guess.
export const PASSWORD = "Gravel pit, 7 herons & a kettle";

/// The last step of 30 seconds whose code was used, by secret: a code counts once.
const used = new Map();

/// A code that was not used yet. The server takes the next step's code too; after that there is nothing but to wait.
export async function freshCode(secret) {
  for (;;) {
    const step = Math.floor(Date.now() / 30_000);
    const next = [step, step + 1].find((one) => one > (used.get(secret) ?? 0));
    if (next !== undefined) {
      used.set(secret, next);
      return totp(secret, { steps: next - step });
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}

/// From the sign-in page on: name, password, and the code of an authenticator if there is one.
export async function byPassword(page, { login, password = PASSWORD, secret }) {
  await page.getByLabel("Login name").fill(login);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  if (!secret) return;
  await page.getByLabel("One-time code").fill(await freshCode(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
}

/// Fails unless the page is this person's landing page.
export async function mustBeHome(page, name) {
  await page.waitForURL(/\/o\/[^/]+\/(\?.*)?$/);
  assert.match(await page.locator("h1").innerText(), new RegExp(name));
}

/// Signs out by the menu of the person.
export async function signOut(page) {
  await page.locator("details.who > summary").click();
  await page.getByRole("button", { name: "Sign out" }).click();
}

/// Sets the first password, on the page of one's own sign-in methods.
export async function setPassword(page, password = PASSWORD) {
  await page.goto("/o/acme/account/sign-in");
  await page.getByRole("link", { name: "Set a password" }).click();
  await page.getByLabel("Set a password").fill(password);
  await page.getByLabel("Once more").fill(password);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Set on").waitFor();
}

/// Sets up an authenticator as somebody who types its secret; gives the secret.
export async function setUpAuthenticator(page) {
  await page.goto("/o/acme/account/sign-in");
  await page.getByRole("button", { name: "Set up" }).click();
  const secret = (await page.locator(".secret code").innerText()).replaceAll(/\s/g, "");
  await page.getByLabel("Then type the code that it shows").fill(await freshCode(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("button", { name: "Make new codes" }).waitFor();
  return secret;
}

/// Makes recovery codes; gives them.
export async function makeRecoveryCodes(page) {
  await page.goto("/o/acme/account/sign-in");
  await page.getByRole("button", { name: "Make new codes" }).click();
  const codes = (await page.locator("main pre").innerText()).trim().split(/\s+/);
  await page.getByRole("link", { name: "I have kept them" }).click();
  return codes;
}

/// Adds a passkey on the authenticator that the page's browser has.
export async function addPasskey(page, name = "Laptop") {
  await page.goto("/o/acme/account/sign-in");
  await page.getByRole("link", { name: "Add a passkey" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Make the passkey" }).click();
  await page.getByRole("rowheader", { name }).waitFor();
}

/// The link that an empty cloud prints, a moment after it answers.
export async function setUpLink(cloud) {
  const link = () => cloud.said.match(/http:\S+\/setup\/[\w-]+/)?.[0];
  await cloud.running.until("a set-up link is printed", link);
  return link();
}

/// The first page of the set-up: the organization and its domain. `see` is told when a page is there.
export async function setUpOrganization(page, see = async () => {}) {
  await page.getByRole("heading", { name: "Your organization" }).waitFor();
  await see("setup-organization");
  await page.getByLabel("Name", { exact: true }).fill("Acme");
  await page.getByLabel("Domain", { exact: true }).fill("acme.example");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "The first administrator" }).waitFor();
  await see("setup-administrator");
}

/// The second: who it is, by password and one-time codes. Ends on the list of what comes next; gives the authenticator's secret.
export async function setUpByPassword(page, see = async () => {}) {
  await page.getByLabel("Login name").fill("anna@acme.example");
  await page.getByLabel("Your name").fill("Anna Berg");
  await page.getByLabel("With a password and one-time codes").check();
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Once more").fill(PASSWORD);
  await page.getByRole("button", { name: "Continue" }).click();
  const secret = (await page.locator(".secret code").first().innerText()).replaceAll(/\s/g, "");
  await see("setup-code");
  await page.getByLabel("Code", { exact: true }).fill(await freshCode(secret));
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  await see("setup-codes");
  assert.equal((await page.locator("main pre").innerText()).trim().split(/\s+/).length, 10);
  await page.getByRole("link", { name: "I have kept them" }).click();
  await page.getByRole("heading", { name: "Get started" }).waitFor();
  await see("setup-start");
  return secret;
}
