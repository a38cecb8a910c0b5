/** Elafros on a simulated cluster: its kinds are defined, and its controllers and gateways run, on this machine; what Pods would be made of doesn't. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigMap } from "../../../src/api/config-map.ts";
import { type HttpClient, httpClient } from "../../../src/client/http.ts";
import {
  defaultInstall,
  leaderLease,
  linkAudience,
  linkCertificate,
  nameOf,
} from "../../../src/kubernetes/manifests/names.ts";
import { silentLog } from "../../../src/lib/log.ts";
import { type ClusterControl, startClusterControl } from "../../../src/platform/cluster/control.ts";
import { type ClusterGateway, startClusterGateway } from "../../../src/platform/cluster/gateway.ts";
import { type ClusterOptions, installOnCluster } from "../../../src/platform/cluster/installation.ts";
import type { ClusterControlOptions } from "../../../src/platform/cluster/options.ts";
import type { Cluster } from "./cluster.ts";

const { namespace } = defaultInstall;
const steps = { start: () => {}, done: () => {} };
const lookAgainMs = 10;

/** Installs it, and starts controllers that lead and a gateway that they know. The returned function ends these. */
export async function runElafros(cluster: Cluster, { domain }: { domain: string }): Promise<() => Promise<void>> {
  const client = httpClient(cluster.connection);
  await defineElafros(client, { domain });
  const directory = await mkdtemp(join(tmpdir(), "elafros-on-cluster-"));
  const kubeconfig = join(directory, "kubeconfig");
  await cluster.kubeconfig(kubeconfig);
  const control = await runControl({ kubeconfig, domain });
  await untilLeads(control);
  const gateway = await runGateway(client, { linkPort: control.linkPort() ?? 0, directory, id: "gateway-test" });
  client.close();
  return async () => {
    gateway.drain();
    await gateway.ended;
    await control.stop();
    await rm(directory, { recursive: true });
  };
}

/** Applies what an installation is; the simulated cluster runs no Pods. */
export async function defineElafros(client: HttpClient, options: ClusterOptions): Promise<void> {
  await installOnCluster({ client, options, steps, wait: false });
}

/** Starts controllers; they wait to lead. `linkPort`: where gateways connect, 0 for any. */
export function runControl(
  options: Pick<ClusterControlOptions, "kubeconfig" | "domain" | "https">,
  { pod = "test", linkPort = 0 }: { pod?: string; linkPort?: number } = {},
): Promise<ClusterControl> {
  return startClusterControl(
    {
      ...options,
      namespace,
      images: { image: "localhost/elafros:test", tools: "localhost/elafros-tools:test" },
      lease: leaderLease,
      pod: { name: pod, address: "127.0.0.1" },
    },
    {
      log: silentLog,
      onLost: () => {
        throw new Error("The controllers have lost their lease");
      },
      ports: { drains: 0, health: 0, link: linkPort, metrics: 0, sources: 0 },
    },
  );
}

/** Resolves once these controllers lead. */
export async function untilLeads(control: ClusterControl): Promise<void> {
  while (!control.leads()) await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
}

export interface GatewayPlace {
  /** Of the controllers that lead. */
  linkPort: number;
  /** What its Pod would mount is below it, by its id. */
  directory: string;
  id: string;
  /** Where it serves; 0 for any. */
  ports?: { http: number; https: number };
  /** It serves HTTPS, with or without redirection. */
  https?: { redirect: boolean };
}

/** Starts a gateway with what its Pod would have: a token for the controllers' link, and their certificate. Resolves once it is ready. */
export async function runGateway(client: HttpClient, of: GatewayPlace): Promise<ClusterGateway> {
  const place = (name: string) => join(of.directory, of.id, name);
  for (const name of ["token", "certificate", "state", "keys"]) await mkdir(place(name), { recursive: true });
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${nameOf("gateway")}/token`;
  const spec = { audiences: [linkAudience], expirationSeconds: 3600 };
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
  const answer = await client.request({ method: "POST", path, body });
  const { status } = JSON.parse(answer.text) as { status: { token: string } };
  await writeFile(place("token/token"), status.token);
  const { data } = await client.get(ConfigMap, { namespace, name: linkCertificate });
  await writeFile(place("certificate/ca.crt"), data?.["ca.crt"] ?? "");
  const gateway = await startClusterGateway(
    {
      controllers: { host: "127.0.0.1", port: of.linkPort },
      id: of.id,
      pod: of.id,
      address: "127.0.0.1",
      stateDir: place("state"),
      tokenDir: place("token"),
      certificateDir: place("certificate"),
      ...(of.https === undefined ? {} : { https: { ...of.https, keyDir: place("keys") } }),
    },
    { log: silentLog, ports: { health: 0, ...(of.ports ?? { http: 0, https: 0 }) } },
  );
  const isReady = async () => (await fetch(`http://127.0.0.1:${gateway.ports.health}/readyz`)).ok;
  while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  return gateway;
}
