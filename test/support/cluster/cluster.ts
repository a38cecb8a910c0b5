/**
 * A Kubernetes cluster for tests: an API server that answers as a Kubernetes 1.26 does for custom resources and for the built-in
 * kinds that the platform needs, over HTTPS, with RBAC; and stand-ins for the controllers, the scheduler and the kubelet.
 *
 * What is the same comes from Elafros' own API machinery, which speaks the same API. What differs is here: `front.ts` (bodies, apply,
 * subresources), `custom-kind.ts` (CRDs with their CEL), `service.ts` (field owners, Pods that end gracefully), `kinds/` (defaults of
 * built-in kinds), `controllers/`. `test/conformance/kubernetes/simulated*.test.ts` hold it to what was recorded, and list what is left.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { ApiError } from "../../../src/api/meta/errors.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import type { ApiService } from "../../../src/api/meta/service.ts";
import { createAuthorizer } from "../../../src/apiserver/authorizer.ts";
import { type Housekeeping, startHousekeeping } from "../../../src/apiserver/housekeeping.ts";
import { followStore } from "../../../src/apiserver/housekeeping-follow.ts";
import type { LogSource } from "../../../src/apiserver/logs.ts";
import { issueKubeconfig } from "../../../src/apiserver/kubeconfig.ts";
import { openPki, type Pki } from "../../../src/apiserver/pki.ts";
import { type ApiServer, createApiServer } from "../../../src/apiserver/server.ts";
import { createApiService } from "../../../src/apiserver/service.ts";
import { tokenFinder } from "../../../src/apiserver/token-finder.ts";
import { createTokens, type Tokens } from "../../../src/apiserver/tokens.ts";
import { type Connection, loadKubeconfig, resolveConnection } from "../../../src/client/kubeconfig.ts";
import { type Clock, systemClock } from "../../../src/lib/clock.ts";
import { silentLog } from "../../../src/lib/log.ts";
import { openStore } from "../../../src/store/open.ts";
import type { WorkloadKey } from "../../../src/runtime/workloads.ts";
import type { History, Store } from "../../../src/store/store.ts";
import { startControllers } from "./controllers/controllers.ts";
import { type Fate, goodFate } from "./controllers/fate.ts";
import type { PodObject } from "./controllers/types.ts";
import { followDefinitions } from "./definitions.ts";
import { type ApiFaults, FaultPlan } from "./faults.ts";
import { startFront } from "./front.ts";
import { systemContext } from "./controllers/tools.ts";
import { builtInKinds } from "./kinds/kinds.ts";
import { Pod } from "./kinds/workloads.ts";
import { type MachineOptions, openMachine } from "./nodes/machine.ts";
import { FieldOwners } from "./owners.ts";
import { checkQuota } from "./quota.ts";
import { clusterService } from "./service.ts";

export interface ClusterOptions {
  clock?: Clock;
  /** How much the store remembers: little of it makes 410 easy to see. */
  history?: History;
  /** How many nodes there are. Default: 1. */
  nodes?: number;
  /** What each node has. Default: "2". */
  cpu?: string;
  /**
   * What becomes of a Pod whose containers aren't run. Default: they run, and are ready at once. Asked when the Pod's kubelet
   * begins, and when it ends. Where containers are run: undefined has those of the Pod run.
   */
  fate?: (pod: PodObject) => Fate | undefined;
  /** Runs Pods' containers for real, on this machine. Needs root. */
  machine?: MachineOptions;
  /** The lines that a Pod's container has written that isn't run, of Pods by `namespace/name`. Default: none. */
  output?: (pod: string) => readonly string[];
  /** How long a kubelet's second of back-off is, in milliseconds. Default: 20. */
  secondMs?: number;
  /** The first two parts of Pods' addresses: on 127 a test can answer in place of what Pods would run. Default: "10.244". */
  podNetwork?: string;
  /** Told of each request over HTTP before it is looked at. */
  onRequest?: (request: IncomingMessage) => void;
}

