// Runs the tests of the files `*.test.mjs`: those of a file one after the other, some files side by side.
//
// Owns the names, the order and the lines `passed|failed|skipped NAME` on stdout, which cargo xtask test reads. What went wrong goes to stderr.
// Must not know what a test does.

import { AsyncLocalStorage } from "node:async_hooks";

/// From so many seconds on, a test says how long it took.
const SLOW = 10;

const running = new AsyncLocalStorage();
const files = [];
let reading = null;

/// Starts a file: the tests that are declared from here on are its.
export function begin(name) {
  reading = { name, tests: [], lasts: [] };
  files.push(reading);
}

/// Declares a test. Its name is a sentence. Between the two stands, where it takes longer than others, within how many milliseconds.
export function test(name, ...rest) {
  const [{ within = 120_000 }, body] = rest.length > 1 ? rest : [{}, ...rest];
  reading.tests.push({ name, body, within });
}

/// Declares what has to be done after the last test of the file, whatever became of them.
export function last(body) {
  reading.lasts.push(body);
}

/// A value that the tests of a file share, made when the first of them asks. Where the making fails, each of them fails with the same words.
export function shared(make) {
  let made = null;
  return () => (made ??= make());
}

/// Leaves the test out, and says why.
export function skip(why) {
  throw new Skipped(why);
}

class Skipped extends Error {}

/// What is to be shown if the running test fails: a function that gives lines. Forgotten when the test has ended.
export function onFailure(show) {
  running.getStore()?.shows.push(show);
}

/// What must hold when the running test has come to its end; it fails otherwise.
export function atTheEnd(check) {
  running.getStore()?.checks.push(check);
}

/// What is to be done when the running test has ended, the latest first.
export function afterwards(body) {
  running.getStore()?.ends.push(body);
}

/// The name of the running test, for the names of files.
export function nameOfTest() {
  const store = running.getStore();
  return store ? `${store.file}-${store.name}`.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 100) : "none";
}

/// Runs what was declared; whether nothing failed.
export async function run({ only, jobs }) {
  const chosen = files
    .map((file) => ({ ...file, tests: file.tests.filter((test) => !only || `${file.name}::${test.name}`.includes(only)) }))
    .filter((file) => file.tests.length > 0);
  const waiting = [...chosen];
  const endings = { passed: 0, failed: 0, skipped: 0 };
  const worker = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      for (const each of file.tests) endings[await one(file.name, each)] += 1;
      for (const body of file.lasts) await body().catch((problem) => say(`${file.name}, clearing up: ${problem.message.split("\n")[0]}`));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return endings.failed === 0 && endings.passed > 0;
}

async function one(file, { name, body, within }) {
  const began = performance.now();
  const store = { file, name, shows: [], checks: [], ends: [] };
  const ending = await running.run(store, async () => {
    try {
      await inTime(body, within);
      for (const check of store.checks) await check();
      return "passed";
    } catch (error) {
      if (error instanceof Skipped) {
        say(`${file}::${name}: left out: ${error.message}`);
        return "skipped";
      }
      say(`\n${file}::${name} failed: ${error?.stack ?? error}`);
      for (const show of store.shows) say(await show().catch((problem) => `(cannot be shown: ${problem.message})`));
      return "failed";
    } finally {
      for (const end of store.ends.reverse()) await end().catch((problem) => say(`${file}::${name}, clearing up: ${problem.message}`));
    }
  });
  process.stdout.write(`${ending} ${file}::${name}\n`);
  const seconds = (performance.now() - began) / 1000;
  if (seconds > SLOW) say(`  that took ${seconds.toFixed(0)} s`);
  return ending;
}

async function inTime(body, within) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${within / 1000} s`)), within);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
