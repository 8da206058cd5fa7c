// What comes by mail, through a mail server that others wrote: a code to sign in with, and a link for a forgotten password.

import assert from "node:assert/strict";

import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import * as people from "./lib/people.mjs";
import { Postbox } from "./lib/postbox.mjs";
import { Cloud } from "./lib/programs.mjs";
import { last, shared, test } from "./lib/runner.mjs";

const NEW = "Thirteen grey barges under a bridge";

const scene = shared(async () => {
  const box = await Postbox.open();
  const flags = ["--mail-server", box.address, "--mail-tls", "off", "--mail-from", "latchkey@acme.example"];
  const cloud = await Cloud.start({ flags });
  await cloud.cli("org", "create", "acme", "--name", "Acme");
  await cloud.cli("domain", "add", "acme.example");
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", "test");
  await cloud.cli("sign-in-method", "set", ...["passkey", "password", "totp", "recovery_code", "mail_code"].flatMap((one) => ["--method", one]));
  return { box, cloud };
});
last(async () => {
  const { box, cloud } = await scene();
  await cloud.stop();
  await box.close();
});

const code = ({ mail }) => mail.text.match(/\b\d{4} ?\d{4}\b/)[0];

test("a test mail says that mails come", async () => {
  const { box, cloud } = await scene();
  await cloud.cli("mail", "test", "postmaster@acme.example");
  const one = await box.next("postmaster@acme.example");
  assert.deepEqual([one.to, one.from], [["postmaster@acme.example"], "latchkey@acme.example"]);
  assert.ok(one.mail.text && one.mail.html, "as text and as a page");
});

test("a code by mail signs in, and a mailed link sets a password that was forgotten", async () => {
  const { box, cloud } = await scene();
  await cloud.cli("user", "create", "anna@acme.example", "--display-name", "Anna Berg", "--email", "anna@post.example");
  const { page } = await visitor(cloud);
  await page.goto("/o/acme/");
  await page.getByLabel("Login name").fill("anna@acme.example");
  await page.getByRole("button", { name: "Continue" }).click();
  await look(page, "signin-mail");
  await page.getByRole("button", { name: "Mail me a code" }).click();
  const letter = await box.next("anna@post.example", "code");
  assert.deepEqual(letter.to, ["anna@post.example"]);
  assert.doesNotMatch(letter.mail.subject, /\d{4}/, "a subject stands on locked screens");
  await look(page, "signin-mailed");
  await page.getByLabel("Code from the mail").fill("0000 0000");
  await page.getByRole("button", { name: "Sign in with this code" }).click();
  await page.getByRole("alert").first().waitFor();
  await page.getByLabel("Code from the mail").fill(code(letter));
  await page.getByRole("button", { name: "Sign in with this code" }).click();
  await people.mustBeHome(page, "Anna Berg");
  await people.setPassword(page);
  await people.signOut(page);

  await page.goto("/o/acme/");
  await page.getByLabel("Login name").fill("anna@acme.example");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Forgot your password?" }).click();
  await look(page, "signin-forgotten");
  const link = (await box.next("anna@post.example", "password")).mail.text.match(/https?:\/\/\S+\/recover\/\S+/)[0];
  await page.goto(link);
  await look(page, "recover");
  await page.getByLabel("Password").fill(NEW);
  await page.getByLabel("Once more").fill(NEW);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.waitForURL(/\/signin\?/);
  await page.goto(link);
  assert.equal(await page.getByRole("button", { name: "Set the password" }).count(), 0, "a link is good once");

  await page.goto("/o/acme/");
  await people.byPassword(page, { login: "anna@acme.example", password: NEW });
  await page.getByRole("button", { name: "Mail me a code" }).click();
  await page.getByLabel("Code from the mail").fill(code(await box.next("anna@post.example", "code")));
  await page.getByRole("button", { name: /Confirm|Sign in with this code/ }).click();
  await people.mustBeHome(page, "Anna Berg");
});
