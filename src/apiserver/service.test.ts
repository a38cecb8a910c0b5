import { describe, expect, test } from "vitest";
import { serviceBench } from "../../test/support/service.ts";
import { ConfigMap } from "../api/config-map.ts";
import { Configuration } from "../api/configuration.ts";
import { ApiError } from "../api/meta/errors.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { Namespace } from "../api/namespace.ts";
import { Pod } from "../api/pod.ts";
import { Revision } from "../api/revision.ts";
import { Route } from "../api/route.ts";
import { Secret } from "../api/secret.ts";

const configMap = (name: string, data: Record<string, string> = {}): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

const route = (name: string, metadata = {}): KubeObject & { spec: object } => ({
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Route",
  metadata: { name, ...metadata },
  spec: { rollout: { traffic: [{ configurationName: "a", percent: 100 }] } },
});

const env = [
  { name: "FOO", value: "bar" },
  { name: "HELLO", value: "world" },
];

const configuration = (name: string): object => ({
  apiVersion: "elafros.dev/v1alpha1",
  kind: "Configuration",
  metadata: { name },
  spec: { revisionTemplate: { spec: { container: { image: "gcr.io/x", env } } } },
});

const creator = "elafros.dev/creator";
const modifier = "elafros.dev/last-modifier";

describe("the service's operations", () => {
  test("create(), get(), list(), update(), patch() and delete() work on one object", async () => {
    const { service, as, at } = await serviceBench();
    const created = await service.create(as("ann"), at(ConfigMap), configMap("a", { k: "1" }));
    expect(created.metadata).toMatchObject({ name: "a", namespace: "default", resourceVersion: "2" });
    expect(created.metadata.selfLink).toBe("/api/v1/namespaces/default/configmaps/a");
    const updated = await service.update(as("ann"), at(ConfigMap, "a"), { ...created, data: { k: "2" } });
    expect(updated).toMatchObject({ data: { k: "2" }, metadata: { uid: created.metadata.uid } });
    const patched = await service.patch(as("ann"), at(ConfigMap, "a"), { type: "merge", body: { data: { l: "3" } } });
    expect(patched).toMatchObject({ data: { k: "2", l: "3" } });
    expect((await service.list(as("ann"), at(ConfigMap))).items).toEqual([patched]);
    const { gone } = await service.delete(as("ann"), at(ConfigMap, "a"));
    expect(gone).toBe(true);
    await expect(service.get(as("ann"), at(ConfigMap, "a"))).rejects.toMatchObject({ reason: "NotFound" });
  });

  test("every operation asks the authorizer, and does nothing where it refuses", async () => {
    const asked: string[] = [];
    let allow = true;
    const bench = await serviceBench({
      authorize: (user, { verb, group, resource, subresource, namespace, name }) => {
        asked.push([user.username, verb, group, resource, subresource, namespace, name].join(" "));
        return allow ? Promise.resolve() : Promise.reject(new ApiError("Forbidden", "no"));
      },
    });
    const { service, as, at, store } = bench;
    asked.splice(0);
    await service.create(as("ann"), at(Route), route("a"));
    allow = false;
    const before = store.revision;
    const watch = async (): Promise<void> => {
      for await (const _ of service.watch(as("ann"), at(Route))) throw new Error("told something");
    };
    const all = await Promise.allSettled([
      service.create(as("ann"), at(Route), route("b")),
      service.get(as("ann"), at(Route, "a")),
      service.list(as("ann"), at(Route)),
      watch(),
      service.update(as("ann"), at(Route, "a"), route("a")),
      service.update(as("ann"), at(Route, "a", "status"), route("a")),
      service.patch(as("ann"), at(Route, "a"), { type: "merge", body: {} }),
      service.delete(as("ann"), at(Route, "a")),
      service.deleteCollection(as("ann"), at(Route)),
    ]);
    expect(all.map((result) => result.status)).toEqual(all.map(() => "rejected"));
    expect(store.revision).toBe(before);
    expect(asked).toEqual([
      "ann create elafros.dev routes  default ",
      "ann create elafros.dev routes  default ",
      "ann get elafros.dev routes  default a",
      "ann list elafros.dev routes  default ",
      "ann watch elafros.dev routes  default ",
      "ann update elafros.dev routes  default a",
      "ann update elafros.dev routes status default a",
      "ann patch elafros.dev routes  default a",
      "ann delete elafros.dev routes  default a",
      "ann deletecollection elafros.dev routes  default ",
    ]);
  });

  test("admit() sees objects as they will be stored, and can refuse them", async () => {
    const seen: string[] = [];
    const { service, as, at, store } = await serviceBench({
      admit: ({ operation, object, old }) => {
        seen.push(
          `${operation} ${object.metadata.name} ${String(object.metadata.uid !== undefined)} ${String(old !== undefined)}`,
        );
        if (object.metadata.labels?.["bad"] !== undefined) throw new ApiError("Forbidden", "no bad labels");
        return Promise.resolve();
      },
    });
    await service.create(as("ann"), at(ConfigMap), configMap("a"));
    const before = store.revision;
    const bad = { type: "merge", body: { metadata: { labels: { bad: "1" } } } } as const;
    await expect(service.patch(as("ann"), at(ConfigMap, "a"), bad)).rejects.toMatchObject({ message: "no bad labels" });
    expect(store.revision).toBe(before);
    expect(seen).toEqual(["create default true false", "create a true false", "update a true true"]);
  });
});

