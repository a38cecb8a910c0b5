/**
 * Starts every controller, in the order that a restart needs: first the caches; then Routes, each of which says again what it
 * serves; then Revisions, so that none loses its instances because its Route hasn't spoken yet. Configurations, Builds and garbage
 * collection need no order.
 */
import type { ScalingPort } from "../autoscaler/port.ts";
import type { Build } from "../api/build.ts";
import type { Revision } from "../api/revision.ts";
import type { Secret } from "../api/secret.ts";
import type { Client } from "../client/client.ts";
import { createEventRecorder, keyOf } from "../controller/index.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { BuildsPort } from "../runtime/builds.ts";
import type { ImagesPort } from "../runtime/images.ts";
import type { CertificatesPort } from "../routing/certificates.ts";
import type { OutcomesPort, TrafficPort } from "../routing/traffic.ts";
import type { WorkloadsPort } from "../runtime/workloads.ts";
import { defaultBuildRetentionMs } from "./build/plan.ts";
import { startBuildController } from "./build/controller.ts";
import { startConfigurationController } from "./configuration/controller.ts";
import type { ReconcilerDeps } from "./deps.ts";
import { startGarbageCollector } from "./gc/controller.ts";
import { type GarbageRules, defaultGarbageRules } from "./gc/plan.ts";
import { startInformers } from "./informers.ts";
import { startRevisionController } from "./revision/controller.ts";
import { startRouteController } from "./route/controller.ts";
import { createLedger } from "./route/ledger.ts";

/** How long the end waits for Events that are still to be told, in milliseconds. */
const eventsPatienceMs = 2_000;

export interface ControllersOptions {
  client: Client;
  workloads: WorkloadsPort;
  images: ImagesPort;
  builds: BuildsPort;
  traffic: TrafficPort;
  /** Absent: the platform serves no HTTPS. */
  certificates?: CertificatesPort;
  /** What becomes of requests of Routes with a guard. */
  outcomes: OutcomesPort;
  clock: Clock;
  log: Log;
  /** Hosts are `{route}.{namespace}.{domain}`. */
  domain: string;
  /** The URL that clients call for a host. */
  urlOf: (host: string) => string;
  /** Runs as many instances of a Revision as its load asks for. */
  scaling: ScalingPort;
  /** Whether the last instance can be frozen. Default: yes. */
  freezes?: boolean;
  /** Where a Revision's output can be read. Default: the logs of its Pods, as a path of the API server. */
  logUrlOf?: (revision: { namespace: string; name: string }) => string;
  /** Which Revisions are garbage; what is absent has its default. */
  gc?: Partial<GarbageRules>;
  /** How long finished Builds and their logs are kept. Default 7 days. */
  buildRetentionMs?: number;
  /** Milliseconds until a Revision must be ready and a split served. Default 120 s. */
  progressDeadlineMs?: number;
}

export interface Controllers {
  /** Every Route and Revision that was there at the start has been reconciled once. Never rejects. */
  synced: Promise<void>;
  /** A Revision by `namespace/name`, as it was seen last. */
  revision(key: string): Revision | undefined;
  /** A Build, likewise. */
  build(key: string): Build | undefined;
  /** A Secret by `namespace/name`, as it was seen last. */
  secret(key: string): Secret | undefined;
  stop(): Promise<void>;
}

export function startControllers(options: ControllersOptions): Controllers {
  const { client, clock, log } = options;
  const informers = startInformers({ client, clock, log });
  const ledger = createLedger(options.traffic, clock);
  const events = createEventRecorder({ client, clock, log, component: "elafros-controller" });
  const deps: ReconcilerDeps = {
    client,
    clock,
    log,
    events,
    informers,
    ledger,
    workloads: options.workloads,
    images: options.images,
    builds: options.builds,
    traffic: options.traffic,
    certificates: options.certificates,
    outcomes: options.outcomes,
    domain: options.domain,
    urlOf: options.urlOf,
    scaling: options.scaling,
    freezes: options.freezes ?? true,
    logUrlOf: options.logUrlOf ?? podsOf,
    buildRetentionMs: options.buildRetentionMs ?? defaultBuildRetentionMs,
    progressDeadlineMs: options.progressDeadlineMs ?? 120_000,
  };
  const running: { stop(): Promise<void> }[] = [];
  let stopped = false;

  const start = async () => {
    await Promise.all(Object.values(informers).map((informer) => informer.synced));
    if (stopped) return;
    running.push(startConfigurationController(deps), startBuildController(deps));
    const routes = startRouteController(deps);
    running.push(routes);
    await routes.firstPass;
    // `stop` may have come meanwhile.
    if (isStopped()) return;
    const revisions = startRevisionController(deps);
    running.push(revisions, startGarbageCollector(deps, { ...defaultGarbageRules, ...options.gc }));
    await revisions.firstPass;
    // What runs for a Revision that is gone: its deletion was finished while control was away.
    for (const { key } of options.workloads.list()) {
      if (informers.revisions.get(keyOf(key)) === undefined) options.workloads.remove(key);
    }
    for (const { key } of options.builds.list()) {
      if (informers.builds.get(keyOf(key)) === undefined) options.builds.remove(key);
    }
  };
  const isStopped = () => stopped;
  const synced = start();

  return {
    synced,
    revision: (key) => informers.revisions.get(key),
    build: (key) => informers.builds.get(key),
    secret: (key) => informers.secrets.get(key),
    async stop() {
      stopped = true;
      await Promise.all(running.map((controller) => controller.stop()));
      ledger.stop();
      await Promise.all(Object.values(informers).map((informer) => informer.stop()));
      // Events are told where there is time for it: a server that is slow must not keep another control from its turn.
      const patience = Promise.withResolvers<void>();
      const cancel = clock.after(eventsPatienceMs, patience.resolve);
      await Promise.race([events.flush(), patience.promise]);
      cancel();
    },
  };
}

function podsOf({ namespace, name }: { namespace: string; name: string }): string {
  return `/api/v1/namespaces/${namespace}/pods?labelSelector=elafros.dev%2Frevision%3D${name}`;
}
