/** Composes control from its parts. The order of starting is that of `startControl`; stopping goes backwards. */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { allKinds } from "../../api/kinds.ts";
import { Pod } from "../../api/pod.ts";
import { type ListenOptions, createApiServer } from "../../apiserver/server.ts";
import { createAuthorizer } from "../../apiserver/authorizer.ts";
import { startHousekeeping } from "../../apiserver/housekeeping.ts";
import { writeKubeconfig } from "../../apiserver/kubeconfig.ts";
import { openPki } from "../../apiserver/pki.ts";
import { createApiService } from "../../apiserver/service.ts";
import { controllerGroup } from "../../apiserver/service-ownership.ts";
import { tokenFinder } from "../../apiserver/token-finder.ts";
import { createTokens } from "../../apiserver/tokens.ts";
import { createAutoscaler } from "../../autoscaler/autoscaler.ts";
import { inProcessClient } from "../../client/in-process.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { Exporter } from "../../lib/otlp/exporter.ts";
import { version } from "../../lib/version.ts";
import { startControllers } from "../../reconcilers/start.ts";
import { createGuardCounts } from "../../routing/guard-counts.ts";
import { createPublisher } from "../../routing/publisher.ts";
import type { RouteTable } from "../../routing/table.ts";
import { createDriver } from "../../runtime/oci/driver.ts";
import { publishDnsNames } from "../../runtime/oci/dns.ts";
import { createLauncher } from "../../runtime/oci/launcher.ts";
import { createImageStore } from "../../runtime/oci/images.ts";
import { createNetwork } from "../../runtime/oci/network.ts";
import { openStore } from "../../store/open.ts";
import { httpsAddress, type PlatformConfig, platformPaths } from "../config.ts";
import { networkOptions } from "../network-options.ts";
import { startTemplates } from "../templates/start.ts";
import { servingNames } from "../user-kubeconfig.ts";
import { openSourceStore } from "../../runtime/source-store.ts";
import { certificatesOf } from "./certificates.ts";
import { watchColdStarts } from "./cold-starts.ts";
import { startImageHousekeeping } from "./image-housekeeping.ts";
import { followDnsNames } from "./dns-names.ts";
import { createLinkServer } from "./link-server.ts";
import { createMetrics } from "./metrics.ts";
import { podLogs } from "./pod-logs.ts";
import { urlMaker } from "./addresses.ts";
import { podView } from "./pods.ts";
import { refuseReservedDomains } from "./reserved-domains.ts";
import { startSourceHousekeeping } from "./source-housekeeping.ts";
import { keepStatusFile } from "./status-file.ts";
import { connectWorkloads } from "./traffic.ts";

export interface Control {
  /** Ends it; instances and gateways go on. */
  stop(): Promise<void>;
}

