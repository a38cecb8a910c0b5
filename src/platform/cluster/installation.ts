/** Installs on a cluster and takes that away, for the CLI: what is told is checked against what is there first. */
import type { HttpClient } from "../../client/http.ts";
import { install, type Steps } from "../../kubernetes/install/install.ts";
import { uninstall } from "../../kubernetes/install/uninstall.ts";
import { InstallError } from "../../kubernetes/install/wait.ts";
import { manifests, manifestsYaml } from "../../kubernetes/manifests/manifests.ts";
import { defaultInstall, type InstallOptions, type Manifest, nameOf } from "../../kubernetes/manifests/names.ts";
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { systemClock } from "../../lib/clock.ts";

/** What an installation is told; what is absent stays as it is installed, else it is the default. */
export type ClusterOptions = Partial<InstallOptions>;

interface ClusterWork {
  client: HttpClient;
  options: ClusterOptions;
  steps: Steps;
}

/**
 * Installs on the client's cluster, or brings what is there to this version.
 * @param wait until controllers and gateways run
 * @throws InstallError that says what is in the way, ApiError
 */
export async function installOnCluster({ client, options, steps, wait }: ClusterWork & { wait: boolean }) {
  await requireKubernetes(client);
  const settled = await settle(client, options);
  await install({ client, clock: systemClock }, settled, { steps, rollout: wait });
}

/**
 * Takes an installation away.
 * @param deleteServices and its services with it
 * @throws InstallError that names the services that are in the way
 */
export async function uninstallFromCluster(work: ClusterWork & { deleteServices: boolean }): Promise<void> {
  const { client, options, steps, deleteServices } = work;
  await requireKubernetes(client);
  await uninstall({ client, clock: systemClock }, { ...defaultInstall, ...options }, { steps, deleteServices });
}

/** Everything that would be applied where nothing is installed yet, as values and as one YAML stream. */
export function clusterManifests(options: ClusterOptions): { objects: Manifest[]; yaml: string } {
  const objects = manifests({ ...defaultInstall, ...options });
  return { objects, yaml: manifestsYaml(objects) };
}

/** The server of one machine is no Kubernetes: it says nothing of definitions. */
async function requireKubernetes(client: HttpClient): Promise<void> {
  const path = "/apis/apiextensions.k8s.io/v1";
  const { status } = await client.request({ method: "GET", path });
  if (status !== 404) return;
  throw new InstallError(
    `Cannot install there: the server has no CustomResourceDefinitions (${path} is not found), so it is no Kubernetes: name one with --kubeconfig and --context`,
  );
}

interface Deployment extends KubeObject {
  spec?: { template?: { spec?: { containers?: { args?: string[] }[] } } };
}
const Deployment = foreignKind<Deployment>({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
});

/** An upgrade that doesn't say the domain keeps it: every address of every service hangs on it. */
async function settle(client: HttpClient, options: ClusterOptions): Promise<InstallOptions> {
  const settled = { ...defaultInstall, ...options };
  if (options.domain !== undefined) return settled;
  const key = { namespace: settled.namespace, name: nameOf("controller") };
  const stored = await client.get(Deployment, key).catch((error: unknown) => {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  });
  const args = stored?.spec?.template?.spec?.containers?.[0]?.args ?? [];
  const domain = args[args.indexOf("--domain") + 1];
  return args.includes("--domain") && domain !== undefined ? { ...settled, domain } : settled;
}
