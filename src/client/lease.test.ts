import { describe, expect, it } from "vitest";
import { manualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { ApiError } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { silentLog } from "../lib/log.ts";
import type { Client } from "./client.ts";
import { decideLease, freedLease, heldLease, type Lease, lookAgain } from "./lease-decision.ts";
import { startElection } from "./lease.ts";

const lease = (spec: NonNullable<Lease["spec"]>): Lease => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "l", namespace: "n", uid: "1", resourceVersion: "7" },
  spec,
});
const byB = lease({ holderIdentity: "b", leaseDurationSeconds: 15, renewTime: "x", leaseTransitions: 3 });

describe("decideLease", () => {
  it.each([
    ["there is none", undefined, 0, { do: "create" }],
    ["it is its own", { lease: lease({ holderIdentity: "a" }), at: 0 }, 1_000_000, { do: "renew" }],
    ["it was given back", { lease: lease({ holderIdentity: "", leaseDurationSeconds: 1 }), at: 0 }, 0, { do: "take" }],
    ["another has it", { lease: byB, at: 1_000 }, 2_000, { do: "wait", ms: 14_000 }],
    ["a moment before it ends", { lease: byB, at: 1_000 }, 15_999, { do: "wait", ms: 1 }],
    ["it has ended", { lease: byB, at: 1_000 }, 16_000, { do: "take" }],
  ])("decideLease() when %s", (_, seen, now, expected) => {
    expect(decideLease(seen, "a", now)).toEqual(expected);
  });

  it("lookAgain() counts from when the lease was first seen as it is, whatever times it holds", () => {
    const first = lookAgain(undefined, byB, 100);
    expect(lookAgain(first, { ...byB }, 9_000).at).toBe(100);
    expect(lookAgain(first, lease({ ...byB.spec, renewTime: "y" }), 9_000).at).toBe(9_000);
  });

  it("heldLease() renews its own, and counts a transition where it takes another's", () => {
    const holder = { namespace: "n", name: "l", identity: "b", durationMs: 15_000 };
    const now = Date.UTC(2026, 0, 1);
    expect(heldLease(undefined, holder, now).spec).toEqual({
      holderIdentity: "b",
      leaseDurationSeconds: 15,
      acquireTime: "2026-01-01T00:00:00.000000Z",
      renewTime: "2026-01-01T00:00:00.000000Z",
      leaseTransitions: 0,
    });
    const renewed = heldLease(lease({ ...byB.spec, acquireTime: "before" }), holder, now);
    expect(renewed.spec).toMatchObject({ acquireTime: "before", leaseTransitions: 3 });
    expect(renewed.metadata.resourceVersion).toBe("7");
    expect(heldLease(byB, { ...holder, identity: "a" }, now).spec).toMatchObject({
      holderIdentity: "a",
      leaseTransitions: 4,
    });
    expect(freedLease(byB, now).spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  });
});

/** Answers as Kubernetes was recorded to (`workloads/lease.json`): AlreadyExists, Conflict for an old version. */
function leaseServer() {
  let stored: Lease | undefined;
  let version = 1;
  let down = false;
  const look = () => {
    if (down) throw new ApiError("ServiceUnavailable", "away");
  };
  const store = <T extends KubeObject>(object: T): T => {
    version += 1;
    stored = { ...structuredClone(object), metadata: { ...object.metadata, resourceVersion: String(version) } };
    return structuredClone(stored) as unknown as T;
  };
  const client: Pick<Client, "get" | "create" | "update"> = {
    get: async <T extends KubeObject>(_kind: Kind<T>) => {
      look();
      if (stored === undefined) throw new ApiError("NotFound", "none");
      return structuredClone(stored) as unknown as T;
    },
    create: async (_, object) => {
      look();
      if (stored !== undefined) throw new ApiError("AlreadyExists", "there");
      return store(object);
    },
    update: async (_, object) => {
      look();
      if (stored?.metadata.resourceVersion !== object.metadata.resourceVersion) throw new ApiError("Conflict", "old");
      return store(object);
    },
  };
  return { client, spec: () => stored?.spec, setDown: (value: boolean) => (down = value) };
}

/** @param ahead how far its machine's clock was set ahead by now; negative: back */
function candidate(
  identity: string,
  client: Pick<Client, "get" | "create" | "update">,
  clock: ManualClock,
  ahead = () => 0,
) {
  const told: string[] = [];
  const election = startElection({
    client,
    clock: { now: () => clock.now() + ahead(), after: (ms, callback) => clock.after(ms, callback) },
    steady: () => clock.now(),
    log: silentLog,
    namespace: "n",
    name: "l",
    identity,
    onAcquired: () => told.push("acquired"),
    onLost: () => told.push("lost"),
    random: () => 0.5,
  });
  return { told, ...election };
}

describe("startElection", () => {
  it("startElection() gives the lease to one of two, and to the other as soon as it is given back", async () => {
    const clock = manualClock();
    const server = leaseServer();
    const [a, b] = [candidate("a", server.client, clock), candidate("b", server.client, clock)];
    await clock.advance(60_000);
    expect([a, b].filter((one) => one.held())).toHaveLength(1);
    const [first, second] = a.held() ? [a, b] : [b, a];
    expect(second.told).toEqual([]);
    await first.stop();
    expect(first.held()).toBe(false);
    await clock.advance(2_000);
    expect(second.held()).toBe(true);
    expect(first.told).toEqual(["acquired"]);
    expect(server.spec()?.leaseTransitions).toBe(1);
    await second.stop();
  });

  it("startElection() has stopped the leader before another can take the lease", async () => {
    const clock = manualClock();
    const server = leaseServer();
    let cut = false;
    const behind = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
      return (...args: A) => (cut ? Promise.reject(new ApiError("ServiceUnavailable", "cut off")) : call(...args));
    };
    const { get, create, update } = server.client;
    const a = candidate(
      "a",
      {
        get: behind(get),
        create: behind(create),
        update: behind(update),
      },
      clock,
    );
    await clock.advance(5_000);
    expect(a.held()).toBe(true);
    const b = candidate("b", server.client, clock);
    await clock.advance(1_000);
    cut = true;
    let takenAfter = 0;
    for (let ms = 0; ms < 30_000 && !b.held(); ms += 100) {
      await clock.advance(100);
      expect(a.held() && b.held()).toBe(false);
      if (a.told.includes("lost") && takenAfter === 0) takenAfter = ms;
    }
    expect(takenAfter).toBeLessThanOrEqual(10_000);
    expect(a.told).toEqual(["acquired", "lost"]);
    expect(b.told).toEqual(["acquired"]);
    cut = false;
    await clock.advance(60_000);
    expect(a.held()).toBe(false);
    await Promise.all([a.stop(), b.stop()]);
  });

  it.each([3_600_000, -3_600_000])(
    "startElection() lets nobody lead besides another where clocks are set by %i ms",
    async (by) => {
      const clock = manualClock();
      const server = leaseServer();
      let [cut, ahead] = [false, 0];
      const behind = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
        return (...args: A) => (cut ? Promise.reject(new ApiError("ServiceUnavailable", "cut off")) : call(...args));
      };
      const { get, create, update } = server.client;
      const own = { get: behind(get), create: behind(create), update: behind(update) };
      const a = candidate("a", own, clock, () => ahead);
      await clock.advance(5_000);
      const b = candidate("b", server.client, clock, () => ahead);
      await clock.advance(4_000);
      // It leads for some seconds more without a word.
      cut = true;
      await clock.advance(3_000);
      ahead = by;
      let longest = 0;
      for (let ms = 0; ms < 30_000 && !b.held(); ms += 100) {
        await clock.advance(100);
        if (!a.told.includes("lost")) longest = ms;
        expect([a.told.includes("lost") || !b.held(), a.held() && b.held()]).toEqual([true, false]);
      }
      expect(longest).toBeLessThan(10_000);
      expect(b.held()).toBe(true);
      await Promise.all([a.stop(), b.stop()]);
    },
  );

  it("startElection() outlives a server that is away for less than the deadline", async () => {
    const clock = manualClock();
    const server = leaseServer();
    const a = candidate("a", server.client, clock);
    await clock.advance(3_000);
    server.setDown(true);
    await clock.advance(7_000);
    server.setDown(false);
    await clock.advance(20_000);
    expect(a.told).toEqual(["acquired"]);
    expect(a.held()).toBe(true);
    await a.stop();
  });

  it("startElection() doesn't lead by a renewal that was answered too late", async () => {
    const clock = manualClock();
    const server = leaseServer();
    const gate = Promise.withResolvers<void>();
    const create: Client["create"] = async (kind, object) => {
      const made = await server.client.create(kind, object);
      await gate.promise;
      return made;
    };
    const a = candidate("a", { ...server.client, create }, clock);
    await clock.advance(11_000);
    gate.resolve();
    await clock.advance(0);
    expect(a.told).toEqual([]);
    await clock.advance(2_000);
    expect(a.told).toEqual(["acquired"]);
    await a.stop();
  });

  it("startElection() leaves a lease alone that another took while it was being given back", async () => {
    const clock = manualClock();
    const server = leaseServer();
    const a = candidate("a", server.client, clock);
    await clock.advance(1_000);
    const current = await server.client.get({} as Kind<Lease>, { name: "l" });
    await server.client.update({} as Kind<Lease>, { ...current, spec: { ...current.spec, holderIdentity: "c" } });
    await a.stop();
    expect(server.spec()?.holderIdentity).toBe("c");
  });
});