/** Starts everything; resolves when the API answers and every Route and Revision was looked at once. */
export async function startControl(config: PlatformConfig, listen: ListenOptions, log: Log): Promise<Control> {
  const clock = systemClock;
  const paths = platformPaths(config.dataDir);
  const retentionMs = config.buildRetentionSeconds * 1000;
  const secure = httpsAddress(config);

  const launcher = createLauncher();
  const [store, pki, images, network, certificates] = await Promise.all([
    openStore({
      path: paths.store,
      log,
      clock,
      // Nothing can be written any more: the next control, which the supervisor starts, opens the store anew.
      onFatal: () => process.exit(1),
    }),
    openPki({ dir: paths.pki, names: servingNames(config), clock }),
    createImageStore({ images: paths.images, runRoot: join(paths.run, "images"), launcher, log }),
    createNetwork({ ...networkOptions(config, log), launcher }),
    secure === undefined ? undefined : certificatesOf(config, { clock, log }),
  ]);

  const sources = await openSourceStore({
    dir: paths.sources,
    maxBytes: config.maxSourceBytes,
    reserveBytes: uploadReserveBytes,
    clock,
  });
  const publisher = createPublisher({ clock, log, startVersion: await lastVersion(paths.table) });
  const driver = await createDriver({
    dir: paths.instances,
    runDir: join(paths.run, "oci"),
    images,
    builds: {
      dir: paths.builds,
      bases: paths.bases,
      sourceFile: (namespace, digest) => sources.file(namespace, digest),
      fileSources: config.fileSources,
      limits: config.maxBuilds === undefined ? {} : { builds: config.maxBuilds },
    },
    network,
    launcher,
    drain: (_, instanceId) => publisher.drained(instanceId),
    clock,
    log,
  });
  const disconnect = connectWorkloads(driver, publisher);
  const autoscaler = createAutoscaler({ workloads: driver, clock, log, mostInstances: mostInstances() });

  const authorizer = createAuthorizer({ kinds: allKinds, clock, log });
  const service = createApiService({
    store,
    kinds: allKinds,
    clock,
    log,
    authorize: authorizer.authorize,
    admit: async (admission) => {
      refuseReservedDomains(config.domain, admission);
      await authorizer.admit(admission);
    },
    virtual: [podView(driver)],
  });
  const stored = allKinds.filter((kind) => kind.kind !== Pod.kind);
  const housekeeping = await startHousekeeping({ store, kinds: stored, clock, log });
  await authorizer.start(service);

  const exporter = exporterOf(config, log);
  const coldStarts = watchColdStarts({ workloads: driver, clock, spans: exporter && ((spans) => exporter.add(spans)) });
  const guardCounts = createGuardCounts(clock);
  const metrics = createMetrics({
    workloads: driver,
    clock,
    gateways: () => link.gateways().map(({ id }) => id),
    more: () => coldStarts.lines(),
    spans: () => exporter?.take() ?? { sent: 0, dropped: 0 },
  });
  const link = await createLinkServer({
    path: paths.gatewaySocket,
    owner: (await stat(paths.gatewayState)).uid,
    publisher,
    ...(certificates === undefined ? {} : { certificates: certificates.feed }),
    clock,
    log,
    onHung: ({ instance }) => driver.replace(instance, "it did not end work that nobody waits for any more"),
    onDemand: ({ revision, trace }) => {
      autoscaler.wake(revision);
      coldStarts.demanded(revision, trace);
    },
    onLoad: (report, gateway) => {
      autoscaler.report(report);
      metrics.load(gateway, report.revisions);
    },
    onOutcomes: (outcomes, gateway) => {
      metrics.add(outcomes, gateway);
      guardCounts.add(outcomes);
    },
    onSeen: (counts) => metrics.seen(counts),
  });
  const client = inProcessClient(service, {
    username: "system:elafros:controller",
    groups: [controllerGroup, "system:masters"],
  });
  const controllers = startControllers({
    client,
    workloads: driver,
    images,
    builds: driver.builds,
    traffic: publisher,
    ...(certificates === undefined ? {} : { certificates: certificates.manager }),
    outcomes: guardCounts,
    clock,
    log,
    domain: config.domain,
    urlOf: urlMaker(config),
    buildRetentionMs: retentionMs,
    scaling: autoscaler,
  });
  const templates = startTemplates({ client, clock, log });
  await controllers.synced;
  certificates?.start();
  publisher.start();
  const unsubscribeDns = followDnsNames({
    publisher,
    publish: (names) => publishDnsNames({ dataDir: config.dataDir, gateway: network.gateway }, names),
    log,
  });

  const server = await createApiServer({
    service,
    kinds: allKinds,
    authorizer,
    tokens: createTokens({ key: pki.tokenKey, clock, find: tokenFinder(service, allKinds) }),
    tls: { ...pki.serving(), ca: pki.ca },
    sources,
    logs: podLogs(driver, clock),
    metrics: () => metrics.text(),
    version,
    clock,
    log,
  });
  await server.listen(listen);
  const credentials = { pki, server: `https://${reachable(config.api)}`, region: config.region };
  await writeKubeconfig(paths.kubeconfig, credentials);
  const renewal = setInterval(() => {
    // The administrator's certificate is made anew long before it ends: earlier copies of the file stay good as long as they say.
    const renewed = pki.renew().then((anew) => anew && server.setCertificate(pki.serving()));
    Promise.all([renewed, writeKubeconfig(paths.kubeconfig, credentials)]).catch((error: unknown) =>
      log.error({ error }, "certificates can't be renewed"),
    );
  }, certificateCheckMs);
  renewal.unref();
  const networkCheck = setInterval(() => {
    network.prepare().catch((error: unknown) => log.error({ error }, "the instances' network can't be repaired"));
  }, networkCheckMs);
  networkCheck.unref();
  const imageHousekeeping = startImageHousekeeping({
    client,
    workloads: driver,
    builds: driver.builds,
    images,
    clock,
    log,
  });
  const sourceHousekeeping = startSourceHousekeeping({ client, sources, keepMs: retentionMs, clock, log });
  const statusFile = keepStatusFile({ paths, driver, clock, log });

  return {
    async stop() {
      clearInterval(renewal);
      clearInterval(networkCheck);
      await server.close();
      unsubscribeDns();
      await Promise.all([imageHousekeeping.stop(), sourceHousekeeping.stop(), templates.stop()]);
      await controllers.stop();
      await link.close();
      certificates?.stop();
      disconnect();
      coldStarts.stop();
      await exporter?.close(lastSpansMs);
      await driver.close();
      await network.close();
      launcher.close();
      await statusFile.stop();
      await housekeeping.stop();
      authorizer.stop();
      await store.close();
    },
  };
}

function exporterOf({ otlpEndpoint }: PlatformConfig, log: Log): Exporter | undefined {
  if (otlpEndpoint === "none") return undefined;
  const resource = { "service.name": "elafros-control", "service.version": version };
  return new Exporter({ endpoint: otlpEndpoint, resource, clock: systemClock, log });
}

/** How long the last spans may take on their way. */
const lastSpansMs = 1_000;

/** What uploads leave free on the disk, which the store writes to as well. */
const uploadReserveBytes = 1 << 30;

/** What a Revision without a max-scale may have here: instances that wait for others profit from more than there are processors, and no machine from hundreds. */
function mostInstances(): number {
  return 10 * availableParallelism();
}

/** A reload of the machine's firewall, or a moved default route, is mended within this time. */
const networkCheckMs = 60_000;
const certificateCheckMs = 12 * 3_600_000;

/** The address to call where the server listens on all of them. */
function reachable(api: string): string {
  return api.replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^\[::\]:/, "[::1]:");
}

/**
 * At least the highest version that any gateway may have: versions grow by less than one a millisecond. The file is the gateway's, which
 * has fewer rights: neither a link nor a pipe in its place is read.
 */
async function lastVersion(path: string): Promise<number> {
  const version = await readVersion(path).catch(() => undefined);
  return Math.max(Date.now(), Number.isSafeInteger(version) ? (version ?? 0) : 0);
}

async function readVersion(path: string): Promise<number | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) return undefined;
    return (JSON.parse(await file.readFile("utf8")) as Partial<RouteTable>).version;
  } finally {
    await file.close();
  }
}
