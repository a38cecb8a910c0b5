import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { serviceBench } from "../../test/support/service.ts";
import type { ServiceBench } from "../../test/support/service.ts";
import { ConfigMap } from "../api/config-map.ts";
import { Event } from "../api/event.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject, OwnerReference } from "../api/meta/types.ts";
import { Namespace } from "../api/namespace.ts";
import { Secret } from "../api/secret.ts";
import { ServiceAccount } from "../api/service-account.ts";
import type { Clock } from "../lib/clock.ts";
import { rfc3339 } from "../lib/clock.ts";
import { startHousekeeping } from "./housekeeping.ts";

/** A service with its housekeeping, for the one namespace `default`. */
async function kept(clock?: Clock): Promise<ServiceBench> {
  const bench = await serviceBench(clock === undefined ? {} : { clock });
  const housekeeping = await startHousekeeping({ ...bench.options });
  onTestFinished(() => housekeeping.stop());
  return bench;
}

const ownedBy = (owner: KubeObject, rest: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name,
  uid: owner.metadata.uid ?? "",
  ...rest,
});

async function make(
  { service, as, at }: ServiceBench,
  kind: Kind,
  metadata: { name: string; ownerReferences?: OwnerReference[]; finalizers?: string[] },
): Promise<KubeObject> {
  return service.create(as("ann"), at(kind), { apiVersion: "v1", kind: kind.kind, metadata });
}

const namesOf = async ({ service, as, at }: ServiceBench, kind: Kind): Promise<string[]> =>
  (await service.list(as("ann"), at(kind))).items.map(({ metadata }) => metadata.name);

describe("startHousekeeping() and owners", () => {
  test("deletes what belonged to a deleted object, over all generations", async () => {
    const bench = await kept();
    const root = await make(bench, ConfigMap, { name: "root" });
    const child = await make(bench, Secret, { name: "child", ownerReferences: [ownedBy(root)] });
    await make(bench, ConfigMap, { name: "grandchild", ownerReferences: [ownedBy(child)] });
    await make(bench, ConfigMap, { name: "other" });
    await bench.service.delete(bench.as("ann"), bench.at(ConfigMap, "root"));
    await expect.poll(() => namesOf(bench, ConfigMap)).toEqual(["other"]);
    expect(await namesOf(bench, Secret)).toEqual([]);
  });

  test("keeps what has another owner, and takes the gone one out", async () => {
    const bench = await kept();
    const [a, b] = [await make(bench, ConfigMap, { name: "a" }), await make(bench, ConfigMap, { name: "b" })];
    await make(bench, Secret, { name: "both", ownerReferences: [ownedBy(a), ownedBy(b)] });
    await bench.service.delete(bench.as("ann"), bench.at(ConfigMap, "a"));
    const owners = async (): Promise<string[] | undefined> => {
      const object = await bench.service.get(bench.as("ann"), bench.at(Secret, "both"));
      return object.metadata.ownerReferences?.map(({ name }) => name);
    };
    await expect.poll(owners).toEqual(["b"]);
  });

  test("deletes what is created for an owner that is gone, or for its namesake", async () => {
    const bench = await kept();
    const a = await make(bench, ConfigMap, { name: "a" });
    await make(bench, Secret, { name: "late", ownerReferences: [ownedBy(a, { uid: "another" })] });
    await expect.poll(() => namesOf(bench, Secret)).toEqual([]);
  });

  test("keeps what belongs to a kind that isn't served", async () => {
    const bench = await kept();
    const a = await make(bench, ConfigMap, { name: "a" });
    await make(bench, Secret, {
      name: "foreign",
      ownerReferences: [ownedBy(a, { apiVersion: "apps/v1", kind: "Deployment" })],
    });
    await make(bench, Secret, { name: "gone", ownerReferences: [ownedBy(a, { uid: "x" })] });
    await expect.poll(() => namesOf(bench, Secret)).toEqual(["foreign"]);
  });

  test("Foreground: the owner goes after the dependents that block it", async () => {
    const bench = await kept();
    const owner = await make(bench, ConfigMap, { name: "owner" });
    const blocking = ownedBy(owner, { blockOwnerDeletion: true });
    await make(bench, Secret, { name: "held", ownerReferences: [blocking], finalizers: ["example.com/hold"] });
    const { gone } = await bench.service.delete(bench.as("ann"), bench.at(ConfigMap, "owner"), {
      propagationPolicy: "Foreground",
    });
    expect(gone).toBe(false);
    const heldBy = async (): Promise<unknown> =>
      (await bench.service.get(bench.as("ann"), bench.at(Secret, "held"))).metadata.deletionTimestamp;
    await expect.poll(heldBy).toBeDefined();
    expect(await namesOf(bench, ConfigMap)).toEqual(["owner"]);
    const release = { type: "merge", body: { metadata: { finalizers: null } } } as const;
    await bench.service.patch(bench.as("ann"), bench.at(Secret, "held"), release);
    await expect.poll(() => namesOf(bench, ConfigMap)).toEqual([]);
    expect(await namesOf(bench, Secret)).toEqual([]);
  });

  test("Orphan: dependents stay and forget the owner", async () => {
    const bench = await kept();
    const owner = await make(bench, ConfigMap, { name: "owner" });
    await make(bench, Secret, { name: "dependent", ownerReferences: [ownedBy(owner)] });
    await bench.service.delete(bench.as("ann"), bench.at(ConfigMap, "owner"), { propagationPolicy: "Orphan" });
    await expect.poll(() => namesOf(bench, ConfigMap)).toEqual([]);
    const dependent = await bench.service.get(bench.as("ann"), bench.at(Secret, "dependent"));
    expect(dependent.metadata.ownerReferences).toBeUndefined();
  });

  test("goes on after a restart with what was left", async () => {
    const bench = await serviceBench();
    const owner = await make(bench, ConfigMap, { name: "owner" });
    await make(bench, Secret, { name: "dependent", ownerReferences: [ownedBy(owner)] });
    await bench.service.delete(bench.as("ann"), bench.at(ConfigMap, "owner"));
    expect(await namesOf(bench, Secret)).toEqual(["dependent"]);
    const housekeeping = await startHousekeeping(bench.options);
    onTestFinished(() => housekeeping.stop());
    await expect.poll(() => namesOf(bench, Secret)).toEqual([]);
  });
});

