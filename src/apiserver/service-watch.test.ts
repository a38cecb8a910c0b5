import { describe, expect, test } from "vitest";
import type { Clock } from "../lib/clock.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { serviceBench } from "../../test/support/service.ts";
import type { ServiceBench } from "../../test/support/service.ts";
import { ConfigMap } from "../api/config-map.ts";
import type { WatchOptions } from "../api/meta/service.ts";
import type { KubeObject, WatchEvent } from "../api/meta/types.ts";

const configMap = (name: string, data: Record<string, string>, labels = {}): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, labels },
  data,
});

/** A watch that gathers what it is told until it ends or `close` is called. */
function watching({ service, as, at }: ServiceBench, options: WatchOptions, kind = ConfigMap) {
  const abort = new AbortController();
  const events: WatchEvent<KubeObject>[] = [];
  const stream = service.watch({ ...as("ann"), signal: abort.signal }, at(kind), options);
  const ended = (async () => {
    for await (const event of stream) events.push(event);
  })();
  return { events, ended, close: () => (abort.abort(), ended) };
}

const told = (events: readonly WatchEvent<KubeObject>[]): string[] =>
  events.map(({ type, object }) => `${type} ${object.metadata.name ?? ""} ${object.metadata.resourceVersion ?? ""}`);

