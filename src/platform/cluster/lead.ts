/** What the one controller that leads runs: the ports on Kubernetes, the reconcilers, the autoscaler, the publisher and the gateways' link. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAutoscaler } from "../../autoscaler/autoscaler.ts";
import type { HttpClient } from "../../client/http.ts";
import { createClusterBuilds } from "../../kubernetes/builds/port.ts";
import type { StepMemory } from "../../kubernetes/builds/step-resources.ts";
import { createClusterImages } from "../../kubernetes/images/port.ts";
import { linkAudience, nameOf, ports } from "../../kubernetes/manifests/names.ts";
import { createClusterWorkloads } from "../../kubernetes/workloads/port.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { defaultBuildRetentionMs } from "../../reconcilers/build/plan.ts";
import { type Controllers, startControllers } from "../../reconcilers/start.ts";
import { createGuardCounts } from "../../routing/guard-counts.ts";
import { createPublisher } from "../../routing/publisher.ts";
import { createShareKeeper } from "../../routing/share-keeper.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";
import { createLinkServer } from "../control/link-server.ts";
import { createMetrics } from "../control/metrics.ts";
import { startSourceHousekeeping } from "../control/source-housekeeping.ts";
import { connectWorkloads } from "../control/traffic.ts";
import type { AcmeConfig } from "../acme/settings.ts";
import type { BuildStore } from "./build-store.ts";
import { certificatesOfCluster } from "./certificates.ts";
import { followDrainAddress } from "./drain-address.ts";
import { gatewayPlaces } from "./gateway-places.ts";
import { startTemplates } from "../templates/start.ts";
import { keepLinkCertificate, linkServerName, openLinkCertificate } from "./link-certificate.ts";
import { createLinkFront } from "./link-front.ts";
import { listen } from "./listen.ts";
import { persist } from "./persist.ts";

/** What a Revision without a max-scale may have. */
const mostInstances = 100;

export interface LeadOptions {
  client: HttpClient;
  clock: Clock;
  log: Log;
  namespace: string;
  domain: string;
  /** Gateways serve HTTPS; from where their certificates come. */
  https?: AcmeConfig;
  /** What builds run. */
  images: { image: string; tools: string };
  /** Memory of builds' steps that say nothing of it. */
  stepMemory: StepMemory;
  /** Authorities to trust besides the public ones, PEM. */
  authorities?: (() => Promise<string | undefined>) | undefined;
  /** Their registry, behind the controllers' door, and the uploads in it. */
  builds?: Pick<BuildStore, "place" | "sources">;
  /** Higher than any that a gateway has. */
  startVersion: number;
  /** Of the gateways' link. */
  linkPort?: number;
}

export interface Lead {
  drained(key: WorkloadKey): Promise<void>;
  metrics(): string;
  /** Where gateways connect. */
  linkPort: number;
  stop(): Promise<void>;
}

