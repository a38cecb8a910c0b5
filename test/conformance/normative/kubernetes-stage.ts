/**
 * A Kubernetes to play the examples on: the cluster that `ELAFROS_TEST_KUBECONFIG` names, on which Elafros is installed, else a simulated one. Of a
 * cluster that is named these are needed, too: `ELAFROS_TEST_DOMAIN` as it was installed with, `ELAFROS_TEST_GATEWAY` (HOST:PORT, where its gateways are
 * reached from here) and `ELAFROS_TEST_IMAGES` (PREFIX, where PREFIX/app:1 to :3 are that nodes can pull).
 */
import { Namespace } from "../../../src/api/namespace.ts";
import { type HttpClient, httpClient } from "../../../src/client/http.ts";
import { loadKubeconfig, resolveConnection } from "../../../src/client/kubeconfig.ts";
import { directAccess } from "../../cluster/gateway-access.ts";
import { clusterStage } from "../../cluster/stage.ts";
import { type ClusterPlatform, startClusterPlatform } from "../../support/cluster-platform.ts";
import { makeImages } from "../../support/images.ts";
import { freePort } from "../../support/platform.ts";
import { startRegistry, type TestRegistry } from "../../support/registry.ts";
import { pushStandIns } from "../../support/stand-ins.ts";
import type { Stage } from "./player.ts";

export interface KubernetesStage {
  stage: Stage;
  client: HttpClient;
  /** Where the cluster is simulated. */
  platform?: ClusterPlatform;
  /** There, too: what builds reach of this machine, each on their own loopback. */
  builds?: {
    registry: TestRegistry;
    /** A port for a git server. */
    git: number;
    /** Base images, by the keys of ConfigMap `base-images`. */
    bases: Record<string, string>;
  };
  stop(): Promise<void>;
}

/** Opens it, with a namespace of its own for the scenarios. */
export async function openKubernetes(namespace: string): Promise<KubernetesStage> {
  const { ELAFROS_TEST_KUBECONFIG: file, ...env } = process.env;
  const opened = file === undefined ? await simulated(namespace) : await named(namespace, { file, env });
  const { client } = opened;
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  return {
    ...opened,
    async stop() {
      if (file !== undefined) await client.delete(Namespace, { name: namespace });
      await opened.stop();
    },
  };
}

async function simulated(namespace: string): Promise<KubernetesStage> {
  const registry = await startRegistry();
  const images = await makeImages(registry);
  const bases = await pushStandIns(registry, ["node-build", "node-run", "go-build", "go-run"]);
  const git = await freePort();
  const platform = await startClusterPlatform({
    registries: [registry],
    loopback: [git],
    buildRegistry: `${registry.host}/builds`,
  });
  const { client, domain } = platform;
  const access = { ask: (host: string, path: string) => platform.ask(host, path), close: () => {} };
  return {
    stage: clusterStage({ client, access, namespace, domain, images }),
    client,
    platform,
    builds: { registry, git, bases },
    async stop() {
      await platform.stop();
      await registry.close();
    },
  };
}

async function named(
  namespace: string,
  { file, env }: { file: string; env: NodeJS.ProcessEnv },
): Promise<KubernetesStage> {
  const need = (name: string): string => {
    const value = env[name];
    if (value === undefined)
      throw new Error(`ELAFROS_TEST_KUBECONFIG names a cluster, of which ${name} must be told, too`);
    return value;
  };
  const [gateway, prefix] = [need("ELAFROS_TEST_GATEWAY"), need("ELAFROS_TEST_IMAGES")];
  const config = await loadKubeconfig({ path: file, env: {}, fallback: file, cwd: process.cwd() });
  const client = httpClient(await resolveConnection(config));
  const image = (name: string): string => `${prefix}/${name}`;
  const images = { "app:1": image("app:1"), "app:2": image("app:2"), "app:3": image("app:3") };
  return {
    stage: clusterStage({
      client,
      access: directAccess(gateway),
      namespace,
      domain: need("ELAFROS_TEST_DOMAIN"),
      images,
    }),
    client,
    stop: () => Promise.resolve(client.close()),
  };
}
