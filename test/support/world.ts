/**
 * A world for reconcilers: the real API over a store of its own, the real publisher and controllers; only what stands behind the
 * ports (containers, registry, gateways) is played, and does what the test says.
 */
import { expect, onTestFinished } from "vitest";
import type { Kind } from "../../src/api/meta/kind.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { Event } from "../../src/api/event.ts";
import type { Build } from "../../src/api/build.ts";
import { Configuration } from "../../src/api/configuration.ts";
import { Route } from "../../src/api/route.ts";
import type { RouteTarget } from "../../src/api/route.ts";
import type { Revision } from "../../src/api/revision.ts";
import { type Autoscaler, createAutoscaler } from "../../src/autoscaler/autoscaler.ts";
import { startHousekeeping } from "../../src/apiserver/housekeeping.ts";
import type { Client } from "../../src/client/client.ts";
import { inProcessClient } from "../../src/client/in-process.ts";
import { silentLog } from "../../src/lib/log.ts";
import { connectWorkloads } from "../../src/platform/control/traffic.ts";
import { type Controllers, type ControllersOptions, startControllers } from "../../src/reconcilers/start.ts";
import { type GuardCounts, createGuardCounts } from "../../src/routing/guard-counts.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { reconnectMs } from "../../src/routing/link.ts";
import { type Publisher, createPublisher } from "../../src/routing/publisher.ts";
import { type RouteTable, type TableMaps, tableOf } from "../../src/routing/table.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { type PlayedBuilds, playBuilds } from "./played-builds.ts";
import { type PlayedImages, type PlayedWorkloads, playImages, playWorkloads } from "./ports.ts";
import { serviceBench } from "./service.ts";

/** A gateway that confirms each table at once, unless told to hold. */
export interface PlayedGateway {
  table: RouteTable | undefined;
  /** While true, tables are taken but not confirmed. */
  holds: boolean;
  /** Confirms the last table. */
  confirm(): void;
}

export interface World {
  client: Client;
  /** As the user `ann`. */
  user: Client;
  clock: ManualClock;
  workloads: PlayedWorkloads;
  images: PlayedImages;
  builds: PlayedBuilds;
  gateway: PlayedGateway;
  publisher: Publisher;
  autoscaler: Autoscaler;
  /** What gateways report, as control has it. */
  outcomes: GuardCounts;
  /** Ends control and starts a new one over the same store, containers and gateway, with the client that `wrap` gives. */
  restart(wrap?: (client: Client) => Client): Promise<void>;
  /** Ends control. */
  stop(): Promise<void>;
  get<T extends KubeObject>(kind: Kind<T>, name: string): Promise<T>;
  list<T extends KubeObject>(kind: Kind<T>): Promise<T[]>;
  configure(name: string, env?: Record<string, string>): Promise<Configuration>;
  /** Creates or replaces a Configuration with this `build`, and what else its template has. */
  configureBuild(name: string, build: object, template?: object): Promise<Configuration>;
  route(name: string, traffic: RouteTarget[], duration?: string): Promise<Route>;
  /** Changes a Route's traffic. */
  split(name: string, traffic: RouteTarget[]): Promise<Route>;
  /** Waits until the Route serves exactly this. */
  serves(name: string, traffic: { revisionName: string; percent: number; name?: string }[]): Promise<void>;
  /** Reasons of the Events on an object, in the order of their names. */
  reasons(name: string): Promise<string[]>;
}

