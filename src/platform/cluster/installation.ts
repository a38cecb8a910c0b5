/** Installs on a cluster and takes that away, for the CLI: what is told is checked against what is there first. */
import type { HttpClient } from "../../client/http.ts";
import { install, isOurs, type Steps } from "../../kubernetes/install/install.ts";
import { uninstall } from "../../kubernetes/install/uninstall.ts";
import { InstallError } from "../../kubernetes/install/wait.ts";
import { manifests, manifestsYaml } from "../../kubernetes/manifests/manifests.ts";
import { acmeSecret, defaultInstall, type InstallOptions, type Manifest } from "../../kubernetes/manifests/names.ts";
import { Secret } from "../../api/secret.ts";
import { systemClock } from "../../lib/clock.ts";
import { type HttpsTold, settleHttps } from "./https-options.ts";
import { type Installed, optional, readInstalled } from "./installed.ts";

/** What an installation is told; what is absent stays as it is installed, else it is the default. */
export type ClusterOptions = Partial<
  Pick<
    InstallOptions,
    | "authorities"
    | "buildRegistry"
    | "buildRegistrySecret"
    | "domain"
    | "image"
    | "namespace"
    | "stepMemory"
    | "stepMemoryRequest"
    | "toolsImage"
  >
> &
  HttpsTold;

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
  await forgetAcme(client, settled);
}

/**
 * Takes an installation away.
 * @param deleteServices and its services with it
 * @throws InstallError that names the services that are in the way
 */
export async function uninstallFromCluster(work: ClusterWork & { deleteServices: boolean }): Promise<void> {
  const { client, options, steps, deleteServices } = work;
  await requireKubernetes(client);
  const { namespace = defaultInstall.namespace } = options;
  await uninstall({ client, clock: systemClock }, { ...defaultInstall, namespace }, { steps, deleteServices });
}

/** Everything that would be applied where nothing is installed yet, as values and as one YAML stream. */
export async function clusterManifests(options: ClusterOptions): Promise<{ objects: Manifest[]; yaml: string }> {
  const objects = manifests(await settled(options, undefined));
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

/** An upgrade that doesn't say something keeps it: every address of every service hangs on the domain, and its certificate on the rest. */
async function settle(client: HttpClient, options: ClusterOptions): Promise<InstallOptions> {
  return settled(options, await readInstalled(client, options.namespace ?? defaultInstall.namespace));
}

async function settled(options: ClusterOptions, before: Installed | undefined): Promise<InstallOptions> {
  const { namespace, image, toolsImage } = { ...defaultInstall, ...options };
  const domain = options.domain ?? before?.domain ?? defaultInstall.domain;
  return {
    namespace,
    image,
    toolsImage,
    domain,
    ...settleRegistry(options, before),
    ...settleSteps(options, before),
    ...settleAuthorities(options, before),
    ...(await settleHttps(options, before)),
  };
}

/** Another registry may want other credentials. */
function settleRegistry(
  options: ClusterOptions,
  before: Installed | undefined,
): Pick<InstallOptions, "buildRegistry" | "buildRegistrySecret"> {
  const { buildRegistry, buildRegistrySecret } = options;
  const kept = buildRegistry === undefined ? before?.buildRegistry : buildRegistry;
  if (kept === undefined) return {};
  const secret = buildRegistrySecret ?? (buildRegistry === undefined ? before?.buildRegistrySecret : undefined);
  return { buildRegistry: kept, ...(secret === undefined ? {} : { buildRegistrySecret: secret }) };
}

function settleSteps(
  options: ClusterOptions,
  before: Installed | undefined,
): Pick<InstallOptions, "stepMemory" | "stepMemoryRequest"> {
  const stepMemory = options.stepMemory ?? before?.stepMemory;
  const stepMemoryRequest = options.stepMemoryRequest ?? before?.stepMemoryRequest;
  return {
    ...(stepMemory === undefined ? {} : { stepMemory }),
    ...(stepMemoryRequest === undefined ? {} : { stepMemoryRequest }),
  };
}

/** A name stays until it is told otherwise; `none` takes it back. */
function settleAuthorities(
  options: ClusterOptions,
  before: Installed | undefined,
): Pick<InstallOptions, "authorities"> {
  const authorities = options.authorities ?? before?.authorities ?? "none";
  return authorities === "none" ? {} : { authorities };
}

/** What isn't said of an ACME server any more is of no use to anybody. */
async function forgetAcme(client: HttpClient, options: InstallOptions): Promise<void> {
  const said = manifests(options).some(({ kind, metadata }) => kind === "Secret" && metadata.name === acmeSecret.name);
  if (said) return;
  const key = { namespace: options.namespace, name: acmeSecret.name };
  const stored = await optional(client.get(Secret, key));
  if (stored !== undefined && isOurs(stored)) await optional(client.delete(Secret, key));
}
