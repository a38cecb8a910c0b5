import { describe, expect, it, onTestFinished } from "vitest";
import { manualClock, settle } from "../../test/support/manual-clock.ts";
import { ConfigMap } from "../api/config-map.ts";
import { ApiError } from "../api/meta/errors.ts";
import type { WatchEvent } from "../api/meta/types.ts";
import { silentLog } from "../lib/log.ts";
import type { Client } from "./client.ts";
import { type CacheChange, keyOf, splitKey, startInformer } from "./informer.ts";

const map = (name: string, version: number, owner = "x"): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "ns", resourceVersion: String(version), labels: { owner } },
});

/** One watch, fed by the test. */
interface Feed {
  from: string;
  send(event: WatchEvent<ConfigMap>): void;
  fail(error: Error): void;
  end(): void;
}

/** A server of ConfigMaps whose answers and faults the test decides. */
function scriptedServer() {
  const server = {
    items: [] as ConfigMap[],
    version: 1,
    lists: [] as (string | undefined)[],
    watches: [] as Feed[],
    /** Thrown by the next list. */
    failList: [] as Error[],
    client: undefined as unknown as Client,
  };
  const client: Partial<Client> = {
    list: (async (_kind: unknown, options: { limit?: number; continue?: string } = {}) => {
      server.lists.push(options.continue);
      const failure = server.failList.shift();
      if (failure !== undefined) throw failure;
      const from = Number(options.continue ?? 0);
      const to = from + (options.limit ?? Infinity);
      const more = to < server.items.length ? { continue: String(to) } : {};
      return {
        apiVersion: "v1",
        kind: "ConfigMapList",
        metadata: { resourceVersion: String(server.version), ...more },
        items: server.items.slice(from, to),
      };
    }) as unknown as Client["list"],
    watch: ((_kind: unknown, options: { resourceVersion: string }) => {
      const queue: (WatchEvent<ConfigMap> | Error | "end")[] = [];
      let wake = () => {};
      const put = (entry: (typeof queue)[number]) => {
        queue.push(entry);
        wake();
      };
      server.watches.push({
        from: options.resourceVersion,
        send: put,
        fail: put,
        end: () => put("end"),
      });
      return (async function* () {
        for (;;) {
          const next = queue.shift();
          if (next === "end") return;
          if (next instanceof Error) throw next;
          if (next !== undefined) yield next;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      })();
    }) as unknown as Client["watch"],
  };
  server.client = client as Client;
  return server;
}

async function follow(server: ReturnType<typeof scriptedServer>, options: { pageSize?: number; idleMs?: number } = {}) {
  const clock = manualClock();
  const informer = startInformer({
    client: server.client,
    kind: ConfigMap,
    clock,
    log: silentLog,
    random: () => 0,
    indexes: { owner: (object) => [object.metadata.labels?.["owner"] ?? ""] },
    ...options,
  });
  onTestFinished(() => informer.stop());
  const changes: string[] = [];
  informer.subscribe(({ type, object }: CacheChange<ConfigMap>) => changes.push(`${type} ${object.metadata.name}`));
  await settle();
  return { clock, informer, changes, names: () => informer.list().map(({ metadata }) => metadata.name) };
}

/** Numbers below one, always the same, and evenly spread. */
function evenly(): () => number {
  let at = 0;
  return () => (at = (at + 0.618_034) % 1);
}

/** When each of many informers, to whom the same happens at once, lists: milliseconds since then, the first list aside. */
async function listTimes(count: number, happens: (server: ReturnType<typeof scriptedServer>) => void) {
  const clock = manualClock();
  const random = evenly();
  let start = clock.now();
  const all = Array.from({ length: count }, () => {
    const server = scriptedServer();
    const times: number[] = [];
    const inner = server.client;
    const client: Client = {
      ...inner,
      list: (kind, options) => {
        times.push(clock.now() - start);
        return inner.list(kind, options);
      },
    };
    const informer = startInformer({ client, kind: ConfigMap, clock, log: silentLog, random });
    onTestFinished(() => informer.stop());
    return { server, times };
  });
  await settle();
  await clock.advance(5_000);
  start = clock.now();
  for (const { server } of all) happens(server);
  await clock.advance(60_000);
  return all.map(({ times }) => times);
}

/** The most that fall into one tenth of a second. */
function mostAtOnce(times: readonly (number | undefined)[]): number {
  const counts = Map.groupBy(times, (time) => Math.floor((time ?? 0) / 100));
  return Math.max(...[...counts.values()].map(({ length }) => length));
}

describe("startInformer()", () => {
  it("lists in pages and watches from there", async () => {
    const server = scriptedServer();
    server.items = [1, 2, 3, 4, 5].map((number) => map(`m${number}`, number));
    server.version = 9;
    const { informer, names } = await follow(server, { pageSize: 2 });
    await informer.synced;
    expect(server.lists).toEqual([undefined, "2", "4"]);
    expect(names()).toEqual(["m1", "m2", "m3", "m4", "m5"]);
    expect(server.watches.map(({ from }) => from)).toEqual(["9"]);
  });

  it("follows changes and keeps its indexes", async () => {
    const server = scriptedServer();
    server.items = [map("a", 1, "ann")];
    const { informer, changes } = await follow(server);
    server.watches[0]?.send({ type: "ADDED", object: map("b", 2, "ann") });
    server.watches[0]?.send({ type: "MODIFIED", object: map("a", 3, "bob") });
    await settle();
    const owned = (owner: string) => informer.by("owner", owner).map(({ metadata }) => metadata.name);
    expect([owned("ann"), owned("bob")]).toEqual([["b"], ["a"]]);
    server.watches[0]?.send({ type: "DELETED", object: map("a", 4, "bob") });
    await settle();
    expect(owned("bob")).toEqual([]);
    expect(changes).toEqual(["added a", "added b", "updated a", "deleted a"]);
    expect(() => informer.by("nobody", "x")).toThrow('Cannot look up by index "nobody"');
  });

  it("resumes after the last event or bookmark when the watch ends", async () => {
    const server = scriptedServer();
    const { clock } = await follow(server);
    server.watches[0]?.send({ type: "ADDED", object: map("a", 5) });
    server.watches[0]?.send({ type: "BOOKMARK", object: map("", 8) });
    await settle();
    server.watches[0]?.end();
    await clock.advance(1);
    expect(server.watches.map(({ from }) => from)).toEqual(["1", "8"]);
    expect(server.lists).toHaveLength(1);
  });

  it("lists again when the server has forgotten the position, and tells only what differs", async () => {
    const server = scriptedServer();
    server.items = [map("stays", 1), map("goes", 2), map("changes", 3)];
    const { clock, changes, names } = await follow(server);
    changes.length = 0;
    server.items = [map("stays", 1), map("changes", 7), map("comes", 8)];
    server.version = 9;
    server.watches[0]?.fail(new ApiError("Expired", "too old resource version"));
    await clock.advance(1_000);
    expect(server.lists).toHaveLength(2);
    expect(names().toSorted()).toEqual(["changes", "comes", "stays"]);
    expect(changes.toSorted()).toEqual(["added comes", "deleted goes", "updated changes"]);
    expect(server.watches.at(-1)?.from).toBe("9");
  });

  it("leaves to chance when it lists again, so that all who were forgotten don't come at once", async () => {
    const times = await listTimes(50, (server) => server.watches[0]?.fail(new ApiError("Expired", "too old")));
    expect(times.every(([, again]) => again !== undefined && again <= 1_000)).toBe(true);
    expect(mostAtOnce(times.map(([, again]) => again))).toBeLessThanOrEqual(15);
  });

  it("leaves to chance when it comes back to a server that was away", async () => {
    const times = await listTimes(50, (server) => {
      server.failList = Array.from({ length: 5 }, () => new ApiError("ServiceUnavailable", "starting"));
      server.watches[0]?.fail(new ApiError("Expired", "too old"));
    });
    // The sixth time it is there: after 3.1 to 7.2 s.
    expect(mostAtOnce(times.map((lists) => lists.at(-1)))).toBeLessThanOrEqual(10);
  });

  it("reads the list whole when its pages expire", async () => {
    const server = scriptedServer();
    server.items = [map("a", 1), map("b", 2), map("c", 3)];
    const { client } = server;
    let calls = 0;
    server.client = {
      ...client,
      list: (kind, options) => {
        calls += 1;
        return calls === 2 ? Promise.reject(new ApiError("Expired", "expired")) : client.list(kind, options);
      },
    };
    const { names } = await follow(server, { pageSize: 2 });
    expect(names()).toEqual(["a", "b", "c"]);
    expect(calls).toBe(3);
  });

  it("waits longer after each failure and goes on", async () => {
    const server = scriptedServer();
    server.failList = Array.from({ length: 3 }, () => new ApiError("ServiceUnavailable", "starting"));
    const { clock, informer } = await follow(server);
    expect(server.lists).toHaveLength(1);
    await clock.advance(199);
    expect(server.lists).toHaveLength(1);
    await clock.advance(1);
    expect(server.lists).toHaveLength(2);
    await clock.advance(400);
    expect(server.lists).toHaveLength(3);
    await clock.advance(800);
    await informer.synced;
    expect(server.watches).toHaveLength(1);
  });

  it("takes a watch that says nothing for dead", async () => {
    const server = scriptedServer();
    const { clock } = await follow(server, { idleMs: 10_000 });
    await clock.advance(9_000);
    server.watches[0]?.send({ type: "BOOKMARK", object: map("", 4) });
    await clock.advance(9_000);
    expect(server.watches).toHaveLength(1);
    await clock.advance(2_000);
    expect(server.watches.map(({ from }) => from)).toEqual(["1", "4"]);
  });

  it("doesn't ask in a busy loop when watches end at once", async () => {
    const server = scriptedServer();
    const { clock } = await follow(server);
    for (let round = 0; round < 20; round += 1) {
      server.watches.at(-1)?.end();
      await clock.advance(100);
    }
    expect(server.watches.length).toBeLessThanOrEqual(5);
  });

  it("shows its own process's writes before the watch brings them, once", async () => {
    const server = scriptedServer();
    server.items = [map("a", 1)];
    const { informer, changes } = await follow(server);
    changes.length = 0;
    informer.observed(map("a", 5));
    informer.observed(map("b", 6));
    expect(informer.get("ns/a")?.metadata.resourceVersion).toBe("5");
    server.watches[0]?.send({ type: "MODIFIED", object: map("a", 3) });
    server.watches[0]?.send({ type: "MODIFIED", object: map("a", 5) });
    await settle();
    expect(informer.get("ns/a")?.metadata.resourceVersion).toBe("5");
    expect(changes).toEqual(["updated a", "added b"]);
  });

  it("doesn't bring a deleted object back by a write that is answered late", async () => {
    const server = scriptedServer();
    server.items = [map("a", 1)];
    const { informer, names } = await follow(server);
    server.watches[0]?.send({ type: "DELETED", object: map("a", 6) });
    await settle();
    informer.observed(map("a", 5));
    expect(names()).toEqual([]);
  });

  it("ends at once, also while a watch hangs", async () => {
    const server = scriptedServer();
    const { informer, clock } = await follow(server);
    await informer.stop();
    expect(clock.pending).toBe(0);
  });
});

describe("keyOf() and splitKey()", () => {
  it("name objects with and without a namespace", () => {
    expect(keyOf(map("a", 1))).toBe("ns/a");
    expect(keyOf({ name: "a" })).toBe("a");
    expect(splitKey("ns/a")).toEqual({ namespace: "ns", name: "a" });
    expect(splitKey("a")).toEqual({ namespace: "", name: "a" });
  });
});