export async function startWorld(
  overrides: Partial<ControllersOptions> & { wrap?: (client: Client) => Client } = {},
): Promise<World> {
  const clock = manualClock();
  const { service, options: api } = await serviceBench({ clock });
  const housekeeping = await startHousekeeping(api);
  const client = inProcessClient(service, {
    username: "system:elafros:controllers",
    groups: ["system:elafros:controller"],
  });
  const user = inProcessClient(service, { username: "ann", groups: [] });
  const workloads = playWorkloads(clock);
  const images = playImages();
  const builds = playBuilds(clock);
  const gateway: PlayedGateway = { table: undefined, holds: false, confirm: () => {} };
  const { wrap, ...options } = overrides;

  let publisher: Publisher;
  let autoscaler: Autoscaler;
  let outcomes: GuardCounts = createGuardCounts(clock);
  let controllers: Controllers;
  let detach = () => {};
  const start = async (around: (client: Client) => Client = (plain) => plain) => {
    // The one gateway is here already: the time in which others may come back, and no instance is given up, has passed for the publisher alone.
    let gathered = 0;
    const later: Clock = { ...clock, now: () => clock.now() + gathered };
    const link = createPublisher({ clock: later, log: silentLog, startVersion: gateway.table?.version ?? 0 });
    publisher = link;
    workloads.drain = (_key, instance) => link.drained(instance);
    const unsubscribe = connectWorkloads(workloads, link);
    gateway.confirm = () => link.ack("gateway", gateway.table?.version ?? 0, []);
    const member = {
      id: "gateway",
      send(table: TableMaps) {
        gateway.table = tableOf(table);
        if (!gateway.holds) setImmediate(() => gateway.confirm());
      },
    };
    link.addMember(member, { serving: gateway.table?.version ?? 0, draining: [] });
    // What was counted is in memory.
    outcomes = createGuardCounts(clock);
    detach = () => {
      unsubscribe();
      link.removeMember("gateway");
    };
    autoscaler = createAutoscaler({ workloads, clock, log: silentLog, mostInstances: 20 });
    controllers = startControllers({
      client: around(client),
      workloads,
      images,
      builds,
      traffic: link,
      outcomes,
      clock,
      log: silentLog,
      domain: "example.com",
      urlOf: (host) => `http://${host}`,
      scaling: autoscaler,
      ...options,
    });
    await controllers.synced;
    link.start();
    gathered = 2 * reconnectMs;
  };
  const stop = async () => {
    detach();
    await controllers.stop();
  };
  await start(wrap);
  // Hooks run last to first: the store, opened first, is closed last.
  onTestFinished(async () => {
    await stop();
    await housekeeping.stop();
  });

  const container = { image: "registry.example/app:1" };
  const put = async (name: string, spec: Configuration["spec"]) => {
    const found = (await world.list(Configuration)).some(({ metadata }) => metadata.name === name);
    // A patch, because controllers may write the status meanwhile.
    const body = [{ op: "replace" as const, path: "/spec", value: spec }];
    if (found) return user.patch(Configuration, { namespace: "default", name }, { type: "json", body });
    const metadata = { name, namespace: "default" };
    return user.create(Configuration, { apiVersion: "elafros.dev/v1alpha1", kind: "Configuration", metadata, spec });
  };
  const world: World = {
    client,
    user,
    clock,
    workloads,
    images,
    builds,
    gateway,
    get publisher() {
      return publisher;
    },
    get outcomes() {
      return outcomes;
    },
    get autoscaler() {
      return autoscaler;
    },
    async restart(around) {
      await stop();
      await start(around);
    },
    stop,
    get: (kind, name) => client.get(kind, { namespace: "default", name }),
    list: async (kind) => (await client.list(kind, { namespace: "default" })).items,
    configure(name, env = {}) {
      const variables = Object.entries(env).map(([key, value]) => ({ name: key, value }));
      return put(name, { revisionTemplate: { spec: { container: { ...container, env: variables } } } });
    },
    configureBuild: (name, build, template = {}) =>
      put(name, { build, revisionTemplate: { spec: { container, ...template } } }),
    route: (name, traffic, duration) =>
      user.create(Route, {
        apiVersion: "elafros.dev/v1alpha1",
        kind: "Route",
        metadata: { name, namespace: "default" },
        spec: { rollout: { traffic, ...(duration === undefined ? {} : { duration }) } },
      }),
    split: (name, traffic) =>
      user.patch(Route, { namespace: "default", name }, { type: "merge", body: { spec: { rollout: { traffic } } } }),
    async serves(name, traffic) {
      await expect.poll(async () => (await world.get(Route, name)).status?.traffic, { interval: 5 }).toEqual(traffic);
    },
    async reasons(name) {
      const events = await world.list(Event);
      return events.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason }) => reason ?? "");
    },
  };
  return world;
}

/** Waits until the condition of an object has the status. */
export async function hasCondition(
  world: World,
  kind: Kind<Configuration> | Kind<Revision> | Kind<Route> | Kind<Build>,
  name: string,
  wanted: { type: string; status: string; reason?: string; message?: string },
): Promise<void> {
  await expect
    .poll(
      async () => {
        const found = await world.get(kind as Kind<Revision>, name).catch(() => undefined);
        return found?.status?.conditions?.find(({ type }) => type === wanted.type);
      },
      { interval: 5 },
    )
    .toMatchObject(wanted);
}
