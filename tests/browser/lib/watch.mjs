// What every page must keep to, watched while tests go through them: a word on the console, a request to another host, a page that is
// too heavy, waits for something before it can be painted, or lets a header out. Owns these rules. Must not know what the pages are for.

/// Most of a page with all that it loads, in bytes (the portals' own limit).
const PAGE = 100 * 1024;

/// A context under watch.
export class Watch {
  constructor(context, { origin, services, lenient }) {
    Object.assign(this, { origin, lenient, faults: [], pages: [], pending: [] });
    this.allowed = new Set([origin, ...services]);
    context.on("page", (page) => {
      page.on("console", (message) => this.#heard(page, message));
      page.on("pageerror", (error) => this.#fault(page.url(), `script: ${error.message}`));
    });
    context.on("request", (request) => this.#asked(request));
    context.on("response", (response) => this.pending.push(this.#answered(response)));
  }

  /// Fails if anything was amiss so far.
  async mustBeQuiet() {
    await Promise.all(this.pending.splice(0));
    for (const page of this.pages) {
      if (page.bytes > PAGE) this.#fault(page.url, `${page.bytes} bytes with all that it loads; ${PAGE} at most`);
    }
    if (this.faults.length > 0) throw new Error(`pages did what they must not:\n${[...new Set(this.faults)].join("\n")}`);
  }

  #fault(url, what) {
    this.faults.push(`  ${url}: ${what}`);
  }

  #heard(page, message) {
    const text = message.text();
    // Chromium notes the status of every answer that is an error, also that of a page which is meant to be one.
    const ofAnswer = /^Failed to load resource: the server responded with a status of (4\d\d|503)/.test(text) && message.location().url === page.url();
    if (!["error", "warning"].includes(message.type()) || ofAnswer || this.lenient.some((words) => text.includes(words))) return;
    this.#fault(page.url(), `console: ${text} (${message.location().url})`);
  }

  #asked(request) {
    const { origin, protocol } = new URL(request.url());
    if (protocol === "data:" || protocol === "blob:" || this.allowed.has(origin)) return;
    const from = request.isNavigationRequest() ? "a navigation" : "the page";
    this.#fault(request.frame().url(), `${from} asks another host: ${request.url()}`);
  }

  async #answered(response) {
    const request = response.request();
    const url = new URL(response.url());
    if (url.origin !== this.origin || (response.status() >= 300 && response.status() < 400)) return;
    const isPage = request.isNavigationRequest() && request.frame().parentFrame() === null;
    let page = isPage ? { url: response.url(), bytes: 0 } : this.pages.findLast((page) => page.frame === request.frame());
    if (isPage) {
      page.frame = request.frame();
      this.pages.push(page);
    }
    const headers = await response.allHeaders();
    // A page may be left before all of it was read; then there is nothing to weigh or to read.
    const body = await response.body().catch(() => null);
    if (page) page.bytes += body?.length ?? 0;
    if (isPage && headers["content-type"]?.startsWith("text/html")) {
      for (const fault of faultsOfPage(url, headers, body?.toString(), response.status())) this.#fault(response.url(), fault);
    }
  }
}

/// What is wrong with a page as it came: its headers, and what in it would wait for another answer before it is painted, or would be at
/// home in a page that somebody tampered with. Without `html` only the headers are judged.
export function faultsOfPage(url, headers, html, status = 200) {
  const policy = headers["content-security-policy"] ?? "";
  // What stands in quotes is a value, whatever it would like to be.
  const markup = (html ?? '<html lang="en"><title>left too early</title>').replaceAll(/(\s(?:value|content|data-[a-z-]+|aria-[a-z]+|placeholder|href|action)=)"[^"]*"/g, '$1""');
  const personal = /^\/(o|setup|operator)(\/|$)/.test(url.pathname) && (status < 400 || status === 403);
  const rules = [
    ["no Content-Security-Policy that begins with default-src 'none'", !policy.startsWith("default-src 'none'")],
    ["its policy allows what stands in the page", /unsafe-|\*/.test(policy)],
    ["its policy lets other sites frame it", !policy.includes("frame-ancestors 'none'")],
    ["no Referrer-Policy", !headers["referrer-policy"]],
    ["no X-Content-Type-Options: nosniff", headers["x-content-type-options"] !== "nosniff"],
    ["may stay in a cache: no Cache-Control: no-store", personal && !/no-store/.test(headers["cache-control"] ?? "")],
    ["a style sheet of its own has to come before it is painted", /<link\b[^>]*\brel=["']?stylesheet/i.test(markup)],
    ["a style sheet imports another", /@import/.test(markup)],
    ["a script holds it up", (markup.match(/<script\b[^>]*\bsrc=[^>]*>/gi) ?? []).some((tag) => !/\b(defer|async|type=["']?module)\b/i.test(tag))],
    ["a style attribute", /<[a-z][^>]*\sstyle=/i.test(markup)],
    ["an event handler in the markup", /<[a-z][^>]*\son[a-z]+=/i.test(markup)],
    ["no language", !/<html[^>]*\blang=/i.test(markup)],
    ["no title", !/<title>[^<]+<\/title>/i.test(markup)],
  ];
  return rules.filter(([, broken]) => broken).map(([words]) => words);
}
