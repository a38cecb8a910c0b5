/** Whether a cluster has what is wanted of every service, and nothing besides. */
import { Configuration } from "../../../src/api/configuration.ts";
import { configurationLabel, revisionLabel } from "../../../src/api/labels.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { ApiService } from "../../../src/api/meta/service.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { Revision } from "../../../src/api/revision.ts";
import { Route } from "../../../src/api/route.ts";
import { Secret } from "../../../src/api/secret.ts";
import { Lease } from "../../../src/client/lease-decision.ts";
import { systemContext } from "../cluster/controllers/tools.ts";
import { type DeploymentObject, isReady, type PodObject } from "../cluster/controllers/types.ts";
import { EndpointSlice, Service } from "../cluster/kinds/services.ts";
import { Deployment, Pod, ReplicaSet } from "../cluster/kinds/workloads.ts";
import type { SoakService } from "./services.ts";

type Slice = KubeObject & { endpoints?: { conditions: { ready: boolean } }[] };

/** Everything of Elafros' own that a cluster has. */
interface Snapshot {
  configurations: Configuration[];
  routes: Route[];
  revisions: Revision[];
  deployments: DeploymentObject[];
  sets: KubeObject[];
  pods: PodObject[];
  services: KubeObject[];
  slices: Slice[];
  secrets: KubeObject[];
  leases: KubeObject[];
}

async function snapshot(api: ApiService): Promise<Snapshot> {
  const list = async <T extends KubeObject>(kind: Kind, labelSelector?: string): Promise<T[]> => {
    const options = labelSelector === undefined ? {} : { labelSelector };
    return (await api.list(systemContext(), { kind }, options)).items as unknown as T[];
  };
  return {
    configurations: await list(Configuration),
    routes: await list(Route),
    revisions: await list(Revision),
    deployments: await list(Deployment, revisionLabel),
    sets: await list(ReplicaSet, revisionLabel),
    pods: await list(Pod, revisionLabel),
    services: await list(Service, revisionLabel),
    slices: await list(EndpointSlice, revisionLabel),
    secrets: await list(Secret, revisionLabel),
    leases: await list(Lease),
  };
}

/** What isn't as it is to be, in words; empty where all is. */
export async function problems(api: ApiService, wanted: readonly SoakService[]): Promise<string[]> {
  const all = await snapshot(api);
  const known = index(all);
  return [...wanted.flatMap((service) => problemsOf(service, known)), ...leaks(all, wanted)];
}

type Index = Record<"configurations" | "routes" | "revisions" | "deployments", Map<string, KubeObject>> & {
  pods: Map<string, PodObject[]>;
};

function index(all: Snapshot): Index {
  const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;
  const by = (list: readonly KubeObject[]) => new Map(list.map((one) => [keyOf(one), one]));
  return {
    configurations: by(all.configurations),
    routes: by(all.routes),
    revisions: by(all.revisions),
    deployments: by(all.deployments),
    pods: Map.groupBy(all.pods, ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[revisionLabel]}`),
  };
}

function problemsOf(service: SoakService, known: Index): string[] {
  const id = `${service.namespace}/${service.name}`;
  const configuration = known.configurations.get(id) as Configuration | undefined;
  const route = known.routes.get(id) as Route | undefined;
  if (configuration === undefined || route === undefined) return [`${id}: is not there`];
  const { latestReadyRevisionName: latest = "", latestCreatedRevisionName } = configuration.status ?? {};
  if (!isSettled(configuration) || latest !== latestCreatedRevisionName) return [`${id}: Configuration is not ready`];
  const traffic = JSON.stringify(route.status?.traffic?.map(({ revisionName, percent }) => [revisionName, percent]));
  if (!isSettled(route) || traffic !== JSON.stringify([[latest, 100]])) return [`${id}: Route serves ${traffic}`];
  const revision = known.revisions.get(`${service.namespace}/${latest}`) as Revision | undefined;
  const version = revision?.spec.container.env?.find(({ name }) => name === "VERSION")?.value;
  if (version !== String(service.version)) return [`${id}: version ${version} is served, not ${service.version}`];
  const deployment = known.deployments.get(`${service.namespace}/${latest}`) as DeploymentObject | undefined;
  const ready = (known.pods.get(`${service.namespace}/${latest}`) ?? []).filter(isReady).length;
  const { instances } = service;
  if (deployment?.spec.replicas === instances && ready === instances) return [];
  return [`${id}: ${deployment?.spec.replicas} are told, ${ready} are ready, ${instances} are wanted`];
}

function isSettled({ metadata, status }: Configuration | Route): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
  return ready && status?.observedGeneration === metadata.generation && metadata.deletionTimestamp === undefined;
}

/** Objects that nobody wants any more. */
function leaks(all: Snapshot, wanted: readonly SoakService[]): string[] {
  const configurations = new Set(all.configurations.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  const uids = (...lists: (readonly KubeObject[])[]) => new Set(lists.flat().map(({ metadata }) => metadata.uid ?? ""));
  const owned = (list: readonly KubeObject[], owners: ReadonlySet<string>) =>
    list
      .filter(({ metadata }) => !(metadata.ownerReferences ?? []).some(({ uid }) => owners.has(uid)))
      .map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name} has no owner any more`);
  const ofRevisions = [...all.deployments, ...all.services, ...all.secrets];
  const counts: [string, number, number][] = [
    ["Configurations", all.configurations.length, wanted.length],
    ["Routes", all.routes.length, wanted.length],
    ["Pods", all.pods.length, wanted.reduce((sum, { instances }) => sum + instances, 0)],
    ["EndpointSlices", all.slices.length, all.services.length],
    ["Leases", all.leases.length, 1],
  ];
  return [
    ...owned(ofRevisions, uids(all.revisions)),
    ...owned(all.sets, uids(all.deployments)),
    ...owned(all.pods, uids(all.sets)),
    ...owned(all.slices, uids(all.services)),
    ...all.revisions
      .filter(({ metadata }) => !configurations.has(`${metadata.namespace}/${metadata.labels?.[configurationLabel]}`))
      .map(({ metadata }) => `Revision ${metadata.namespace}/${metadata.name} has no Configuration any more`),
    ...partsOf(all, wanted),
    ...counts.filter(([, is, should]) => is !== should).map(([what, is, should]) => `${is} ${what}, not ${should}`),
  ];
}

/**
 * Where a Revision has more than it is to have, or less. One whose Deployment somebody has deleted while it had no instances gets another when it needs
 * instances; what else it had stays until then, or goes with it.
 */
function partsOf(all: Snapshot, wanted: readonly SoakService[]): string[] {
  const idOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.labels?.[revisionLabel]}`;
  const count = (list: readonly KubeObject[]) => Map.groupBy(list, idOf);
  const [deployments, services, secrets] = [count(all.deployments), count(all.services), count(all.secrets)];
  const private_ = new Set(wanted.filter((one) => one.private).map(({ namespace, name }) => `${namespace}/${name}`));
  return all.revisions.flatMap(({ metadata: { namespace, name, labels } }) => {
    const id = `${namespace}/${name}`;
    const has = [deployments, services, secrets].map((list) => list.get(id)?.length ?? 0);
    const most = [1, 1, private_.has(`${namespace}/${labels?.[configurationLabel]}`) ? 2 : 1];
    const wrong = has.some((number, nth) => (has[0] === 0 ? number > (most[nth] ?? 0) : number !== most[nth]));
    return wrong
      ? [`Revision ${id} has ${has.join(", ")} Deployments, Services, Secrets, and is to have ${most.join(", ")}`]
      : [];
  });
}
