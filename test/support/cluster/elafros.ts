/** Elafros on a simulated cluster: its kinds are defined, and its controllers and a gateway run, on this machine; what Pods would be made of doesn't. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigMap } from "../../../src/api/config-map.ts";
import { type HttpClient, httpClient } from "../../../src/client/http.ts";
import { defaultInstall, linkAudience, linkCertificate, nameOf } from "../../../src/kubernetes/manifests/names.ts";
import { silentLog } from "../../../src/lib/log.ts";
import { type ClusterControl, startClusterControl } from "../../../src/platform/cluster/control.ts";
import { type ClusterGateway, startClusterGateway } from "../../../src/platform/cluster/gateway.ts";
import { installOnCluster } from "../../../src/platform/cluster/installation.ts";
import type { Cluster } from "./cluster.ts";

const { namespace } = defaultInstall;
const steps = { start: () => {}, done: () => {} };
const lookAgainMs = 10;

/** Installs it, and starts controllers that lead and a gateway that they know. The returned function ends these. */
export async function runElafros(cluster: Cluster, { domain }: { domain: string }): Promise<() => Promise<void>> {
  const client = httpClient(cluster.connection);
  await installOnCluster({ client, options: { domain }, steps, wait: false });
  const directory = await mkdtemp(join(tmpdir(), "elafros-on-cluster-"));
  const kubeconfig = join(directory, "kubeconfig");
  await cluster.kubeconfig(kubeconfig);
  const control = await startClusterControl(
    { kubeconfig, domain, namespace, lease: "elafros-test", pod: { name: "test", address: "127.0.0.1" } },
    {
      log: silentLog,
      onLost: () => {
        throw new Error("The controllers have lost their lease");
      },
      ports: { drains: 0, health: 0, link: 0, metrics: 0 },
    },
  );
  while (!control.leads()) await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  const gateway = await startGateway(client, control, directory);
  client.close();
  return async () => {
    gateway.drain();
    await gateway.ended;
    await control.stop();
    await rm(directory, { recursive: true });
  };
}

/** A gateway with what its Pod would have: a token for the controllers' link, and their certificate. */
async function startGateway(client: HttpClient, control: ClusterControl, directory: string): Promise<ClusterGateway> {
  const place = (name: string) => join(directory, name);
  for (const name of ["token", "certificate", "state"]) await mkdir(place(name));
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
      controllers: { host: "127.0.0.1", port: control.linkPort() ?? 0 },
      id: "gateway-test",
      address: "127.0.0.1",
      stateDir: place("state"),
      tokenDir: place("token"),
      certificateDir: place("certificate"),
    },
    { log: silentLog, ports: { http: 0, health: 0 } },
  );
  const isReady = async () => (await fetch(`http://127.0.0.1:${gateway.ports.health}/readyz`)).ok;
  while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  return gateway;
}
