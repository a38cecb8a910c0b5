import { describe, expect, it, onTestFinished } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { serviceBench } from "../../test/support/service.ts";
import { Route, type RouteStatus } from "../api/route.ts";
import type { Client } from "../client/client.ts";
import { inProcessClient } from "../client/in-process.ts";
import { startInformer } from "../client/informer.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { startController } from "./controller.ts";
import { type Plan, type PlannedEvent, TerminalError } from "./plan.ts";

type Act = { do: "act" };
const key = { namespace: "default", name: "web" };
const traffic = [{ revisionName: "r", percent: 100 }];

/** A controller of Routes whose plan and actions the test gives, over the real API. */
async function bench(given: {
  plan: (route: Route, now: number) => Partial<Plan<RouteStatus, Act>>;
  execute?: () => Promise<void> | void;
  absent?: boolean;
  wrap?: (client: Client) => Client;
}) {
  const clock: ManualClock = manualClock();
  const { service } = await serviceBench({ clock });
  const user = inProcessClient(service, { username: "ann", groups: [] });
  const plain = inProcessClient(service, { username: "system:controller", groups: ["system:elafros:controller"] });
  const client = given.wrap?.(plain) ?? plain;
  const informer = startInformer({ client, kind: Route, clock, log: silentLog });
  await informer.synced;
  const seen = { plans: 0, acts: [] as string[], events: [] as PlannedEvent[], logged: [] as string[], mutated: false };
  const log: Log = {
    ...silentLog,
    warn: (_, message) => void seen.logged.push(`warn ${message}`),
    error: (_, message) => void seen.logged.push(`error ${message}`),
    child: () => log,
  };
  const controller = startController(
    {
      client,
      clock,
      log,
      random: () => 0,
      events: { record: (_, event) => void seen.events.push(event), flush: async () => {} },
    },
    {
      name: "test",
      informer,
      observe: (route: Route) => route,
      plan(route, now): Plan<RouteStatus | undefined, Act> {
        seen.plans += 1;
        return { actions: [], events: [], ...given.plan(route, now) };
      },
      ...(given.absent === true ? { absent: () => [{ do: "act" }] as const } : {}),
      async execute(action, name) {
        seen.acts.push(`${action.do} ${name}`);
        await given.execute?.();
      },
    },
  );
  onTestFinished(async () => {
    await controller.stop();
    await informer.stop();
  });
  const create = () =>
    user.create(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: key,
      spec: { rollout: { traffic } },
    });
  return { clock, user, client: plain, controller, seen, create, get: () => plain.get(Route, key) };
}

describe("startController()", () => {
  it("writes the status where it differs, then records the events, and rests", async () => {
    const { create, get, seen, controller } = await bench({
      plan: (route) => ({
        status: { domain: "web.example.com" },
        events: route.status?.domain === undefined ? [{ type: "Normal", reason: "Named", message: "x" }] : [],
      }),
    });
    await create();
    await expect.poll(async () => (await get()).status).toEqual({ domain: "web.example.com" });
    await expect.poll(() => controller.idle).toBe(true);
    const { resourceVersion } = (await get()).metadata;
    controller.enqueue("default/web");
    await expect.poll(() => seen.plans).toBeGreaterThan(2);
    await expect.poll(() => controller.idle).toBe(true);
    expect((await get()).metadata.resourceVersion).toBe(resourceVersion);
    expect(seen.events.map(({ reason }) => reason)).toEqual(["Named"]);
  });

  it("puts the status onto what is there now when someone changed the object meanwhile", async () => {
    let conflicts = 0;
    const { create, get, seen } = await bench({
      plan: () => ({ status: { domain: "web.example.com" } }),
      wrap: (client) => ({
        ...client,
        updateStatus: async (kind, object, options) => {
          if (conflicts++ === 0) {
            await client.patch(kind, key, { type: "merge", body: { metadata: { labels: { by: "someone" } } } });
          }
          return client.updateStatus(kind, object, options);
        },
      }),
    });
    await create();
    await expect.poll(async () => (await get()).status).toEqual({ domain: "web.example.com" });
    expect((await get()).metadata.labels).toEqual({ by: "someone" });
    expect(seen.logged).toEqual([]);
  });

  it("tries a failed run again after a growing delay, from the start", async () => {
    let failures = 3;
    const { create, seen, clock, controller } = await bench({
      plan: () => ({ actions: [{ do: "act" }] }),
      execute() {
        if (failures-- > 0) throw new Error("registry away");
      },
    });
    await create();
    for (const [failed, delay] of [5, 10, 20].entries()) {
      await expect.poll(() => [seen.acts.length, controller.idle]).toEqual([failed + 1, true]);
      await clock.advance(delay - 1);
      expect(seen.acts).toHaveLength(failed + 1);
      await clock.advance(1);
    }
    await expect.poll(() => [seen.acts.length, controller.idle]).toEqual([4, true]);
    expect(seen.logged).toEqual(Array(3).fill("warn Cannot reconcile; trying again"));
    await clock.advance(60_000);
    expect(seen.acts).toHaveLength(4);
  });

  it("logs a terminal error once and waits for a change", async () => {
    const { create, seen, clock, user } = await bench({
      plan: () => ({ actions: [{ do: "act" }] }),
      execute() {
        throw new TerminalError("never");
      },
    });
    await create();
    await expect.poll(() => seen.logged).toEqual(["error Cannot reconcile; waiting for a change"]);
    await clock.advance(300_000);
    expect(seen.acts).toHaveLength(1);
    await user.patch(Route, key, { type: "merge", body: { metadata: { labels: { a: "b" } } } });
    await expect.poll(() => seen.acts).toHaveLength(2);
  });

  it("plans again after requeueAfterMs", async () => {
    const { create, seen, clock } = await bench({ plan: () => ({ requeueAfterMs: 7_000 }) });
    await create();
    await expect.poll(() => seen.plans).toBe(1);
    await clock.advance(6_999);
    expect(seen.plans).toBe(1);
    await clock.advance(1);
    await expect.poll(() => seen.plans).toBe(2);
  });

  it("lets everything else have its turn, also when each run wakes its own key", async () => {
    let others = false;
    let enqueue: (name: string) => void = () => {};
    const { seen, controller } = await bench({
      plan: () => ({}),
      absent: true,
      execute() {
        if (!others && seen.acts.length < 10_000) enqueue("default/gone");
      },
    });
    enqueue = (name) => controller.enqueue(name);
    setTimeout(() => (others = true), 1);
    enqueue("default/gone");
    await expect.poll(() => others).toBe(true);
    await expect.poll(() => controller.idle).toBe(true);
    expect(seen.acts.length).toBeLessThan(10_000);
  });

  it("plans everything again now and then, in case a change was missed", async () => {
    const { create, seen, clock } = await bench({ plan: () => ({}) });
    await create();
    await expect.poll(() => seen.plans).toBe(1);
    await clock.advance(600_000);
    await expect.poll(() => seen.plans).toBe(2);
  });

  it("does what is left to do about an object that is gone", async () => {
    const { create, user, seen } = await bench({ plan: () => ({}), absent: true });
    await create();
    await expect.poll(() => seen.plans).toBe(1);
    await user.delete(Route, key);
    await expect.poll(() => seen.acts).toEqual(["act default/web"]);
  });
});