describe("who made and changed an object", () => {
  test("is told by annotations that nobody can forge", async () => {
    const { service, as, at } = await serviceBench();
    const forged = { annotations: { [creator]: "eve", [modifier]: "eve", mine: "1" } };
    const created = await service.create(as("ann"), at(Route), route("a", forged));
    expect(created.metadata.annotations).toEqual({ [creator]: "ann", [modifier]: "ann", mine: "1" });
    const traffic = [{ configurationName: "b", percent: 100 }];
    const change = { type: "merge", body: { metadata: forged, spec: { rollout: { traffic } } } } as const;
    const changed = await service.patch(as("bob"), at(Route, "a"), change);
    expect(changed.metadata.annotations).toEqual({ [creator]: "ann", [modifier]: "bob", mine: "1" });
    const removal = { type: "merge", body: { metadata: { annotations: null } } } as const;
    const kept = await service.patch(as("cid"), at(Route, "a"), removal);
    expect(kept.metadata.annotations).toEqual({ [creator]: "ann", [modifier]: "bob" });
  });

  test("Revisions are the controller's to create, with the creator that it names", async () => {
    const { service, as, at } = await serviceBench();
    const revision = {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Revision",
      metadata: { name: "a-00001", annotations: { [creator]: "ann" } },
      spec: { container: { image: "x" } },
    };
    await expect(service.create(as("ann", "system:masters"), at(Revision), revision)).rejects.toMatchObject({
      reason: "Forbidden",
      message: expect.stringContaining("change the Configuration"),
    });
    const made = await service.create(as("controller", "system:elafros:controller"), at(Revision), revision);
    expect(made.metadata.annotations?.[creator]).toBe("ann");
  });

  test("generation grows with spec only", async () => {
    const { service, as, at } = await serviceBench();
    const generations: (number | undefined)[] = [];
    const take = ({ metadata }: KubeObject): void => void generations.push(metadata.generation);
    take(await service.create(as("ann"), at(Route), route("a")));
    take(await service.patch(as("ann"), at(Route, "a"), { type: "merge", body: { metadata: { labels: { a: "1" } } } }));
    take(
      await service.patch(as("ann"), at(Route, "a", "status"), { type: "merge", body: { status: { domain: "x" } } }),
    );
    take(
      await service.patch(as("ann"), at(Route, "a"), {
        type: "merge",
        body: { spec: { rollout: { duration: "3s" } } },
      }),
    );
    take(
      await service.patch(as("ann"), at(Route, "a"), { type: "merge", body: { metadata: { finalizers: ["a.b/c"] } } }),
    );
    take((await service.delete(as("ann"), at(Route, "a"))).object);
    expect(generations).toEqual([1, 1, 1, 2, 2, 2]);
  });
});

