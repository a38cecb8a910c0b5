/**
 * The controllers of a cluster. Several processes run, one of them leads by a Lease and does everything; the others wait, and answer that they live.
 * State is the cluster's: whoever leads next reads it, finds the workloads that run, and gateways say hello again.
 */
import { type HttpClient, httpClient } from "../../client/http.ts";
import { inClusterConnection } from "../../client/in-cluster.ts";
import { type Connection, loadKubeconfig, resolveConnection } from "../../client/kubeconfig.ts";
import { type Election, startElection } from "../../client/lease.ts";
import type { Lease } from "../../client/lease-decision.ts";
import { ports } from "../../kubernetes/manifests/names.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { createAuthorities } from "./authorities.ts";
import { createBuildStore } from "./build-store.ts";
import { createDrainHook } from "./drain-hook.ts";
import { lead, type Lead } from "./lead.ts";
import { listen } from "./listen.ts";
import { openDoor } from "./open-door.ts";
import type { ClusterControlOptions } from "./options.ts";
import { stepMemoryOf } from "./step-memory.ts";
import { textServer } from "./text-server.ts";

/**
 * Requests to the API server in the long run, and at once: a restart lists everything, and a thousand services that come at once take twenty thousand.
 * A server that has less to give says 429, and is obeyed.
 */
const limits = { perSecond: 200, burst: 400 };
/** The lease's own, so that it never waits behind others. */
const leaseLimits = { perSecond: 5, burst: 10 };
/** The door's to the registry, at which anybody in the cluster may knock with a token that has to be looked at. */
const doorLimits = { perSecond: 20, burst: 40 };
/** How long a controller that is to end leads on where kubelets wait for instances: less than what its Pod has, by what the rest takes. */
const farewellMs = 20_000;
/** Versions of tables grow by less than one a millisecond, and clocks of nodes differ. */
const clockSkewMs = 60_000;

/** Ports to listen on; tests have their own. */
type Ports = Record<"drains" | "health" | "link" | "metrics" | "sources", number>;

export interface ClusterControl {
  /** Whether this process leads. */
  leads(): boolean;
  /** Where this process listens. */
  ports: Omit<Ports, "link" | "sources">;
  /** Where gateways connect, once it leads. */
  linkPort(): number | undefined;
  /** Ends it, and lets another lead at once. */
  stop(): Promise<void>;
}

/** Starts to wait for leadership. `onLost` is called where it was had and is gone: nothing may be done any more, the process ends. */
export async function startClusterControl(
  options: ClusterControlOptions,
  deps: { log: Log; onLost: () => void; ports?: Ports },
): Promise<ClusterControl> {
  const { log } = deps;
  const clock = systemClock;
  const at = deps.ports ?? ports;
  const connection = await connectionOf(options);
  const namespace = options.namespace ?? connection.namespace;
  // What a process writes that stood still for a while, and doesn't know yet that another leads, would undo what that one does.
  const client = httpClient(connection, { limits, mayWrite: () => election?.held() === true });
  const doorClient = httpClient(connection, { limits: doorLimits });
  const leaseClient = httpClient(connection, { limits: leaseLimits });
  let election: Election | undefined;
  let leading: Promise<Lead> | undefined;
  let led: Lead | undefined;

  const hook = createDrainHook({
    clock,
    log,
    drained: (key) => leading?.then((one) => one.drained(key)),
    leader: () => (election?.held() === true ? undefined : addressOf(election?.holder())),
  });
  const [drains, health, metrics] = await Promise.all([
    listen(hook.server, at.drains),
    listen(
      textServer((path) => (path === "/livez" || path === "/readyz" ? "ok\n" : undefined)),
      at.health,
    ),
    listen(
      textServer((path) => (path === "/metrics" ? (led?.metrics() ?? "") : undefined)),
      at.metrics,
    ),
  ]);
  const closing = new AbortController();
  const storeFor = (whose: HttpClient) =>
    options.registry && createBuildStore({ client: whose, clock, namespace, ...options.registry });
  const builds = storeFor(client);
  // Uploads come to any of the controllers, whoever leads.
  const uploads = storeFor(doorClient);
  if (uploads !== undefined) {
    openDoor({ client: doorClient, clock, log, namespace, ...uploads, port: at.sources }, closing.signal).catch(
      (error: unknown) => {
        log.error({ error }, "The door to the registry can't be opened");
        deps.onLost();
      },
    );
  }
  const begin = (before: Lease | undefined): Promise<Lead> => {
    const startVersion = versionAfter(before, clock.now());
    const { domain, https, images } = options;
    const stepMemory = stepMemoryOf(options);
    const more = { ...(https === undefined ? {} : { https }), ...(builds === undefined ? {} : { builds }) };
    const { authorities: name } = options;
    const authorities = name === undefined ? undefined : createAuthorities(client, { namespace, name }, log);
    return lead({
      client,
      clock,
      log,
      namespace,
      domain,
      images,
      stepMemory,
      authorities,
      startVersion,
      linkPort: at.link,
      ...more,
    });
  };
  const held = startElection({
    client: leaseClient,
    clock,
    steady: () => performance.now(),
    log,
    namespace,
    name: options.lease,
    identity: `${options.pod.name}_${options.pod.address}:${drains.port}`,
    onAcquired(before) {
      leading = begin(before);
      leading.then(
        (one) => (led = one),
        (error: unknown) => {
          // The next process may have more luck; this one doesn't keep the lease from it.
          log.error({ error }, "Cannot lead");
          deps.onLost();
        },
      );
    },
    onLost: deps.onLost,
  });
  election = held;

  return {
    leads: () => held.held() && led !== undefined,
    ports: { drains: drains.port, health: health.port, metrics: metrics.port },
    linkPort: () => led?.linkPort,
    async stop() {
      closing.abort();
      // Whoever drains a node ends instances and the controller that leads at once.
      if (held.held()) await hook.quiet(farewellMs);
      await (await leading?.catch(() => undefined))?.stop();
      await held.stop();
      await Promise.all([drains, health, metrics].map((one) => one.close()));
      for (const one of [client, doorClient, leaseClient]) one.close();
    },
  };
}

async function connectionOf({ kubeconfig, context }: ClusterControlOptions): Promise<Connection> {
  if (kubeconfig === undefined) return inClusterConnection({ env: process.env });
  const file = await loadKubeconfig({ path: kubeconfig, env: {}, fallback: "", cwd: process.cwd() });
  return resolveConnection(file, context);
}

/** Gateways take no table with a lower version than they have: at least what whoever led before may have sent. */
function versionAfter(before: Lease | undefined, now: number): number {
  const last = Date.parse(before?.spec?.renewTime ?? "");
  return Number.isNaN(last) ? now : Math.max(now, last + clockSkewMs);
}

/** The address in a holder's identity. */
function addressOf(identity: string | undefined): string | undefined {
  return /_((?:\d{1,3}\.){3}\d{1,3}:\d{1,5}|\[[0-9a-f:]+\]:\d{1,5})$/u.exec(identity ?? "")?.[1];
}
