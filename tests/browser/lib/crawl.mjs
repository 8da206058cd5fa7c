// Goes to every page that links lead to. Owns what counts as the same page and what is never followed. Must not know what the pages are.

/// A page's shape: ids and what a query says do not make another page, what it asks for does.
export function shape(url) {
  const { pathname, searchParams } = new URL(url);
  const path = pathname
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "{id}")
    .replaceAll(/(?<=\/)(?=[a-z]*[2-7])[a-z2-7]{10}(?=\/|$)/g, "{id}");
  const query = [...new Set(searchParams.keys())].sort().join("&");
  return query ? `${path}?${query}` : path;
}

/// What a page links to at its own origin, as it stands in the markup: also what is folded away.
function links(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("a[href]")]
      .map((link) => ({ url: new URL(link.getAttribute("href"), document.baseURI), file: link.hasAttribute("download") }))
      .filter(({ url }) => url.origin === location.origin)
      .map(({ url, file }) => ({ url: url.origin + url.pathname + url.search, file })),
  );
}

/// Opens every page that can be reached from `start` (and from `also`) below `within` and calls `visit(name)` on each, one of each shape. Files
/// are asked for and not opened. Gives the shapes in the order they were met, and what was wrong: links that lead nowhere, and what `visit` threw.
export async function crawl(page, start, { within, visit, also = [], most = 200 }) {
  const { origin } = new URL(page.url());
  const waiting = [start, ...also].map((path) => ({ url: new URL(path, origin).href, from: "the beginning", file: false }));
  const [seen, faults] = [new Set(), []];
  while (waiting.length > 0) {
    const { url, from, file } = waiting.shift();
    const kind = shape(url);
    if (seen.has(kind) || !new URL(url).pathname.startsWith(within)) continue;
    if (seen.size >= most) throw new Error(`more than ${most} kinds of pages; the last is ${kind}`);
    seen.add(kind);
    const opened = file ? null : await page.goto(url).catch((error) => faults.push(`${url}, to which ${from} links: ${error.message.split("\n")[0]}`) && undefined);
    if (opened === undefined) continue;
    const status = (opened ?? (await page.request.get(url))).status();
    if (status >= 400) faults.push(`${url}, to which ${from} links, answers ${status}`);
    if (file || status >= 400) continue;
    waiting.push(...(await links(page)).map((link) => ({ ...link, from: kind })));
    await visit(kind.slice(within.length).replaceAll(/[^a-z0-9]+/gi, "-").replaceAll(/^-|-$/g, "") || "home").catch((error) => faults.push(error.message));
  }
  return { kinds: [...seen], faults };
}