describe("patch()", () => {
  test("merges env by name, as scenario 3 does", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("ann"), at(Configuration), configuration("my-service"));
    const patched = await service.patch(as("bob"), at(Configuration, "my-service"), {
      type: "strategic",
      body: { spec: { revisionTemplate: { spec: { container: { env: [{ name: "HELLO", value: "blurg" }] } } } } },
    });
    expect(patched).toMatchObject({
      metadata: { generation: 2, annotations: { [creator]: "ann", [modifier]: "bob" } },
      spec: {
        revisionTemplate: {
          spec: { container: { image: "gcr.io/x", env: [env[0], { name: "HELLO", value: "blurg" }] } },
        },
      },
    });
  });

  test("matches field names without regard to case, before merging; map keys as they are", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("ann"), at(Route), route("a"));
    const traffic = [{ ConfigurationName: "b", percent: 100 }];
    const body = { spec: { Rollout: { Traffic: traffic } }, metadata: { Labels: { Spec: "1", name: "2" } } };
    for (const type of ["merge", "strategic"] as const) {
      const patched = await service.patch(as("ann"), at(Route, "a"), { type, body }, { fieldValidation: "Strict" });
      expect(patched).toMatchObject({
        metadata: { labels: { Spec: "1", name: "2" } },
        spec: { rollout: { traffic: [{ configurationName: "b", percent: 100 }] } },
      });
    }
    const operations = [
      { op: "replace", path: "/Spec/rollout/TRAFFIC/0/configurationname", value: "c" },
      { op: "add", path: "/metadata/labels/Name", value: "3" },
    ];
    const patched = await service.patch(as("ann"), at(Route, "a"), { type: "json", body: operations });
    expect(patched).toMatchObject({
      metadata: { labels: { Spec: "1", name: "2", Name: "3" } },
      spec: { rollout: { traffic: [{ configurationName: "c", percent: 100 }] } },
    });
  });

  test("unites finalizers, as kubectl's directives expect", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("ann"), at(Route), route("a", { finalizers: ["a.dev/one"] }));
    const add = { metadata: { finalizers: ["a.dev/two"] } };
    const both = await service.patch(as("ann"), at(Route, "a"), { type: "strategic", body: add });
    // New elements come first, as Kubernetes puts them.
    expect(both.metadata.finalizers).toEqual(["a.dev/two", "a.dev/one"]);
    const drop = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a.dev/one"] } };
    const one = await service.patch(as("ann"), at(Route, "a"), { type: "strategic", body: drop });
    expect(one.metadata.finalizers).toEqual(["a.dev/two"]);
  });

  test("at once from many sides loses nothing", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("ann"), at(ConfigMap), configMap("a"));
    const keys = Array.from({ length: 12 }, (_, index) => `k${index}`);
    await Promise.all(
      keys.map((key) =>
        service.patch(as("ann"), at(ConfigMap, "a"), { type: "merge", body: { data: { [key]: "1" } } }),
      ),
    );
    const { data } = (await service.get(as("ann"), at(ConfigMap, "a"))) as KubeObject & { data: object };
    expect(Object.keys(data).toSorted()).toEqual(keys.toSorted());
  });

  test("with a resourceVersion is done once or refused", async () => {
    const { service, as, at } = await serviceBench();
    const { metadata } = await service.create(as("ann"), at(ConfigMap), configMap("a"));
    const { resourceVersion } = metadata;
    const patch = (value: string) =>
      service.patch(as("ann"), at(ConfigMap, "a"), {
        type: "merge",
        body: { metadata: { resourceVersion }, data: { value } },
      });
    const results = await Promise.allSettled(["1", "2", "3"].map((value) => patch(value)));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(results[1]).toMatchObject({ reason: { reason: "Conflict" } });
  });
});

