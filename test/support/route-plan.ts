/** What the Route controller observes, for its plan's tests, and the world as the gateways make it. */
import { expect } from "vitest";
import type { Route, RouteTarget } from "../../src/api/route.ts";
import { planRoute, type RouteObserved } from "../../src/reconcilers/route/plan.ts";
import type { ConfigurationView, RevisionView } from "../../src/reconcilers/route/resolve.ts";

/** When the tests' plans are made. */
export const planTime = Date.UTC(2026, 0, 1);

export interface RouteWorld {
  traffic: RouteTarget[];
  duration?: string;
  /** What else `spec.rollout` has. */
  rollout?: Partial<Route["spec"]["rollout"]>;
  configurations?: Record<string, Partial<ConfigurationView>>;
  /** Name → ready instances; -1: never ready. */
  revisions?: Record<string, number>;
  status?: Route["status"];
  serving?: RouteObserved["serving"];
  counted?: RouteObserved["counted"];
}

/** What the controller sees; Revisions are named `{configuration}-{number}`. */
export function observeRoute(world: RouteWorld): RouteObserved {
  const configurations = Object.entries(world.configurations ?? {}).map(([name, view]): [string, ConfigurationView] => [
    name,
    { latestReady: undefined, latestCreated: undefined, ...view },
  ]);
  const revisions = Object.entries(world.revisions ?? {}).map(([name, instances]): [string, RevisionView] => [
    name,
    {
      configuration: name.split("-")[0] ?? "",
      generation: Number(name.split("-")[1] ?? 0),
      wasReady: instances >= 0,
      readyInstances: Math.max(0, instances),
    },
  ]);
  return {
    route: {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "web", namespace: "ns", generation: 3 },
      spec: {
        rollout: {
          traffic: world.traffic,
          ...(world.duration === undefined ? {} : { duration: world.duration }),
          ...world.rollout,
        },
      },
      ...(world.status === undefined ? {} : { status: world.status }),
    },
    configurations: new Map(configurations),
    revisions: new Map(revisions),
    serving: world.serving,
    domain: "example.com",
    urlOf: (host) => `http://${host}:8080`,
    progressDeadlineMs: 120_000,
    counted: world.counted ?? (() => ({ requests: 0, errors: 0, slow: 0 })),
  };
}

/** The world once the gateways have confirmed what the plan told them, and its status. */
export function confirmPlan(
  seen: RouteObserved,
  at = planTime,
): { seen: RouteObserved; plan: ReturnType<typeof planRoute> } {
  const first = planRoute(seen, at);
  const action = first.actions.find((one) => one.do === "assign");
  const serving =
    action === undefined ? seen.serving : { split: action.split, wanted: action.wanted, confirmed: true, since: at };
  const told = { ...seen, serving, route: { ...seen.route, status: first.status ?? {} } };
  const plan = planRoute(told, at);
  const after = { ...told, route: { ...told.route, status: plan.status ?? {} } };
  // Nothing is left to do in a world that the plan has made.
  const again = planRoute(after, at + 500);
  // But to wake what traffic still waits for, which is said as long as it does.
  expect(again.actions.filter(({ do: what }) => what !== "wake")).toEqual([]);
  expect(again.status).toEqual(plan.status);
  expect(again.events).toEqual([]);
  return { seen: after, plan };
}

/** Status, reason and message of a condition, as far as it has them. */
export function conditionIn(plan: ReturnType<typeof planRoute>, type: string) {
  const { status, reason, message } = plan.status?.conditions?.find((one) => one.type === type) ?? {};
  return [status, reason, message].filter((part) => part !== undefined);
}
