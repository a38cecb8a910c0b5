import { expect, test } from "vitest";
import { checkChange, checkTable } from "./check-table.ts";

const good = {
  version: 3,
  hosts: {
    "a.b": {
      route: "b/a",
      targets: [{ revision: "b/a-1", percent: 100 }],
      match: [
        {
          revision: "b/a-1",
          tests: [
            { header: "x-a", prefix: "b" },
            { cookie: "c", exact: "d" },
          ],
        },
      ],
      guard: { slowMs: 300 },
      affinity: { key: { cookie: "id", maxAgeSeconds: 0 }, slots: Array.from({ length: 100 }, () => 0) },
    },
    "c.b": { route: "b/c", targets: [] },
  },
  revisions: {
    "b/a-1": {
      configuration: "b/a",
      protocol: "http1",
      concurrency: 0,
      timeoutMs: 1000,
      instances: [{ id: "i", host: "127.0.0.1", port: 80 }],
      problem: { reason: "ExitCode1", message: "" },
    },
  },
};

test("checkTable() takes a good table", () => {
  expect(checkTable(structuredClone(good))).toEqual(good);
});

/** The good table with the value at the path replaced. */
function bend(path: string, value: unknown): unknown {
  const table = structuredClone(good) as unknown as Record<string, unknown>;
  const steps = path.split("/");
  let at = table;
  for (const step of steps.slice(0, -1)) at = at[step.replace("~", "/")] as Record<string, unknown>;
  at[(steps.at(-1) ?? "").replace("~", "/")] = value;
  return table;
}

const instance = "revisions/b~a-1/instances/0";

test.each([
  ["version", -1, "version must be"],
  ["hosts", [], "hosts must be an object"],
  ["hosts/a.b/targets/0/percent", 99, "percents that total 100, not 99"],
  ["hosts/a.b/targets/0/percent", 50.5, "percent must be a whole number"],
  ["hosts/a.b/targets/0/revision", "", "revision must be"],
  ["hosts/a.b/route", 1, "route must be"],
  ["hosts/a.b/match", {}, "match must be a list"],
  ["hosts/a.b/match/0/revision", "", "match[0].revision must be"],
  ["hosts/a.b/match/0/tests/0/prefix", "", "match[0].tests[0].prefix must be"],
  ["hosts/a.b/match/0/tests/1/cookie", 1, "match[0].tests[1].cookie must be"],
  ["hosts/a.b/guard/slowMs", -1, "guard.slowMs must be"],
  ["hosts/a.b/affinity/key", {}, "affinity.key.header must be"],
  ["hosts/a.b/affinity/key/maxAgeSeconds", -1, "affinity.key.maxAgeSeconds must be"],
  ["hosts/a.b/affinity/slots", [0], "affinity.slots must be 100 indices"],
  ["hosts/a.b/affinity/slots/7", 1, "affinity.slots[7] must be"],
  ["revisions/b~a-1/protocol", "spdy", "protocol must be"],
  ["revisions/b~a-1/concurrency", -1, "concurrency must be"],
  ["revisions/b~a-1/timeoutMs", "1", "timeoutMs must be"],
  ["revisions/b~a-1/instances", {}, "instances must be a list"],
  [`${instance}/port`, 0, "port must be a port"],
  [`${instance}/port`, 70_000, "port must be"],
  [`${instance}/id`, null, "id must be"],
  ["revisions/b~a-1/problem", { reason: "a b\r\n", message: "" }, "reason must be a reason word"],
])("checkTable() refuses %s = %j", (path, value, sentence) => {
  expect(() => checkTable(bend(path, value))).toThrow(sentence);
});

test("checkTable() refuses an instance that stands twice", () => {
  const twice = bend("revisions/b~a-1/instances/1", { id: "i", host: "h", port: 1 });
  expect(() => checkTable(twice)).toThrow('"i" stands twice');
});

test.each([null, 1, "x", [], {}])("checkTable() refuses %j", (value) => {
  expect(() => checkTable(value)).toThrow("Cannot use the route table");
});

/** The table as a change of nothing. */
const asChange = ({ version, hosts, revisions }: typeof good) => ({
  type: "change",
  from: 1,
  version,
  hosts: Object.entries(hosts),
  revisions: Object.entries(revisions),
});

test("checkChange() takes good entries, and names that have gone", () => {
  const change = { ...asChange(structuredClone(good)), hosts: [["gone", null]] };
  expect(checkChange(change)).toEqual(change);
});

test("checkChange() refuses what checkTable() refuses of an entry", () => {
  const bad = bend("hosts/a.b/targets/0/percent", 99) as typeof good;
  expect(() => checkChange(asChange(bad))).toThrow("percents that total 100, not 99");
  const instance = bend("revisions/b~a-1/instances/0/port", 0) as typeof good;
  expect(() => checkChange(asChange(instance))).toThrow("port must be a port");
});

test.each([
  [{ from: -1 }, "from must be a whole number"],
  [{ version: "3" }, "version must be a whole number"],
  [{ hosts: {} }, "hosts must be a list"],
  [{ hosts: [1] }, "hosts[0] must be a list"],
  [{ hosts: [[1, null]] }, "hosts[0] must be a name of its own and an entry"],
  [{ revisions: [["a"]] }, 'revisions["a"] must be an object'],
  [
    {
      revisions: [
        ["a", null],
        ["a", null],
      ],
    },
    "revisions[1] must be a name of its own",
  ],
])("checkChange() refuses %j", (more, sentence) => {
  expect(() => checkChange({ ...asChange(good), ...more })).toThrow(sentence);
});
