import { expect, it } from "vitest";
import { settle } from "../../../test/support/manual-clock.ts";
import { silentLog } from "../../lib/log.ts";
import type { Changes } from "../../routing/changes.ts";
import { followDnsNames } from "./dns-names.ts";

function setup() {
  const published: string[][] = [];
  const ends: { resolve(): void; reject(error: Error): void }[] = [];
  let tell: (changes: Changes, version: number) => void = () => {};
  followDnsNames({
    publisher: { follow: (listener) => ((tell = listener), () => {}) },
    publish(names) {
      published.push(names);
      return new Promise((resolve, reject) => ends.push({ resolve, reject }));
    },
    log: silentLog,
  });
  const change = async (hosts: Record<string, string | undefined>) => {
    const entries = Object.entries(hosts).map(([host, route]) => [host, route && { route, targets: [] }] as const);
    tell({ hosts: new Map(entries) as Changes["hosts"], revisions: new Map() }, 1);
    await settle();
  };
  return { published, ends, change };
}

it("followDnsNames() publishes with the first table, though it has none, and then where names come and go", async () => {
  const { published, ends, change } = setup();
  await change({});
  ends[0]?.resolve();
  await change({ "a.x": "x/a", "www.example.com": "x/a" });
  ends[1]?.resolve();
  // A new split, and a domain: no name.
  await change({ "a.x": "x/a", "www.example.com": undefined });
  await change({ "a.x": undefined, "b.x": "x/b" });
  expect(published).toEqual([[], ["a.x"], ["b.x"]]);
});

it("followDnsNames() publishes what came meanwhile once, and after a failure again with the next table", async () => {
  const { published, ends, change } = setup();
  await change({ "a.x": "x/a" });
  await change({ "b.x": "x/b" });
  await change({ "c.x": "x/c" });
  expect(published).toHaveLength(1);
  ends[0]?.resolve();
  await settle();
  expect(published[1]).toEqual(["a.x", "b.x", "c.x"]);
  ends[1]?.reject(new Error("disk full"));
  await settle();
  await change({});
  expect(published[2]).toEqual(["a.x", "b.x", "c.x"]);
});
