// Livelier pages. Every page works without this file; nothing here decides anything.
"use strict";
document.documentElement.classList.add("js");

// Copy buttons: the text beside them.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = button.parentElement.querySelector("code, pre");
  try {
    await navigator.clipboard.writeText(from.textContent);
  } catch {
    getSelection().selectAllChildren(from);
    return;
  }
  const label = button.textContent;
  button.textContent = button.dataset.copied || "✓";
  setTimeout(() => { button.textContent = label; }, 1500);
});

// A form that was refused: to what is wrong.
document.getElementById("errors")?.focus();

// Lists of tiles with a search field.
for (const field of document.querySelectorAll("[data-narrows]")) {
  const all = [...document.querySelectorAll(field.dataset.narrows)];
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const one of all) one.hidden = !one.textContent.toLowerCase().includes(wanted);
  });
}

// Pages that stay up to date: the part with data-fresh is fetched again while the page is looked at.
for (const part of document.querySelectorAll("[data-fresh]")) {
  const every = Number(part.dataset.fresh) * 1000;
  const renew = async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (fresh) part.replaceChildren(...fresh.childNodes);
    } catch { /* The next time. */ }
  };
  setInterval(renew, every);
}

// Set-up: only the browser knows which address it shows when a proxy calls the cloud by its right name.
for (const notice of document.querySelectorAll("[data-origin]")) {
  notice.hidden = notice.dataset.origin === location.origin;
  notice.querySelector("[data-origin-here]").textContent = location.origin;
}

// A form that goes on by itself; without this file, by its button.
document.querySelector("form[data-submit]")?.requestSubmit();

// Passkeys: data-options is the question as JSON, the field "passkey" takes the answer as JSON. "get" signs in, "create" makes a new one.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (bytes) =>
  bytes ? btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : undefined;
const withBytes = (list) => list?.map((one) => ({ ...one, id: toBytes(one.id) }));
const isThere = () => window.PublicKeyCredential && navigator.credentials;
let waiting; // A question in the field of the name, which gives way to one that somebody pressed a button for.

async function askPasskey(form, mediation) {
  const asked = JSON.parse(form.dataset.options);
  const publicKey = { ...asked, challenge: toBytes(asked.challenge) };
  const create = form.dataset.passkey === "create";
  if (create) {
    publicKey.user = { ...asked.user, id: toBytes(asked.user.id) };
    publicKey.excludeCredentials = withBytes(asked.excludeCredentials);
  } else {
    publicKey.allowCredentials = withBytes(asked.allowCredentials);
  }
  waiting?.abort();
  waiting = new AbortController();
  const options = { publicKey, signal: waiting.signal, ...(mediation && { mediation }) };
  const made = create ? await navigator.credentials.create(options) : await navigator.credentials.get(options);
  const { response } = made;
  form.elements.passkey.value = JSON.stringify({
    id: made.id, rawId: toText(made.rawId), type: made.type, clientExtensionResults: {},
    response: create
      ? { attestationObject: toText(response.attestationObject), clientDataJSON: toText(response.clientDataJSON), transports: response.getTransports?.() }
      : {
        authenticatorData: toText(response.authenticatorData), clientDataJSON: toText(response.clientDataJSON),
        signature: toText(response.signature), userHandle: toText(response.userHandle),
      },
  });
  form.requestSubmit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const failed = form.querySelector("[data-passkey-failed]");
  const button = form.querySelector("[data-passkey-go]");
  if (!isThere()) {
    if (failed) failed.hidden = false;
    button.disabled = true;
    continue;
  }
  button.addEventListener("click", async () => {
    if (failed) failed.hidden = true;
    if (!form.reportValidity()) return;
    try {
      await askPasskey(form);
    } catch (error) {
      if (failed && error.name !== "AbortError") failed.hidden = false;
    }
  });
}

// Where the browser can, the field of the login name offers passkeys by itself.
if (isThere() && document.querySelector("input[autocomplete~=webauthn]")) {
  const form = document.querySelector("form[data-passkey=get]");
  if (form) {
    PublicKeyCredential.isConditionalMediationAvailable?.().then((can) => can && askPasskey(form, "conditional")).catch(() => {});
  }
}