/** Starts everything; resolves when every Route and Revision was looked at once, and gateways may connect. */
export async function lead(options: LeadOptions): Promise<Lead> {
  const { client, clock, log, namespace, domain } = options;
  const secure = await persist({ clock, log, what: "open the certificates" }, () => certificatesOfCluster(options));
  const publisher = createPublisher({
    clock,
    log,
    startVersion: options.startVersion,
    // They look for the one that leads among addresses some of which don't even refuse: that takes seconds.
    awaited: () => !shares.isComplete(),
  });
  let controllers: Controllers | undefined;
  const drains = await followDrainAddress({ client, clock, log, namespace, changed: () => workloads.again() });
  const workloads = createClusterWorkloads({
    client,
    clock,
    log,
    revision: (key) => controllers?.revision(`${key.namespace}/${key.name}`),
    secret: (key) => controllers?.secret(key),
    cluster: drains.facts,
    drain: (_, instance) => publisher.drained(instance),
  });
  const open = () => openLinkCertificate(client, namespace, clock);
  let pair = await persist({ clock, log, what: "keep the certificate of the gateways' link" }, open);
  const builds = createClusterBuilds({
    client,
    clock,
    log,
    build: (key) => controllers?.build(`${key.namespace}/${key.name}`),
    images: options.images,
    stepMemory: options.stepMemory,
    authorities: options.authorities,
    door: options.builds && {
      host: `${nameOf("controller")}.${namespace}.svc:${ports.sources}`,
      get ca() {
        return pair.cert;
      },
      serverName: linkServerName,
      place: options.builds.place,
    },
  });
  await Promise.all([workloads.synced, builds.synced]);
  const shares = createShareKeeper({
    clock,
    log,
    publisher,
    before: new Set(workloads.list().flatMap(({ instances }) => instances.map(({ id }) => id))),
    places: () => gatewayPlaces(client, namespace),
    onStuck: (instance) => workloads.replace(instance, "gateways that aren't heard have slots of it"),
    onComplete: () => publisher.gathered(),
  });
  const disconnect = connectWorkloads(workloads, publisher);
  const autoscaler = createAutoscaler({ workloads, clock, log, mostInstances });
  const guardCounts = createGuardCounts(clock);
  const metrics = createMetrics({
    workloads,
    clock,
    gateways: () => link.gateways().map(({ id }) => id),
    more: () => [],
    spans: () => ({ sent: 0, dropped: 0 }),
  });
  const directory = await mkdtemp(join(tmpdir(), "elafros-link-"));
  const socket = join(directory, "link.sock");
  const link = await createLinkServer({
    path: socket,
    elsewhere: true,
    publisher,
    ...(secure === undefined ? {} : { certificates: secure.feed }),
    shares,
    clock,
    log,
    onHung: ({ instance }) => workloads.replace(instance, "it did not end work that nobody waits for any more"),
    onDemand: ({ revision }) => autoscaler.wake(revision),
    onLoad: (report, gateway) => {
      autoscaler.report(report);
      metrics.load(gateway, report.revisions);
      shares.load(gateway, report.revisions);
    },
    onOutcomes: (outcomes, gateway) => {
      metrics.add(outcomes, gateway);
      guardCounts.add(outcomes);
    },
    onSeen: (counts) => metrics.seen(counts),
  });
  controllers = startControllers({
    client,
    workloads,
    images: createClusterImages({ authorities: options.authorities }),
    builds,
    traffic: publisher,
    ...(secure === undefined ? {} : { certificates: secure.manager }),
    outcomes: guardCounts,
    clock,
    log,
    domain,
    urlOf: (host) => `${secure === undefined ? "http" : "https"}://${host}`,
    scaling: autoscaler,
    freezes: false,
  });
  const started = controllers;
  // The installation has made their namespace, and controllers may make none.
  const templates = startTemplates({ client, clock, log, hasNamespace: true });
  const { sources } = options.builds ?? {};
  const uploads = sources && startSourceHousekeeping({ client, sources, keepMs: defaultBuildRetentionMs, clock, log });
  await started.synced;
  secure?.start();
  publisher.start();
  const front = createLinkFront({
    pair,
    client,
    audience: linkAudience,
    user: `system:serviceaccount:${namespace}:${nameOf("gateway")}`,
    socket,
    log,
  });
  const listening = await listen(front, options.linkPort ?? ports.link);
  const stopKeeping = keepLinkCertificate(pair, { client, namespace, clock, log }, (next) => {
    pair = next;
    front.setSecureContext({ cert: next.cert, key: next.key });
  });
  return {
    drained: (key) => workloads.drained(key),
    metrics: () => metrics.text(),
    linkPort: listening.port,
    async stop() {
      stopKeeping();
      await listening.close();
      await Promise.all([started.stop(), templates.stop(), uploads?.stop()]);
      await link.close();
      secure?.stop();
      shares.stop();
      disconnect();
      await Promise.all([workloads.close(), builds.close(), drains.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
