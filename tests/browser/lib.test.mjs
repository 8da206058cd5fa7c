// What the other tests rely on: that the watch and axe see what they are there for.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { visitor } from "./lib/browser.mjs";
import { axe, mustFit } from "./lib/look.mjs";
import { last, shared, test } from "./lib/runner.mjs";
import { totp } from "./lib/totp.mjs";
import { faultsOfPage } from "./lib/watch.mjs";

const GOOD = { "content-security-policy": "default-src 'none'; frame-ancestors 'none'", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff", "cache-control": "no-store" };
const page = (body, head = "") => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>x</title>${head}</head><body>${body}</body></html>`;

/// A site that answers `/` with whatever it was last told to.
const site = shared(async () => {
  const site = { html: "", headers: GOOD };
  site.server = createServer((_, answer) => answer.writeHead(200, { "content-type": "text/html", ...site.headers }).end(site.html));
  await new Promise((done) => site.server.listen(0, "127.0.0.1", done));
  site.url = `http://localhost:${site.server.address().port}`;
  return site;
});
last(async () => (await site()).server.close());

/// Opens a page of that site, and gives what the watch found.
async function watched(html, headers = GOOD) {
  const at = await site();
  Object.assign(at, { html, headers });
  const { page, watch } = await visitor(at, { heeded: false });
  await page.goto("/", { waitUntil: "load" });
  await page.waitForTimeout(100); // messages of the console come after the page
  const fault = await watch.mustBeQuiet().then(() => "", (error) => error.message);
  return { fault, page };
}

test("RFC 6238: the codes of its own examples", () => {
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  for (const [seconds, code] of [[59, "94287082"], [1111111109, "07081804"], [20000000000, "65353130"]]) {
    assert.equal(totp(secret, { now: seconds * 1000, digits: 8 }), code);
  }
});

test("a page that keeps to the rules is left alone", () => {
  const url = new URL("http://localhost/o/acme/");
  assert.deepEqual(faultsOfPage(url, GOOD, page("<script src=/a.js defer></script>")), []);
});

test("what a page must not do is seen in its headers and markup", () => {
  const url = new URL("http://localhost/o/acme/");
  for (const [headers, html, words] of [
    [{}, page(""), "no Content-Security-Policy"],
    [{ ...GOOD, "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'" }, page(""), "allows what stands in the page"],
    [{ ...GOOD, "referrer-policy": "" }, page(""), "no Referrer-Policy"],
    [{ ...GOOD, "cache-control": "private" }, page(""), "no-store"],
    [GOOD, page("", '<link rel="stylesheet" href="/a.css">'), "a style sheet"],
    [GOOD, page("<script src=/a.js></script>"), "a script holds it up"],
    [GOOD, page('<p style="color:red">x</p>'), "a style attribute"],
    [GOOD, page('<p onclick="x()">x</p>'), "an event handler"],
    [GOOD, "<title>x</title>", "no language"],
  ]) {
    const faults = faultsOfPage(url, headers, html).join("; ");
    assert.ok(faults.includes(words), `${words} not in: ${faults}`);
  }
});

test("the watch hears a policy being broken, a request to another host and a page that is too heavy", async () => {
  const heard = await watched(page("<script>1</script>"));
  assert.match(heard.fault, /console:.*Content Security Policy/s);
  const asked = await watched(page("<img src=http://127.0.0.2/x.png alt=x>"), { ...GOOD, "content-security-policy": "default-src 'none'; img-src http:; frame-ancestors 'none'" });
  assert.match(asked.fault, /asks another host: http:\/\/127.0.0.2\/x.png/);
  const heavy = await watched(page("x".repeat(110 * 1024)));
  assert.match(heavy.fault, /bytes with all that it loads/);
  assert.equal((await watched(page("x"))).fault, "");
});

test("axe sees a field without a label and pale text, and the layout a page that is too wide", async () => {
  const { page: bad } = await watched(page('<main><h1>x</h1><input><pre>' + "wide ".repeat(80) + "</pre></main>"));
  await assert.rejects(axe(bad), /label: /);
  await assert.rejects(mustFit(bad), /is wider than 1280 px/);
  const { page: pale } = await watched(page('<main><h1>x</h1><p><font color="#bbbbbb">pale</font></p></main>'));
  await assert.rejects(axe(pale), /color-contrast: /);
});
