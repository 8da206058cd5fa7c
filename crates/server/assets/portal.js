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
