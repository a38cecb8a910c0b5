/**
 * Elafros on a Kubernetes for a test: on a simulated one it is installed by its own manifests, its controllers and gateways run as processes of this
 * checkout, each with an address of its own, and the Pods of services run their containers for real.
 */
import { mkdtemp, rm } from "node:fs/promises";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HttpClient, httpClient } from "../../src/client/http.ts";
import { install } from "../../src/kubernetes/install/install.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { defaultInstall, type Part, ports, selectorOf } from "../../src/kubernetes/manifests/names.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster/cluster.ts";
import { elafros, eventually, request, run, type TestPlatform, watchObjects } from "./platform.ts";

/** The same as of a platform on one machine, and what only a cluster has. */
export interface ClusterPlatform extends Pick<
  TestPlatform,
  "call" | "json" | "watch" | "ask" | "elafros" | "kubectl" | "kubeconfig"
> {
  domain: string;
  cluster: Cluster;
  /** As the administrator. */
  client: HttpClient;
  /** The Pods of a part that are ready, by name, with their addresses. */
  pods(part: Part): Promise<{ name: string; address: string }[]>;
  /** The Pod of the controller that leads. */
  leader(): Promise<string>;
  /** Kills a controller or gateway, which its node then starts again. */
  crash(pod: string): Promise<void>;
  /** Loses one: its Deployment makes another. */
  lose(pod: string): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterPlatformOptions extends Omit<ClusterOptions, "machine"> {
  /** Default: `mydomain.com`. */
  domain?: string;
  /** Registries on this machine's loopback, which controllers and nodes reach, and Pods on theirs. */
  registries?: readonly { host: string }[];
  /** Further ports of this machine's loopback that Pods find on theirs. */
  loopback?: readonly number[];
  /** The registry of the installation's builds, `HOST/PREFIX`. Default: none. */
  buildRegistry?: string;
}

const { namespace, image, toolsImage } = defaultInstall;

/** Starts a cluster and installs Elafros on it. Ready when this resolves: controllers lead, gateways serve. */
export async function startClusterPlatform(options: ClusterPlatformOptions = {}): Promise<ClusterPlatform> {
  const { domain = "mydomain.com", registries = [], loopback = [], buildRegistry, ...rest } = options;
  const dir = await mkdtemp(join(tmpdir(), "elafros-cluster-"));
  const shared = [...registries.map(({ host }) => Number(host.slice(host.lastIndexOf(":") + 1))), ...loopback];
  const machine = { programs: { [image]: [elafros] }, loopback: shared, own: [image, toolsImage] };
  const cluster = await startCluster({ cpu: "64", ...rest, machine });
  const client = httpClient(cluster.connection);
  const kubeconfig = join(dir, "kubeconfig");
  await cluster.kubeconfig(kubeconfig);
  const stop = async (): Promise<void> => {
    agent.destroy();
    client.close();
    await cluster.stop();
    await rm(dir, { recursive: true });
  };
  const { cert, key } = await cluster.pki.issueClient({ user: "kubernetes-admin", groups: ["system:masters"] });
  const agent = new https.Agent({ ca: cluster.pki.ca, cert, key, keepAlive: true });
  const env = { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: "1", HOME: dir };
  let turn = 0;

  const platform: ClusterPlatform = {
    domain,
    cluster,
    client,
    kubeconfig,
    call: (method, path, body, headers = {}) =>
      request(`${cluster.url}${path}`, { method, headers, agent, ...(body === undefined ? {} : { body }) }),
    json: async (method, path, body, headers) => JSON.parse((await platform.call(method, path, body, headers)).text),
    watch: (path, each) => watchObjects(platform, { url: `${platform.cluster.url}${path}`, path, agent }, each),
    async ask(host, path = "/", askOptions = {}) {
      const gateways = await platform.pods("gateway");
      const gateway = gateways[turn++ % gateways.length];
      if (gateway === undefined) throw new Error("No gateway is ready");
      const headers = { host, ...askOptions.headers };
      return request(`http://${gateway.address}:${ports.http}${path}`, { ...askOptions, headers });
    },
    elafros: (args, { cwd = dir, env: more = {} } = {}) => run(elafros, args, { cwd, env: { ...env, ...more } }),
    kubectl: (args, input) => run("kubectl", args, { env, ...(input === undefined ? {} : { input }) }),
    async pods(part) {
      const labelSelector = Object.entries(selectorOf(part))
        .map((pair) => pair.join("="))
        .join(",");
      const { items } = await client.list(Pod, { namespace, labelSelector });
      return items.flatMap(({ metadata, status }) => {
        const ready = status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;
        const serves = ready && metadata.deletionTimestamp === undefined;
        return serves ? [{ name: metadata.name, address: status?.podIP ?? "" }] : [];
      });
    },
    leader: () =>
      eventually("a controller leads", async () => {
        const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/elafros-controller`;
        const lease = (await platform.json("GET", path)) as { spec?: { holderIdentity?: string } };
        const [holder = ""] = (lease.spec?.holderIdentity ?? "").split("_", 1);
        return holder === "" ? undefined : holder;
      }),
    crash: (name) => cluster.crash({ namespace, name }),
    lose: (name) => cluster.lose({ namespace, name }),
    stop,
  };
  try {
    const steps = { start: () => {}, done: () => {} };
    const told = { ...defaultInstall, domain, ...(buildRegistry === undefined ? {} : { buildRegistry }) };
    await install({ client, clock: systemClock }, told, { steps, rollout: true });
    return platform;
  } catch (error) {
    await stop();
    throw error;
  }
}