describe("writes", () => {
  test("PUT of a built-in kind needs no resourceVersion", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("ann"), at(ConfigMap), configMap("a", { k: "1" }));
    const put = await service.update(as("ann"), at(ConfigMap, "a"), configMap("a", { k: "2" }));
    expect(put).toMatchObject({ data: { k: "2" }, metadata: { resourceVersion: "3" } });
  });

  test("every fault comes in one answer, and nothing is stored", async () => {
    const { service, as, at, store } = await serviceBench();
    const before = store.revision;
    const traffic = [
      { configurationName: "a", percent: "x" },
      { percent: 10 },
      { configurationName: "b", percent: 101 },
    ];
    const body = { ...route("Bad_Name", { labels: { "-": "x" } }), spec: { rollout: { traffic } } };
    const error: unknown = await service.create(as("ann"), at(Route), body).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ reason: "Invalid" });
    const fields = (error as ApiError).details?.causes?.map(({ field }) => field) ?? [];
    expect(fields).toEqual(
      expect.arrayContaining([
        "metadata.name",
        "metadata.labels",
        "spec.rollout.traffic[0].percent",
        "spec.rollout.traffic[2].percent",
      ]),
    );
    expect(store.revision).toBe(before);
  });

  test("what decoding found is refused with Strict and told with Warn", async () => {
    const { service, as, at } = await serviceBench();
    const decodeFaults = ['duplicate field "spec.rollout"'];
    const strict = { fieldValidation: "Strict", decodeFaults } as const;
    await expect(service.create(as("ann"), at(Route), route("a"), strict)).rejects.toMatchObject({
      reason: "BadRequest",
      message:
        'Route in version "v1alpha1" cannot be handled as a Route: strict decoding error: duplicate field "spec.rollout"',
    });
    const context = as("ann");
    await service.create(context, at(Route), route("a"), { fieldValidation: "Warn", decodeFaults });
    expect(context.warnings).toEqual(decodeFaults);
  });

  test("generateName finds a free name", async () => {
    const { service, as, at } = await serviceBench();
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "gen-" } };
    const made = await Promise.all(Array.from({ length: 20 }, () => service.create(as("ann"), at(ConfigMap), body)));
    const names = made.map(({ metadata }) => metadata.name);
    expect(new Set(names).size).toBe(20);
    for (const name of names) expect(name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  test("dry runs answer as the write would, and write nothing", async () => {
    const { service, as, at, store } = await serviceBench();
    const before = store.revision;
    const dry = { dryRun: true };
    const created = await service.create(as("ann"), at(ConfigMap), configMap("a"), dry);
    expect(created.metadata.uid).toBeDefined();
    expect(created.metadata.resourceVersion).toBeUndefined();
    await service.create(as("ann"), at(ConfigMap), configMap("b"));
    await expect(service.create(as("ann"), at(ConfigMap), configMap("b"), dry)).rejects.toMatchObject({
      reason: "AlreadyExists",
    });
    await service.patch(as("ann"), at(ConfigMap, "b"), { type: "merge", body: { data: { k: "1" } } }, dry);
    await service.delete(as("ann"), at(ConfigMap, "b"), dry);
    await service.deleteCollection(as("ann"), at(ConfigMap), dry);
    expect(store.revision).toBe(before + 1);
  });

  test("a Secret's stringData becomes data and is never read back", async () => {
    const { service, as, at } = await serviceBench();
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { k: "v" } };
    const created = await service.create(as("ann"), at(Secret), secret);
    expect(created).toMatchObject({ data: { k: "dg==" }, type: "Opaque" });
    expect(created).not.toHaveProperty("stringData");
  });

  test("an object's own values can be changed by whoever got them", async () => {
    const { service, as, at } = await serviceBench();
    const created = (await service.create(as("ann"), at(ConfigMap), configMap("a", { k: "1" }))) as KubeObject & {
      data: Record<string, string>;
    };
    created.data["k"] = "changed";
    expect(await service.get(as("ann"), at(ConfigMap, "a"))).toMatchObject({ data: { k: "1" } });
    const { items } = await service.list(as("ann"), at(ConfigMap));
    expect(Object.isFrozen(items[0]?.metadata)).toBe(true);
  });

  test("names like __proto__ are names like any other", async () => {
    const { service, as, at } = await serviceBench();
    const body: unknown = JSON.parse(
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"__proto__":"x","constructor":"y"},"__proto__":{"polluted":1}}',
    );
    const context = as("ann");
    const answer = await service.create(context, at(ConfigMap), body).catch((error: unknown) => error);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    if (answer instanceof ApiError) expect(answer.reason).toBe("Invalid");
    else expect(context.warnings).toEqual(['unknown field "__proto__"']);
  });

  test("nothing is created where there is no namespace", async () => {
    const { service, as } = await serviceBench();
    await expect(
      service.create(as("ann"), { kind: ConfigMap, namespace: "absent" }, configMap("a")),
    ).rejects.toMatchObject({
      reason: "NotFound",
      message: 'namespaces "absent" not found',
      details: { name: "absent", kind: "namespaces" },
    });
  });

  test("a full disk is told to the client, and what was there stays", async () => {
    const { service, as, at } = await serviceBench({ storeOptions: { maxBytes: 160_000 } });
    const data = { k: "x".repeat(20_000) };
    const fill = async (): Promise<void> => {
      for (let n = 0; n < 50; n += 1) await service.create(as("ann"), at(ConfigMap), configMap(`c${n}`, data));
    };
    await expect(fill()).rejects.toMatchObject({
      reason: "ServiceUnavailable",
      message: "Cannot store the object: the disk is full. Free some space on it, then try again",
    });
    const { items } = await service.list(as("ann"), at(ConfigMap));
    expect(items.length).toBeGreaterThan(0);
    for (const { metadata } of items) expect(await service.get(as("ann"), at(ConfigMap, metadata.name))).toBeDefined();
  });
});