describe("startHousekeeping() and namespaces", () => {
  const namespace = (name: string): object => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const names = async ({ service, as }: ServiceBench): Promise<string[]> =>
    (await service.list(as("ann"), { kind: Namespace })).items.map(({ metadata }) => metadata.name);

  test("the standing namespaces are there and can't be deleted", async () => {
    const bench = await kept();
    expect(await names(bench)).toEqual(["build-templates", "default"]);
    await expect(bench.service.delete(bench.as("ann"), { kind: Namespace, name: "default" })).rejects.toMatchObject({
      reason: "Forbidden",
      message: 'namespaces "default" is forbidden: this namespace may not be deleted',
    });
  });

  test("every namespace has the account default, again after it was deleted", async () => {
    const bench = await kept();
    await bench.service.create(bench.as("ann"), { kind: Namespace }, namespace("shop"));
    const target = { kind: ServiceAccount, namespace: "shop", name: "default" };
    const uid = async (): Promise<string | undefined> =>
      (await bench.service.get(bench.as("ann"), target).catch(() => undefined))?.metadata.uid;
    await expect.poll(uid).toBeDefined();
    const first = await uid();
    await bench.service.delete(bench.as("ann"), target);
    await expect.poll(async () => ![undefined, first].includes(await uid())).toBe(true);
  });

  test("a deleted namespace takes everything with it, and takes nothing in meanwhile", async () => {
    const bench = await kept();
    const { service, as } = bench;
    await service.create(as("ann"), { kind: Namespace }, namespace("shop"));
    const inside = { kind: ConfigMap, namespace: "shop" };
    const configMap = (name: string, rest = {}): object => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, ...rest },
    });
    await service.create(as("ann"), inside, configMap("a"));
    await service.create(as("ann"), inside, configMap("held", { finalizers: ["example.com/hold"] }));
    const { object, gone } = await service.delete(as("ann"), { kind: Namespace, name: "shop" });
    expect(gone).toBe(false);
    expect(object).toMatchObject({ spec: { finalizers: ["kubernetes"] }, status: { phase: "Terminating" } });
    await expect(service.create(as("ann"), inside, configMap("late"))).rejects.toMatchObject({
      reason: "Forbidden",
      message:
        'configmaps "late" is forbidden: unable to create new content in namespace shop because it is being terminated',
      details: { causes: [{ reason: "NamespaceTerminating", field: "metadata.namespace" }] },
    });
    const left = async (): Promise<string[]> =>
      (await service.list(as("ann"), inside)).items.map(({ metadata }) => metadata.name);
    await expect.poll(left).toEqual(["held"]);
    expect(await names(bench)).toContain("shop");
    await service.patch(
      as("ann"),
      { ...inside, name: "held" },
      { type: "merge", body: { metadata: { finalizers: [] } } },
    );
    await expect.poll(() => names(bench)).not.toContain("shop");
    expect(bench.store.collection("serviceaccounts").get("shop/default")).toBeUndefined();
  });

  test("a namespace under load ends empty: nothing outlives it", async () => {
    const bench = await kept();
    const { service, as, store } = bench;
    await service.create(as("ann"), { kind: Namespace }, namespace("busy"));
    const inside = { kind: ConfigMap, namespace: "busy" };
    const stop = new AbortController();
    const writer = async (id: number): Promise<void> => {
      for (let n = 0; !stop.signal.aborted; n += 1) {
        const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `w${id}-${n}` } };
        // A refusal comes within the turn: without a pause the writers would let nothing else run.
        await service.create(as("ann"), inside, body).catch(() => nextTurn());
      }
    };
    const writers = [1, 2, 3, 4].map((id) => writer(id));
    await expect.poll(() => store.collection("configmaps").range("busy/").length).toBeGreaterThan(20);
    await service.delete(as("ann"), { kind: Namespace, name: "busy" });
    await expect.poll(() => names(bench)).not.toContain("busy");
    stop.abort();
    await Promise.all(writers);
    expect(store.collection("configmaps").range("busy/")).toEqual([]);
  });
});

test("startHousekeeping() removes Events an hour after they happened last", async () => {
  const clock = manualClock();
  const bench = await kept(clock);
  const event = (name: string, at: number): object => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: "default" },
    involvedObject: { kind: "ConfigMap", name: "a", namespace: "default" },
    lastTimestamp: rfc3339(at),
  });
  await bench.service.create(bench.as("ann"), bench.at(Event), event("old", clock.now() - 3_500_000));
  await bench.service.create(bench.as("ann"), bench.at(Event), event("new", clock.now()));
  await clock.advance(60_000);
  expect(await namesOf(bench, Event)).toEqual(["new", "old"]);
  await clock.advance(60_000);
  await expect.poll(() => namesOf(bench, Event)).toEqual(["new"]);
});
