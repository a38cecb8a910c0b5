/** What an installation on a cluster does now, as far as whoever asks may see it. */
import { Configuration } from "../../api/configuration.ts";
import { revisionLabel } from "../../api/labels.ts";
import { isReason } from "../../api/meta/errors.ts";
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { Kind } from "../../api/meta/kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { Route } from "../../api/route.ts";
import type { HttpClient } from "../../client/http.ts";
import { Lease } from "../../client/lease-decision.ts";
import { Deployment } from "../../kubernetes/kinds/deployment.ts";
import { Pod } from "../../kubernetes/kinds/pod.ts";
import { leaderLease, nameOf, partOf } from "../../kubernetes/manifests/names.ts";
import { instanceState } from "../../kubernetes/workloads/instance-state.ts";
import type { InstanceStatus } from "../types.ts";

interface PartStatus {
  name: string;
  ready: number;
  wanted: number;
  image: string;
}

export interface ClusterReport {
  /** As the server says it; empty where it doesn't. */
  kubernetes: string;
  /** Where controllers and gateways run; absent: nothing is installed, or whoever asks may not see it. */
  namespace?: string;
  domain?: string;
  /** Where load balancers take requests of users. */
  addresses: string[];
  /** The controller that leads. */
  leader?: string;
  parts: PartStatus[];
  instances: InstanceStatus[];
  /** What is wrong, a sentence each, with the way out. */
  problems: string[];
}

interface GatewayService extends KubeObject {
  spec?: { ports?: { port: number }[] };
  status?: { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } };
}
const GatewayService = foreignKind<GatewayService>({ group: "", version: "v1", kind: "Service", plural: "services" });

const labelSelector = Object.entries(partOf)
  .map(([key, value]) => `${key}=${value}`)
  .join();
/** A leader says that it lives every few seconds. */
const silentMs = 60_000;

/** Looks at the client's cluster. Changes nothing. Rejects with ApiError where the server can't be asked at all. */
export async function clusterStatus(client: HttpClient, now: number): Promise<ClusterReport> {
  const version = await client.request({ method: "GET", path: "/version" });
  const problems: string[] = [];
  /** All of one kind in all namespaces; none, and a problem, where that may not be seen. */
  const all = async <T extends KubeObject>(kind: Kind<T>, selector?: string): Promise<T[]> => {
    try {
      return (await client.list(kind, selector === undefined ? {} : { labelSelector: selector })).items;
    } catch (error) {
      if (!isReason(error, "Forbidden")) throw error;
      problems.push(`${kind.kind}s of all namespaces can't be seen: ${error.message}`);
      return [];
    }
  };
  const deployments = await all(Deployment, labelSelector);
  const controller = deployments.find(({ metadata }) => metadata.name === nameOf("controller"));
  if (controller === undefined) {
    problems.push("Elafros isn't installed there, or you may not see it: install it with 'elafros install'");
    return { kubernetes: versionIn(version.text), addresses: [], parts: [], instances: [], problems };
  }
  const { namespace = "" } = controller.metadata;
  const parts = deployments.map(partStatus);
  problems.push(...parts.filter(({ ready, wanted }) => ready < wanted).map((part) => partProblem(part, namespace)));
  const leader = await leaderOf(client, { namespace, now, problems });
  const [pods, routes, configurations, services] = await Promise.all([
    all(Pod, revisionLabel),
    all(Route),
    all(Configuration),
    all(GatewayService, labelSelector),
  ]);
  problems.push(...[...configurations, ...routes].flatMap(unready));
  const args = (controller.spec.template.spec.containers[0]?.args ?? []) as readonly string[];
  const domain = args.includes("--domain") ? args[args.indexOf("--domain") + 1] : undefined;
  return {
    kubernetes: versionIn(version.text),
    namespace,
    ...(domain === undefined ? {} : { domain }),
    addresses: services.filter(({ metadata }) => metadata.name === nameOf("gateway")).flatMap(addressesOf),
    ...(leader === undefined ? {} : { leader }),
    parts,
    instances: pods.map(instanceOf),
    problems,
  };
}

function versionIn(text: string): string {
  try {
    return (JSON.parse(text) as { gitVersion?: string }).gitVersion ?? "";
  } catch {
    return "";
  }
}

function partStatus({ metadata, spec, status }: Deployment): PartStatus {
  const image = spec.template.spec.containers[0]?.image ?? "";
  return { name: metadata.name, ready: status?.readyReplicas ?? 0, wanted: spec.replicas, image };
}

function partProblem({ name, ready, wanted }: PartStatus, namespace: string): string {
  return `${wanted - ready} of ${wanted} Pods of ${name} aren't ready: see 'kubectl -n ${namespace} describe pods'`;
}

async function leaderOf(
  client: HttpClient,
  { namespace, now, problems }: { namespace: string; now: number; problems: string[] },
): Promise<string | undefined> {
  const lease = await client.get(Lease, { namespace, name: leaderLease }).catch((error: unknown) => {
    if (isReason(error, "NotFound", "Forbidden")) return undefined;
    throw error;
  });
  const { holderIdentity = "", renewTime } = lease?.spec ?? {};
  const silent = now - Date.parse(renewTime ?? "");
  if (holderIdentity !== "" && silent < silentMs) return holderIdentity.split("_", 1)[0];
  problems.push(
    `No controller leads: what is changed now has no effect until one does; see 'kubectl -n ${namespace} logs deployment/${nameOf("controller")}'`,
  );
  return undefined;
}

function addressesOf({ spec, status }: GatewayService): string[] {
  const port = spec?.ports?.[0]?.port;
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => {
    const host = hostname ?? (ip?.includes(":") === true ? `[${ip}]` : ip);
    return host === undefined ? [] : [`http://${host}${port === undefined || port === 80 ? "" : `:${port}`}`];
  });
}

function instanceOf(pod: Pod): InstanceStatus {
  const { id, phase, startedAt, createdAt, restarts } = instanceState(
    pod,
    { draining: new Set(), drained: new Set() },
    [],
  );
  return {
    id,
    namespace: pod.metadata.namespace ?? "",
    revision: pod.metadata.labels?.[revisionLabel] ?? "",
    phase,
    since: new Date(startedAt ?? createdAt).toISOString(),
    restarts,
  };
}

/** What a Configuration or Route says is wrong with it. */
function unready({ kind, metadata, status }: Configuration | Route): string[] {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status !== "False") return [];
  const why = [ready.reason, ready.message].filter((one) => one !== undefined && one !== "").join(": ");
  return [`${kind} "${metadata.name}" in namespace "${metadata.namespace ?? ""}" isn't ready: ${why}`];
}