describe("list()", () => {
  test("pages are of one moment, whatever is written between them", async () => {
    const { service, as, at } = await serviceBench();
    for (let n = 0; n < 9; n += 1) await service.create(as("ann"), at(ConfigMap), configMap(`c${n}`, { n: String(n) }));
    const whole = await service.list(as("ann"), at(ConfigMap));
    const seen: KubeObject[] = [];
    let token: string | undefined;
    do {
      const page = await service.list(as("ann"), at(ConfigMap), {
        limit: 2,
        ...(token === undefined ? {} : { continue: token }),
      });
      expect(page.metadata.resourceVersion).toBe(whole.metadata.resourceVersion);
      seen.push(...page.items);
      token = page.metadata.continue;
      await service.delete(as("ann"), at(ConfigMap, `c${seen.length % 9}`)).catch(() => undefined);
      await service.create(as("ann"), at(ConfigMap), configMap(`c${seen.length}-new`));
      const patch = { type: "merge", body: { data: { changed: "1" } } } as const;
      await service.patch(as("ann"), at(ConfigMap, "c7"), patch);
    } while (token !== undefined);
    expect(seen).toEqual(whole.items);
  });

  test("a page after the history is Expired, with a token that goes on", async () => {
    const { service, as, at } = await serviceBench({
      storeOptions: { history: { changes: 3, bytes: 1e9, ageMs: 1e9 } },
    });
    for (let n = 0; n < 4; n += 1) await service.create(as("ann"), at(ConfigMap), configMap(`c${n}`));
    const first = await service.list(as("ann"), at(ConfigMap), { limit: 1 });
    for (let n = 4; n < 9; n += 1) await service.create(as("ann"), at(ConfigMap), configMap(`c${n}`));
    const error: unknown = await service
      .list(as("ann"), at(ConfigMap), { limit: 1, continue: first.metadata.continue ?? "" })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ reason: "Expired" });
    const token = (error as ApiError).toStatus().metadata.continue ?? "";
    const rest = await service.list(as("ann"), at(ConfigMap), { continue: token });
    expect(rest.items.map(({ metadata }) => metadata.name)).toEqual(["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"]);
  });
});

