// What each role sees: its rooms, and no more; elsewhere a refusal with a reference that leads to the reason.

import assert from "node:assert/strict";

import { letIn } from "./lib/bootstrap.mjs";
import { visitor } from "./lib/browser.mjs";
import { look } from "./lib/look.mjs";
import { Cloud } from "./lib/programs.mjs";
import { last, shared, test } from "./lib/runner.mjs";

const ROLES = ["owner", "identity-administrator", "device-administrator", "help-desk", "auditor"];

const scene = shared(async () => {
  const cloud = await Cloud.start();
  const org = await cloud.cli("org", "create", "acme", "--name", "Acme");
  await cloud.cli("domain", "add", "acme.example");
  await cloud.cli("domain", "verify", "acme.example", "--operator-word", "test");
  await cloud.cli("token", "create", "--description", "Berlin", "--domain", "acme.example", "--no-sealed-copy");
  const people = {};
  for (const role of [...ROLES, "nobody"]) {
    people[role] = await cloud.cli("user", "create", `${role}@acme.example`, "--display-name", `The ${role}`);
    if (role !== "nobody") await cloud.cli("role", "give", role, "--user", `${role}@acme.example`);
  }
  return { cloud, org, people };
});
last(async () => (await scene()).cloud.stop());

async function as(role) {
  const { cloud, org, people } = await scene();
  const visit = await visitor(cloud);
  await letIn(cloud, visit.context, org, people[role]);
  await visit.page.goto("/o/acme/");
  return { ...visit, cloud };
}

/// The names of the rooms that the landing page has tiles for.
const tiles = (page) => page.locator("section[aria-labelledby=rooms] .tile strong").allInnerTexts();

/// Goes to an address that this person may not see: no button, no data, and a reference that explains itself.
async function mustBeRefused(cloud, page, path, right) {
  const answer = await page.goto(path);
  assert.equal(answer.status(), 403, `${path} answers ${answer.status()}`);
  const text = await page.locator("main").innerText();
  assert.doesNotMatch(text, /Berlin/);
  const reference = await page.locator(".ref code").innerText();
  const explained = await cloud.line("explain", reference);
  assert.equal(explained.exit, 0, `${reference}: ${explained.err}`);
  assert.match(explained.out, new RegExp(right));
}

test("somebody without a role has no tile, and a refusal with a reference at each address", async () => {
  const { cloud, page } = await as("nobody");
  assert.deepEqual((await tiles(page)).filter((name) => name !== "My account"), []);
  assert.equal(await page.getByRole("link", { name: /Connector|Identity/ }).count(), 0);
  await mustBeRefused(cloud, page, "/o/acme/connector/tokens", "tokens:read");
  await look(page, "roles-refused");
  await mustBeRefused(cloud, page, "/o/acme/connector/tokens/new", "tokens:write");
});

for (const role of ROLES) {
  test(`${role}: what it may change has a button, what it may see is there, the rest is refused`, async () => {
    const { cloud, page } = await as(role);
    const { rights } = await cloud.cli("role", "show", role);
    const tokens = rights.tokens ?? "none";
    const answer = await page.goto("/o/acme/connector/tokens");
    assert.equal(answer.status(), tokens === "none" ? 403 : 200);
    if (tokens === "none") return;
    assert.equal(await page.getByText("Berlin").count(), 1);
    assert.equal(await page.getByRole("link", { name: "Create device token" }).count(), tokens === "full" ? 1 : 0);
    if (tokens !== "full") await mustBeRefused(cloud, page, "/o/acme/connector/tokens/new", "tokens:write");
  });
}