export interface Cluster {
  /** `https://HOST:PORT`. */
  url: string;
  port: number;
  pki: Pki;
  /** The API's operations without HTTP, every right given: for looking inside. */
  service: ApiService;
  faults: ApiFaults;
  /** Writes a kubeconfig to `file`, 0600. Default: the administrator's. */
  kubeconfig(file: string, who?: { user: string; groups: readonly string[]; region?: string }): Promise<void>;
  /** A connection for `httpClient`: the administrator's. */
  connection: Connection;
  /** Kills the program of a Pod, where it is a program of this machine; it is started again. */
  crash(pod: WorkloadKey): Promise<void>;
  /** Kills it, and takes the Pod away without asking it, as where a node is lost. */
  lose(pod: WorkloadKey): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one; nothing of it is left after `stop()`. Ready when this resolves. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const clock = options.clock ?? systemClock;
  const log = silentLog;
  const dir = await mkdtemp(path.join(tmpdir(), "elafros-cluster-"));
  const history = options.history === undefined ? {} : { history: options.history };
  const store = await openStore({ path: path.join(dir, "store.db"), log, clock, ...history });
  const machine = options.machine === undefined ? undefined : await openMachine(options.machine);
  const host = machine?.address ?? "127.0.0.1";
  const pki = await openPki({ dir: path.join(dir, "pki"), names: [host], clock });
  const kinds: Kind[] = [...builtInKinds];
  const owners = new FieldOwners();
  const authorizer = createAuthorizer({ kinds, clock, log });
  const base = { store, kinds, clock, log, ownership: false, standing: ["default"] };
  const admit = async (admission: Parameters<typeof authorizer.admit>[0]): Promise<void> => {
    await authorizer.admit(admission);
    checkQuota(store, admission);
  };
  const wrap = (service: ApiService): ApiService => clusterService({ service, store, clock, owners });
  const untracked = createApiService({ ...base, authorize: authorizer.authorize, admit });
  const service = wrap(untracked);
  // The cluster's own parts: RBAC isn't asked, quotas are.
  const system = wrap(
    createApiService({
      ...base,
      authorize: () => Promise.resolve(),
      admit: (admission) => Promise.resolve(checkQuota(store, admission)),
    }),
  );
  const tokens = createTokens({ key: pki.tokenKey, clock, find: tokenFinder(service, kinds) });
  const tls = { ...pki.serving(), ca: pki.ca };
  const logs = machine?.logs ?? playedLogs(options.output ?? (() => []));
  const serving = new Serving({ store, service, system, kinds, authorizer, tokens, tls, clock, owners, logs });
  await serving.start();
  await authorizer.start(service);
  const faults = new FaultPlan(options.onRequest);
  const pods = { store, service: system, clock, log };
  const own = { pods, host, tls, clock, tokens, authorizer, service, untracked, owners, faults, kinds: () => kinds };
  const { server, port } = await startFront({ ...own, server: () => serving.server });
  const endDefinitions = followDefinitions({
    store,
    service: system,
    clock,
    log,
    served: (custom) => serving.serve([...builtInKinds, ...custom]),
  });
  const values = { store, service: system, clock, log, tokens, ca: pki.ca };
  await machine?.start(values, { port });
  const fate = (pod: PodObject): Fate | undefined => {
    const asked = options.fate?.(pod);
    return asked ?? (machine === undefined ? goodFate : undefined);
  };
  const endControllers = await startControllers(
    {
      store,
      service: system,
      clock,
      log,
      fate,
      machine,
      secondMs: options.secondMs ?? 20,
      podNetwork: options.podNetwork ?? "10.244",
    },
    { nodes: options.nodes ?? 1, cpu: options.cpu ?? "2" },
  );
  const url = `https://${host}:${port}`;
  const admin = { user: "kubernetes-admin", groups: ["system:masters"] };
  const kubeconfig: Cluster["kubeconfig"] = async (file, who = admin) => {
    await writeFile(file, await issueKubeconfig({ pki, server: url, region: "test", ...who }), { mode: 0o600 });
  };
  const adminFile = path.join(dir, "admin.kubeconfig");
  await kubeconfig(adminFile);
  const connection = await resolveConnection(
    await loadKubeconfig({ path: adminFile, env: {}, fallback: adminFile, cwd: dir }),
  );
  return {
    url,
    port,
    pki,
    service: system,
    faults,
    kubeconfig,
    connection,
    crash: async (pod) => machine?.crash(pod, false),
    async lose(pod) {
      await machine?.crash(pod, true);
      await system.delete(systemContext(), { kind: Pod, ...pod }, { gracePeriodSeconds: 0 });
    },
    stop: async () => {
      await endDefinitions();
      await endControllers();
      await machine?.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await serving.stop();
      authorizer.stop();
      await store.close();
      await machine?.remove();
      await rm(dir, { recursive: true });
    },
  };
}

function playedLogs(output: (pod: string) => readonly string[]): LogSource {
  return {
    async *open(namespace, pod, { tailLines = Number.POSITIVE_INFINITY, previous = false, container = "" }) {
      // Of what was before a restart nothing is kept.
      if (previous)
        throw new ApiError("BadRequest", `previous terminated container "${container}" in pod "${pod}" not found`);
      const lines = output(`${namespace}/${pod}`);
      for (const line of lines.slice(Math.max(0, lines.length - tailLines))) yield `${line}\n`;
    },
  };
}

interface ServingParts {
  store: Store;
  service: ApiService;
  system: ApiService;
  /** Shared: what is served now. */
  kinds: Kind[];
  authorizer: ReturnType<typeof createAuthorizer>;
  tokens: Tokens;
  tls: { cert: string; key: string; ca: string };
  clock: Clock;
  owners: FieldOwners;
  logs: LogSource;
}

/** The API server and the collector over the kinds of now: both are made anew when a definition comes or goes. */
class Serving {
  readonly #parts: ServingParts;
  readonly #servers: ApiServer[] = [];
  #housekeeping: Housekeeping | undefined;
  #unfollow = (): void => {};
  #last: Promise<void> = Promise.resolve();

  constructor(parts: ServingParts) {
    this.#parts = parts;
  }

  get server(): ApiServer {
    const server = this.#servers.at(-1);
    if (server === undefined) throw new Error("The cluster has not started");
    return server;
  }

  async start(): Promise<void> {
    const { store, system, kinds, clock, service, authorizer, tokens, tls, owners, logs } = this.#parts;
    const parts = { service, kinds, authorizer, tokens, tls, version: "1.26.5", clock, log: silentLog, logs };
    const server = await createApiServer(parts);
    await this.#housekeeping?.stop();
    this.#housekeeping = await startHousekeeping({ store, kinds: [...kinds], clock, log: silentLog, service: system });
    this.#unfollow();
    const gone = (_: Kind, object: KubeObject): void => owners.forget(object);
    this.#unfollow = followStore(store, [...kinds], { seen: () => {}, gone });
    this.#servers.push(server);
  }

  /** Serves these kinds from now on; one after the other, as several definitions may come or go at once. */
  serve(wanted: readonly Kind[]): Promise<void> {
    const { kinds } = this.#parts;
    const before = this.#last.catch(() => {}); // whoever waits for it is told
    this.#last = before.then(() => {
      kinds.splice(0, kinds.length, ...wanted);
      return this.start();
    });
    return this.#last;
  }

  async stop(): Promise<void> {
    this.#unfollow();
    await this.#housekeeping?.stop();
    for (const server of this.#servers) await server.close(0);
  }
}