describe("virtual kinds", () => {
  test("are read, listed and watched, and refuse writes with the way out", async () => {
    let pods: KubeObject[] = [];
    const listeners = new Set<() => void>();
    const show = (...objects: KubeObject[]): void => {
      pods = objects;
      for (const listener of listeners) listener();
    };
    const pod = (name: string, phase: string): KubeObject =>
      ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default", uid: `uid-${name}`, creationTimestamp: "2026-01-01T00:00:00Z" },
        spec: { containers: [] },
        status: { phase },
      }) as KubeObject;
    const bench = await serviceBench({
      virtual: [
        {
          kind: Pod,
          list: () => pods,
          subscribe: (listener) => (listeners.add(listener), () => listeners.delete(listener)),
        },
      ],
    });
    const { service, as, at } = bench;
    show(pod("a", "Pending"));
    const first = await service.list(as("ann"), at(Pod));
    expect(first.items.map(({ metadata }) => metadata.name)).toEqual(["a"]);
    const abort = new AbortController();
    const events: string[] = [];
    const watching = (async () => {
      const { resourceVersion } = first.metadata;
      for await (const { type, object } of service.watch({ ...as("ann"), signal: abort.signal }, at(Pod), {
        resourceVersion,
      })) {
        events.push(
          `${type} ${object.metadata.name} ${(object as KubeObject & { status: { phase: string } }).status.phase}`,
        );
      }
    })();
    show(pod("a", "Running"), pod("b", "Pending"));
    await expect.poll(() => events).toEqual(["MODIFIED a Running", "ADDED b Pending"]);
    show(pod("a", "Running"));
    await expect.poll(() => events).toEqual(["MODIFIED a Running", "ADDED b Pending", "DELETED b Pending"]);
    abort.abort();
    await watching;
    expect((await service.list(as("ann"), at(Pod), { fieldSelector: "status.phase=Running" })).items).toHaveLength(1);
    const stale = service.watch(as("ann"), at(Pod), { resourceVersion: "7" })[Symbol.asyncIterator]().next();
    await expect(stale).rejects.toMatchObject({ reason: "Expired" });
    for (const write of [
      service.create(as("ann"), at(Pod), pod("c", "Running")),
      service.patch(as("ann"), at(Pod, "a"), { type: "merge", body: {} }),
      service.delete(as("ann"), at(Pod, "a")),
    ]) {
      await expect(write).rejects.toMatchObject({
        reason: "MethodNotAllowed",
        message: expect.stringContaining("change the Configuration"),
      });
    }
  });
});

test("Namespaces get their label, finalizer and phase, and keep them", async () => {
  const { service, as } = await serviceBench();
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" }, spec: { finalizers: ["mine"] } };
  const created = await service.create(as("ann"), { kind: Namespace }, body);
  const expected = {
    metadata: { labels: { "kubernetes.io/metadata.name": "shop" } },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  };
  expect(created).toMatchObject(expected);
  const patch = { type: "merge", body: { metadata: { labels: null }, spec: { finalizers: null } } } as const;
  expect(await service.patch(as("ann"), { kind: Namespace, name: "shop" }, patch)).toMatchObject(expected);
});
