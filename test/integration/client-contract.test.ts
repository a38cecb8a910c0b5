/** What both sides of the client port promise: in the process of the API server on one machine, and over HTTPS to a simulated Kubernetes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigMap } from "../../src/api/config-map.ts";
import { Configuration } from "../../src/api/configuration.ts";
import { allKinds } from "../../src/api/kinds.ts";
import { isReason } from "../../src/api/meta/errors.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { Namespace } from "../../src/api/namespace.ts";
import { createApiService } from "../../src/apiserver/service.ts";
import type { Client } from "../../src/client/client.ts";
import { httpClient } from "../../src/client/http.ts";
import { inProcessClient } from "../../src/client/in-process.ts";
import { startInformer } from "../../src/client/informer.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { openStore } from "../../src/store/open.ts";
import { startCluster } from "../support/cluster/cluster.ts";
import { defineElafros } from "../support/cluster/elafros.ts";

interface Side {
  client: Client;
  stop(): Promise<void>;
}

const namespace = "contract";
/** So little is remembered that a watch soon asks for what is forgotten. */
const history = { changes: 100, bytes: 1 << 24, ageMs: 600_000 };
const system = { username: "system:admin", groups: ["system:masters"] };

async function inThisProcess(): Promise<Side> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-client-"));
  const base = { clock: systemClock, log: silentLog };
  const store = await openStore({ path: join(dir, "store.db"), history, ...base });
  const service = createApiService({ store, kinds: allKinds, authorize: () => Promise.resolve(), ...base });
  return {
    client: inProcessClient(service, system),
    async stop() {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
}

async function onKubernetes(): Promise<Side> {
  const cluster = await startCluster({ history });
  const client = httpClient(cluster.connection);
  await defineElafros(client, {});
  return {
    client,
    async stop() {
      client.close();
      await cluster.stop();
    },
  };
}

const sides: [string, () => Promise<Side>][] = [
  ["in this process", inThisProcess],
  ["on Kubernetes", onKubernetes],
];

const map = (name: string, data: Record<string, string>, more: object = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace, name, ...more },
  data,
});
const configuration = (name: string): Configuration => ({
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Configuration",
  metadata: { namespace, name },
  spec: { revisionTemplate: { spec: { container: { image: "registry.example/a:1" } } } },
});
const reasonOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: { reason: string }) => error.reason,
  );
const names = (list: { items: readonly KubeObject[] }): string[] => list.items.map(({ metadata }) => metadata.name);

const labelled = (group: string, name: string): ConfigMap => map(name, { a: "1" }, { labels: { group } });

/** So many changes of one object, which is made where it isn't there. Gives the version of the last. */
async function churn(client: Client, name: string, times: number): Promise<number> {
  await client.create(ConfigMap, map(name, {})).catch((error: unknown) => {
    if (!isReason(error, "AlreadyExists")) throw error;
  });
  let version = 0;
  for (let count = 1; count <= times; count += 1) {
    const patch = { type: "merge", body: { data: { a: `${count} of ${times}` } } } as const;
    const { metadata } = await client.patch(ConfigMap, { namespace, name }, patch);
    version = Number(metadata.resourceVersion);
  }
  return version;
}

/** Follows the ConfigMaps of a group, by a client whose watches the test may end and hold back. Resolves when it watches. */
async function follow(client: Client, group: string, watchSeconds = 300) {
  let lists = 0;
  const watches: string[] = [];
  const bookmarks: string[] = [];
  let lost = new AbortController();
  const gate: { held?: Promise<void> | undefined } = {};
  async function* watch<T extends KubeObject>(...[kind, options]: Parameters<typeof client.watch<T>>) {
    while (gate.held !== undefined) await gate.held;
    watches.push(options.resourceVersion ?? "");
    lost = new AbortController();
    const signal = AbortSignal.any([options.signal, lost.signal]);
    for await (const event of client.watch(kind, { ...options, signal })) {
      if (event.type === "BOOKMARK") bookmarks.push(event.object.metadata.resourceVersion ?? "");
      yield event;
    }
  }
  const list: Client["list"] = (kind, options) => {
    lists += 1;
    return client.list(kind, options);
  };
  const informer = startInformer({
    client: { ...client, watch, list },
    kind: ConfigMap,
    namespace,
    labelSelector: `group=${group}`,
    watchSeconds,
    random: () => 0,
    clock: systemClock,
    log: silentLog,
  });
  const changes: string[] = [];
  informer.subscribe(({ type, object }) => changes.push(`${type} ${object.metadata.name}`));
  await expect.poll(() => watches.length).toBe(1);
  return {
    changes,
    lists: () => lists,
    /** The versions from which was watched, and those of bookmarks. */
    watches: () => watches,
    bookmarks: () => bookmarks,
    /** Ends the watch, and holds the next back until what it gives is called. */
    lose(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate.held = promise;
      lost.abort();
      return () => {
        gate.held = undefined;
        resolve();
      };
    },
    stop: () => informer.stop(),
  };
}

