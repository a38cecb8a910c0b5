import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { manualClock, settle } from "../../test/support/manual-clock.ts";
import { Revision } from "../api/revision.ts";
import { silentLog } from "../lib/log.ts";
import type { Client } from "./client.ts";
import { startReflector } from "./reflector.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

test("startReflector() keeps nothing of a list while it watches", async () => {
  const listed: WeakRef<object>[] = [];
  const replaced: number[] = [];
  const client = {
    async list() {
      const items = Array.from({ length: 3 }, (_, nth) => ({ metadata: { name: `r-${nth}`, resourceVersion: "1" } }));
      listed.push(...items.map((item) => new WeakRef(item)));
      return { items, metadata: { resourceVersion: "1" } };
    },
    // Nothing ever comes.
    watch: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }),
  } as unknown as Client;
  const sink = { replace: (items: readonly unknown[]) => void replaced.push(items.length), apply: () => {} };
  const reflector = startReflector({ client, kind: Revision, sink, clock: manualClock(), log: silentLog });
  await settle();
  expect(replaced).toEqual([3]);
  collect();
  expect(listed.map((item) => item.deref())).toEqual([undefined, undefined, undefined]);
  await reflector.stop();
});
