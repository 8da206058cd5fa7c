// An organization with something in it: people, groups, tokens, devices, services. Owns what is in it; every one of it was made by the command
// line and by real connectors.

import { Device } from "./programs.mjs";

/// What somebody types who wants markup of theirs to come alive on a page that others read.
export const HOSTILE = [
  `<script>document.title="alive"</script>`,
  `"><img src=x onerror='document.title="alive"'>`,
  `'-alert(1)-'{{7*7}}\${7*7}`,
  `\u202egnp.exe\u2066 right to left`,
];

/// How the connector ends where an administrator has to approve the device.
const WAITS = 11;

/// Fills the organization `acme`, which is there with its domain `acme.example`; gives what later steps need.
export async function crowd(cloud, { hostile = false } = {}) {
  const name = (plain, index) => (hostile ? HOSTILE[index % HOSTILE.length] : plain);
  const people = [["anna", "Anna Berg"], ["bernd", "Bernd Castorf"], ["chiara", "Chiara Dossi"], ["dmitri", "Dmitri Egorov"], ["eva", "Eva Fahrenkrog-Petersen"]];
  await cloud.cli("group", "create", name("Research", 1));
  await cloud.cli("group", "create", name("Sales, northern Europe", 0));
  const made = await Promise.all(people.map(([login, shown], index) =>
    cloud.cli("user", "create", `${login}@acme.example`, "--display-name", name(shown, index), "--department", name("Laboratory", index + 1), "--group", name("Research", 1), "--if-missing")));
  const secret = cloud.file("crowd-password", "correct horse battery 9\n");
  const kept = await cloud.cli("token", "create", "--description", name("Laptops of the Berlin office", 0), "--domain", "acme.example", "--password-file", secret, "--expect", "200");
  const brief = await cloud.cli("token", "create", "--description", name("Kiosks", 3), "--domain", "acme.example", "--no-sealed-copy", "--max-uses", "5", "--platform", "linux", "--initial-state", "pending");
  const old = await cloud.cli("token", "create", "--description", name("Last year's image", 1), "--domain", "acme.example", "--no-sealed-copy");
  await cloud.cli("policy", "set", "--enabled", "--domain", "acme.example", "--jit");
  const devices = [];
  for (const [index, [login]] of people.entries()) {
    const device = new Device({ host: hostile ? HOSTILE[index % HOSTILE.length].slice(0, 60) : `laptop-${login}` });
    const token = device.file("token", `${(index === 3 ? brief : kept).device_token}\n`);
    const ended = await device.line("--json", "enroll", "--cloud-name", cloud.name, "--user-domain", "acme.example", "--device-token-file", token, "--user-name", login);
    if (![0, WAITS].includes(ended.exit)) throw new Error(`${login}'s device ended with ${ended.exit}: ${ended.out}`);
    devices.push({ device, id: JSON.parse(ended.out.split("\n")[0]).device_id, login });
  }
  await cloud.cli("token", "revoke", old.id, "--yes");
  await cloud.cli("device", "suspend", devices[1].id, "--yes");
  await cloud.cli("device", "quarantine", devices[2].id, "--yes");
  for (const id of ["intranet", "payroll", "wiki-of-the-laboratory"]) {
    await cloud.cli("service", "add", id, "--entity-id", `https://${id}.acme.example/metadata`, "--acs", `https://${id}.acme.example/acs`);
  }
  await cloud.cli("api-client", "create", name("inventory", 0), "--scope", "users:read", "--scope", "devices:read");
  await cloud.cli("code", "create", "--user", "eva@acme.example");
  return { tokens: { kept, brief, old }, devices, people: made };
}