describe("watch()", () => {
  test("tells what is there, then what changes", async () => {
    const bench = await serviceBench();
    const { service, as, at } = bench;
    await service.create(as("ann"), at(ConfigMap), configMap("a", {}));
    const watch = watching(bench, {});
    await service.create(as("ann"), at(ConfigMap), configMap("b", {}));
    await service.patch(as("ann"), at(ConfigMap, "a"), { type: "merge", body: { data: { k: "1" } } });
    await service.delete(as("ann"), at(ConfigMap, "a"));
    await expect.poll(() => told(watch.events)).toEqual(["ADDED a 2", "ADDED b 3", "MODIFIED a 4", "DELETED a 5"]);
    await watch.close();
  });

  test("loses and doubles nothing, wherever it resumes, under load", async () => {
    const bench = await serviceBench();
    const { service, as, at, store } = bench;
    const start = store.revision;
    const expected: string[] = [];
    const whole = watching(bench, { resourceVersion: String(start) });
    const names = Array.from({ length: 16 }, (_, index) => `c${index}`);
    const resumed: { from: number; watch: ReturnType<typeof watching> }[] = [];
    await Promise.all(
      names.map(async (name) => {
        for (let round = 0; round < 12; round += 1) {
          const created = await service.create(as("ann"), at(ConfigMap), configMap(name, {}));
          expected.push(`ADDED ${name} ${created.metadata.resourceVersion}`);
          const from = store.revision - (round % 5);
          resumed.push({
            from: Math.max(start, from),
            watch: watching(bench, { resourceVersion: String(Math.max(start, from)) }),
          });
          const patch = { type: "merge", body: { data: { round: String(round) } } } as const;
          const patched = await service.patch(as("ann"), at(ConfigMap, name), patch);
          expected.push(`MODIFIED ${name} ${patched.metadata.resourceVersion}`);
          const { object } = await service.delete(as("ann"), at(ConfigMap, name));
          expected.push(`DELETED ${name} ${object.metadata.resourceVersion}`);
        }
      }),
    );
    const revisionOf = (line: string): number => Number(line.split(" ")[2]);
    const inOrder = expected.toSorted((a, b) => revisionOf(a) - revisionOf(b));
    await expect.poll(() => whole.events.length).toBe(inOrder.length);
    expect(told(whole.events)).toEqual(inOrder);
    for (const { from, watch } of resumed) {
      const rest = inOrder.filter((line) => revisionOf(line) > from);
      await expect.poll(() => watch.events.length).toBe(rest.length);
      expect(told(watch.events)).toEqual(rest);
    }
    await Promise.all([whole, ...resumed.map(({ watch }) => watch)].map((watch) => watch.close()));
  });

  test("a list and a watch from it make the state at any moment", async () => {
    const bench = await serviceBench();
    const { service, as, at } = bench;
    const write = async (round: number): Promise<void> => {
      const name = `c${round % 7}`;
      await service.create(as("ann"), at(ConfigMap), configMap(name, { round: String(round) })).catch(() => undefined);
      if (round % 3 === 0) await service.delete(as("ann"), at(ConfigMap, name)).catch(() => undefined);
      else
        await service.patch(as("ann"), at(ConfigMap, name), { type: "merge", body: { data: { more: String(round) } } });
    };
    const writing = (async () => {
      for (let round = 0; round < 60; round += 1) await write(round);
    })();
    const first = await service.list(as("ann"), at(ConfigMap));
    const watch = watching(bench, { resourceVersion: first.metadata.resourceVersion });
    await writing;
    const last = await service.list(as("ann"), at(ConfigMap));
    const state = (): KubeObject[] => {
      const objects = new Map(first.items.map((object) => [object.metadata.name, object]));
      for (const { type, object } of watch.events) {
        if (type === "DELETED") objects.delete(object.metadata.name);
        else objects.set(object.metadata.name, object);
      }
      return [...objects.values()].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    };
    await expect.poll(state).toEqual(last.items);
    await watch.close();
  });

  test("objects that come to match are added, those that stop are deleted", async () => {
    const bench = await serviceBench();
    const { service, as, at } = bench;
    await service.create(as("ann"), at(ConfigMap), configMap("a", {}, { sel: "yes" }));
    const watch = watching(bench, { labelSelector: "sel=yes", resourceVersion: "2" });
    for (const sel of ["no", "no2", "yes", "yes"]) {
      const body = { metadata: { labels: { sel, n: `${sel}-${bench.store.revision}` } } };
      await service.patch(as("ann"), at(ConfigMap, "a"), { type: "merge", body });
    }
    await expect.poll(() => told(watch.events)).toEqual(["DELETED a 3", "ADDED a 5", "MODIFIED a 6"]);
    expect(watch.events[0]?.object.metadata.labels).toEqual({ sel: "yes" });
    await watch.close();
  });

  test("resumes within the kept history, and not before it", async () => {
    const bench = await serviceBench({ storeOptions: { history: { changes: 5, bytes: 1e9, ageMs: 1e9 } } });
    const { service, as, at } = bench;
    for (let n = 0; n < 10; n += 1) await service.create(as("ann"), at(ConfigMap), configMap(`c${n}`, {}));
    const late = watching(bench, { resourceVersion: "3" });
    await expect(late.ended).rejects.toMatchObject({ reason: "Expired", message: "too old resource version: 3 (6)" });
    const timely = watching(bench, { resourceVersion: "8" });
    await expect.poll(() => told(timely.events)).toEqual(["ADDED c7 9", "ADDED c8 10", "ADDED c9 11"]);
    await timely.close();
  });

  test("bookmarks come each minute and before the end, where the store has moved on", async () => {
    const clock = manualClock();
    const bench = await serviceBench({ clock });
    const { service, as, at, store } = bench;
    const start = String(store.revision);
    const watch = watching(bench, {
      resourceVersion: start,
      allowBookmarks: true,
      timeoutSeconds: 75,
      fieldSelector: "metadata.name=b",
    });
    const still = watching(bench, { resourceVersion: "2", allowBookmarks: true, timeoutSeconds: 75 });
    const silent = watching(bench, { resourceVersion: start, timeoutSeconds: 75 });
    await clock.advance(20_000);
    await service.create(as("ann"), at(ConfigMap), configMap("a", {}));
    await clock.advance(39_000);
    expect(watch.events).toEqual([]);
    await clock.advance(1_000);
    const bookmark = {
      type: "BOOKMARK",
      object: { apiVersion: "v1", kind: "ConfigMap", metadata: { resourceVersion: "2" } },
    };
    expect(watch.events).toEqual([bookmark]);
    await clock.advance(13_000);
    expect(watch.events).toEqual([bookmark, bookmark]);
    await clock.advance(2_000);
    await Promise.all([watch.ended, silent.ended, still.ended]);
    expect(told(silent.events)).toEqual(["ADDED a 2"]);
    expect(still.events).toEqual([]);
  });

  test("sendInitialEvents ends the initial events with a marked bookmark", async () => {
    const bench = await serviceBench();
    const { service, as, at } = bench;
    await service.create(as("ann"), at(ConfigMap), configMap("a", {}));
    const watch = watching(bench, { sendInitialEvents: true, allowBookmarks: true });
    await expect.poll(() => watch.events.map(({ type }) => type)).toEqual(["ADDED", "BOOKMARK"]);
    expect(watch.events[1]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
    await watch.close();
    const none = watching(bench, { sendInitialEvents: false });
    await service.create(as("ann"), at(ConfigMap), configMap("b", {}));
    await expect.poll(() => told(none.events)).toEqual(["ADDED b 3"]);
    await none.close();
  });

  test("an end that is far away sets no timer beyond what timers can hold", async () => {
    const clock = manualClock();
    const delays: number[] = [];
    const after: Clock["after"] = (ms, callback) => {
      delays.push(ms);
      return clock.after(ms, callback);
    };
    const bench = await serviceBench({ clock: { now: () => clock.now(), after } });
    delays.splice(0);
    const watch = watching(bench, { timeoutSeconds: 1e9 });
    await clock.advance(0);
    expect(delays).toEqual([86_400_000]);
    await watch.close();
  });

  test("ends when its client goes, leaving no timer and no subscription", async () => {
    const clock = manualClock();
    const bench = await serviceBench({ clock });
    const waiting = clock.pending;
    const watch = watching(bench, { allowBookmarks: true, timeoutSeconds: 100 });
    await clock.advance(10);
    expect(clock.pending).toBe(waiting + 1);
    await watch.close();
    expect(clock.pending).toBe(waiting);
  });
});