describe.each(sides)("the client %s", (_, start) => {
  let side: Side;
  let client: Client;
  beforeAll(async () => {
    side = await start();
    client = side.client;
    await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  });
  afterAll(() => side?.stop());

  test("what is created is there once, and can be read", async () => {
    const made = await client.create(ConfigMap, map("made", { a: "1" }));
    expect(made.metadata).toMatchObject({ namespace, name: "made" });
    expect(made.metadata.uid).toMatch(/^[-0-9a-f]{36}$/);
    expect(await client.get(ConfigMap, { namespace, name: "made" })).toMatchObject({
      metadata: made.metadata,
      data: { a: "1" },
    });
    expect(await reasonOf(client.create(ConfigMap, map("made", {})))).toBe("AlreadyExists");
    expect(await reasonOf(client.get(ConfigMap, { namespace, name: "nothing" }))).toBe("NotFound");
    expect(await reasonOf(client.create(Configuration, { ...configuration("bad"), spec: {} } as never))).toBe(
      "Invalid",
    );
  });

  test("an update is of the version that was read, or a conflict", async () => {
    const first = await client.create(ConfigMap, map("updated", { a: "1" }));
    const second = await client.update(ConfigMap, { ...first, data: { a: "2" } });
    expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
    expect(await reasonOf(client.update(ConfigMap, { ...first, data: { a: "3" } }))).toBe("Conflict");
    const stale = { metadata: { resourceVersion: first.metadata.resourceVersion }, data: { a: "4" } };
    const key = { namespace, name: "updated" };
    expect(await reasonOf(client.patch(ConfigMap, key, { type: "merge", body: stale }))).toBe("Conflict");
    expect((await client.get(ConfigMap, key)).data).toEqual({ a: "2" });
  });

  test("a patch changes what it names, and null takes away", async () => {
    await client.create(ConfigMap, map("patched", { a: "1", b: "2" }));
    const patch = { type: "merge", body: { data: { a: null, c: "3" } } } as const;
    expect((await client.patch(ConfigMap, { namespace, name: "patched" }, patch)).data).toEqual({ b: "2", c: "3" });
  });

  test("status has an endpoint of its own: neither changes the other, and only the spec counts", async () => {
    const made = await client.create(Configuration, configuration("counted"));
    expect(made.metadata.generation).toBe(1);
    const status = { observedGeneration: 1 };
    const written = await client.updateStatus(Configuration, { ...made, spec: {}, status } as never);
    expect(written).toMatchObject({ spec: made.spec, status, metadata: { generation: 1 } });
    const body = { spec: { revisionTemplate: { spec: { container: { image: "registry.example/a:2" } } } }, status: {} };
    const changed = await client.patch(Configuration, { namespace, name: "counted" }, { type: "merge", body });
    expect(changed).toMatchObject({ status, metadata: { generation: 2 } });
  });

  test("a list has what a selector names, page by page", async () => {
    for (const name of ["p1", "p2", "p3"]) await client.create(ConfigMap, map(name, {}, { labels: { page: "yes" } }));
    const where = { namespace, labelSelector: "page=yes" };
    expect(names(await client.list(ConfigMap, where))).toEqual(["p1", "p2", "p3"]);
    const first = await client.list(ConfigMap, { ...where, limit: 2 });
    expect(names(first)).toEqual(["p1", "p2"]);
    const rest = await client.list(ConfigMap, { ...where, limit: 2, continue: first.metadata.continue ?? "" });
    expect(names(rest)).toEqual(["p3"]);
    expect(rest.metadata.continue ?? "").toBe("");
  });

  test("a watch tells what happens from a version on, in order", async () => {
    const { metadata } = await client.list(ConfigMap, { namespace });
    const made = await client.create(ConfigMap, map("watched", { a: "1" }));
    await client.update(ConfigMap, { ...made, data: { a: "2" } });
    await client.delete(ConfigMap, { namespace, name: "watched" });
    const abort = new AbortController();
    const { resourceVersion } = metadata;
    const seen: string[] = [];
    const events = client.watch(ConfigMap, {
      namespace,
      signal: abort.signal,
      resourceVersion,
    });
    for await (const { type, object } of events) {
      if (object.metadata.name === "watched") seen.push(`${type} ${object.data?.["a"] ?? ""}`);
      if (type === "DELETED") break;
    }
    abort.abort();
    expect(seen).toEqual(["ADDED 1", "MODIFIED 2", "DELETED 2"]);
  });

  test("a watch from a version that is forgotten says so", async () => {
    const { metadata } = await client.list(ConfigMap, { namespace });
    await churn(client, "busy", 130);
    const { signal } = new AbortController();
    const { resourceVersion } = metadata;
    const read = async (): Promise<void> => {
      for await (const { type } of client.watch(ConfigMap, { namespace, resourceVersion, signal }))
        expect(type).toBe("never");
    };
    const error: unknown = await read().catch((thrown: unknown) => thrown);
    expect(isReason(error, "Expired", "Gone"), String(error)).toBe(true);
  });

  test("who follows and loses its watch goes on from where it was, and sees each change once", async () => {
    const followed = await follow(client, "lost");
    const made = await client.create(ConfigMap, labelled("lost", "l1"));
    await expect.poll(() => followed.changes).toEqual(["added l1"]);
    const back = followed.lose();
    await client.update(ConfigMap, { ...made, data: { a: "2" } });
    await client.create(ConfigMap, labelled("lost", "l2"));
    await client.delete(ConfigMap, { namespace, name: "l1" });
    back();
    await expect.poll(() => followed.changes).toEqual(["added l1", "updated l1", "added l2", "deleted l1"]);
    expect(followed.lists()).toBe(1);
    expect(followed.watches()[1]).toBe(made.metadata.resourceVersion);
    await followed.stop();
  });

  test("who follows what doesn't change is told how far the rest is, and goes on from there", async () => {
    // A bookmark comes two seconds before the end.
    const followed = await follow(client, "quiet", 3);
    // Each half of the changes is remembered, both together aren't.
    const version = await churn(client, "unrelated", 60);
    await expect.poll(() => Number(followed.bookmarks().at(-1) ?? 0)).toBeGreaterThanOrEqual(version);
    const back = followed.lose();
    const watched = followed.watches().length;
    await churn(client, "unrelated", 60);
    await client.create(ConfigMap, labelled("quiet", "q1"));
    back();
    await expect.poll(() => followed.changes).toEqual(["added q1"]);
    expect(followed.lists()).toBe(1);
    expect(followed.bookmarks()).toContain(followed.watches()[watched]);
    await followed.stop();
  });

  test("who follows and comes back too late lists again, and sees what differs", async () => {
    await client.create(ConfigMap, labelled("late", "t1"));
    await client.create(ConfigMap, labelled("late", "t2"));
    const followed = await follow(client, "late");
    const back = followed.lose();
    await client.delete(ConfigMap, { namespace, name: "t1" });
    await client.create(ConfigMap, labelled("late", "t3"));
    await churn(client, "unrelated", 130);
    back();
    await expect.poll(() => followed.changes.slice(2).toSorted()).toEqual(["added t3", "deleted t1"]);
    expect(followed.lists()).toBe(2);
    await followed.stop();
  });

  test("a delete is of the object that was meant, and waits for its finalizers", async () => {
    const held = await client.create(ConfigMap, map("held", {}, { finalizers: ["example.com/hold"] }));
    const key = { namespace, name: "held" };
    const preconditions = { uid: "00000000-0000-0000-0000-000000000000" };
    expect(await reasonOf(client.delete(ConfigMap, key, { preconditions }))).toBe("Conflict");
    await client.delete(ConfigMap, key, { preconditions: { uid: held.metadata.uid ?? "" } });
    expect((await client.get(ConfigMap, key)).metadata.deletionTimestamp).toBeDefined();
    await client.patch(ConfigMap, key, { type: "merge", body: { metadata: { finalizers: null } } });
    expect(await reasonOf(client.get(ConfigMap, key))).toBe("NotFound");
    expect(await reasonOf(client.delete(ConfigMap, key))).toBe("NotFound");
  });

  test("a dry run changes nothing", async () => {
    expect((await client.create(ConfigMap, map("dry", {}), { dryRun: true })).metadata.name).toBe("dry");
    expect(await reasonOf(client.get(ConfigMap, { namespace, name: "dry" }))).toBe("NotFound");
  });
});
