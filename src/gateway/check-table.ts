/**
 * Proves that a value from outside (the socket, the file) is a route table before anything uses it: a gateway rather serves its last good
 * table than a broken one.
 */
import type { TableChange } from "../routing/link.ts";
import type { RouteTable } from "../routing/table.ts";
import { checksOf } from "./checks.ts";
import { capacity } from "./memory.ts";

const { record, list, text, wrong } = checksOf("the route table");

/** The value as a table. Throws an Error that names the first member at fault. */
export function checkTable(value: unknown): RouteTable {
  const table = record(value, "table");
  const version = count(table["version"], "version", Number.MAX_SAFE_INTEGER);
  const revisions = record(table["revisions"], "revisions");
  const hosts = record(table["hosts"], "hosts");
  const ids = new Set<string>();
  const names = Object.entries(revisions);
  for (const [name, entry] of names) checkRevision(record(entry, `revisions["${name}"]`), name, ids);
  for (const [name, entry] of Object.entries(hosts)) checkHost(record(entry, `hosts["${name}"]`), name);
  checkCapacity(Object.keys(hosts).length, names.length, ids.size);
  return { ...(value as RouteTable), version };
}

/**
 * The value as a change, each of its entries proved. Throws an Error that names the first member at fault. What concerns the whole table, ids and
 * capacities, is for who has it.
 */
export function checkChange(value: unknown): TableChange {
  const change = record(value, "change");
  for (const member of ["from", "version"]) count(change[member], member, Number.MAX_SAFE_INTEGER);
  const ids = new Set<string>();
  for (const [name, entry] of entriesOf(change, "hosts")) {
    if (entry !== null) checkHost(record(entry, `hosts["${name}"]`), name);
  }
  for (const [name, entry] of entriesOf(change, "revisions")) {
    if (entry !== null) checkRevision(record(entry, `revisions["${name}"]`), name, ids);
  }
  return value as TableChange;
}

/** Throws an Error where a table has more than the gateway can count. */
export function checkCapacity(hosts: number, revisions: number, instances: number): void {
  if (revisions > capacity.revisions) throw wrong("revisions", `at most ${capacity.revisions} entries`);
  if (instances > capacity.instances) throw wrong("revisions", `at most ${capacity.instances} instances`);
  if (hosts > capacity.splits) throw wrong("hosts", `at most ${capacity.splits} entries`);
}

/** The Error for an instance that stands in two Revisions of one table. */
export function standsTwice(revision: string, instance: string): Error {
  return wrong(`revisions["${revision}"].instances`, `instances of its own; "${instance}" stands twice`);
}

/** By name, each once. */
function entriesOf(change: Record<string, unknown>, member: string): [string, unknown][] {
  const names = new Set<string>();
  return list(change[member], member).map((item, i) => {
    const [name, entry] = list(item, `${member}[${i}]`);
    if (typeof name !== "string" || names.has(name)) throw wrong(`${member}[${i}]`, "a name of its own and an entry");
    names.add(name);
    return [name, entry];
  });
}

function checkRevision(entry: Record<string, unknown>, name: string, ids: Set<string>): void {
  const at = `revisions["${name}"]`;
  text(entry["configuration"], `${at}.configuration`);
  if (entry["protocol"] !== "http1" && entry["protocol"] !== "h2c") throw wrong(`${at}.protocol`, "http1 or h2c");
  count(entry["concurrency"], `${at}.concurrency`, 1_000_000);
  count(entry["timeoutMs"], `${at}.timeoutMs`, 2 ** 31 - 1);
  for (const [i, item] of list(entry["instances"], `${at}.instances`).entries()) {
    const instance = record(item, `${at}.instances[${i}]`);
    const id = text(instance["id"], `${at}.instances[${i}].id`);
    text(instance["host"], `${at}.instances[${i}].host`);
    if (count(instance["port"], `${at}.instances[${i}].port`, 65_535) === 0) {
      throw wrong(`${at}.instances[${i}].port`, "a port");
    }
    if (ids.has(id)) throw wrong(`${at}.instances[${i}].id`, `an id of its own; "${id}" stands twice`);
    ids.add(id);
  }
  if (entry["problem"] === undefined) return;
  const problem = record(entry["problem"], `${at}.problem`);
  const reason = text(problem["reason"], `${at}.problem.reason`);
  if (!/^[A-Za-z0-9]{1,64}$/.test(reason)) throw wrong(`${at}.problem.reason`, "a reason word");
  if (typeof problem["message"] !== "string") throw wrong(`${at}.problem.message`, "a text");
}

function checkHost(entry: Record<string, unknown>, name: string): void {
  const at = `hosts["${name}"]`;
  text(entry["route"], `${at}.route`);
  const targets = list(entry["targets"], `${at}.targets`);
  let sum = 0;
  for (const [i, item] of targets.entries()) {
    const target = record(item, `${at}.targets[${i}]`);
    text(target["revision"], `${at}.targets[${i}].revision`);
    sum += count(target["percent"], `${at}.targets[${i}].percent`, 100);
  }
  if (targets.length > 0 && sum !== 100) throw wrong(`${at}.targets`, `percents that total 100, not ${sum}`);
  if (targets.length > 255) throw wrong(`${at}.targets`, "at most 255 targets");
  if (entry["match"] !== undefined) checkMatch(list(entry["match"], `${at}.match`), `${at}.match`);
  if (entry["guard"] !== undefined) {
    count(record(entry["guard"], `${at}.guard`)["slowMs"], `${at}.guard.slowMs`, 2 ** 31 - 1);
  }
  if (entry["affinity"] !== undefined)
    checkAffinity(record(entry["affinity"], `${at}.affinity`), `${at}.affinity`, targets.length);
}

function checkMatch(match: unknown[], at: string): void {
  for (const [i, item] of match.entries()) {
    const one = record(item, `${at}[${i}]`);
    text(one["revision"], `${at}[${i}].revision`);
    for (const [j, each] of list(one["tests"], `${at}[${i}].tests`).entries()) {
      const path = `${at}[${i}].tests[${j}]`;
      const test = record(each, path);
      text(test["header"] ?? test["cookie"], `${path}.${"cookie" in test ? "cookie" : "header"}`);
      text(test["exact"] ?? test["prefix"], `${path}.${"prefix" in test ? "prefix" : "exact"}`);
    }
  }
}

function checkAffinity(affinity: Record<string, unknown>, at: string, targets: number): void {
  const key = record(affinity["key"], `${at}.key`);
  if (key["cookie"] === undefined) text(key["header"], `${at}.key.header`);
  else {
    text(key["cookie"], `${at}.key.cookie`);
    count(key["maxAgeSeconds"], `${at}.key.maxAgeSeconds`, Number.MAX_SAFE_INTEGER);
  }
  const slots = list(affinity["slots"], `${at}.slots`);
  if (slots.length !== 100) throw wrong(`${at}.slots`, "100 indices of targets");
  for (const [i, slot] of slots.entries()) count(slot, `${at}.slots[${i}]`, targets - 1);
}

function count(value: unknown, at: string, most: number): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > most) {
    throw wrong(at, `a whole number up to ${most}`);
  }
  return value as number;
}
