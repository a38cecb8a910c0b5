/** Copies of all objects of workloads, which follow the cluster, and what of them belongs to which workload. */
import { Event } from "../../api/event.ts";
import { revisionLabel } from "../../api/labels.ts";
import type { Kind } from "../../api/meta/kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { Client } from "../../client/client.ts";
import { type Informer, startInformer } from "../../client/informer.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { WorkloadKey } from "../../runtime/workloads.ts";
import { Deployment, ReplicaSet } from "../kinds/deployment.ts";
import { Pod } from "../kinds/pod.ts";
import { EndpointSlice, Service } from "../kinds/service.ts";

export interface WorkloadObjects {
  deployments: Informer<Deployment>;
  replicaSets: Informer<ReplicaSet>;
  pods: Informer<Pod>;
  services: Informer<Service>;
  slices: Informer<EndpointSlice>;
  /** Of failed probes, of any Pod. */
  probes: Informer<Event>;
  /** Resolves once everything was listed. */
  synced: Promise<void>;
  /** Called with the workload after each change of one of its objects. */
  subscribe(listener: (key: WorkloadKey) => void): void;
  stop(): Promise<void>;
}

/** The index by `namespace/name` of the workload, which all have, and of Events by the Pod's uid. */
const byWorkload = "workload";
const byPod = "pod";

export function idOf({ namespace, name }: WorkloadKey): string {
  return `${namespace}/${name}`;
}

function workloadOf({ metadata }: KubeObject): WorkloadKey | undefined {
  const name = metadata.labels?.[revisionLabel];
  return name === undefined ? undefined : { namespace: metadata.namespace ?? "", name };
}

/** All of one kind that belong to a workload. */
export function objectsOf<T extends KubeObject>(informer: Informer<T>, key: WorkloadKey): readonly T[] {
  return informer.by(byWorkload, idOf(key));
}

export function probesOf(probes: Informer<Event>, pods: readonly Pod[]): Event[] {
  return pods.flatMap(({ metadata }) => [...probes.by(byPod, metadata.uid ?? "")]);
}

export function followObjects(deps: { client: Client; clock: Clock; log: Log }): WorkloadObjects {
  const follow = <T extends KubeObject>(kind: Kind<T>) =>
    startInformer<T>({
      ...deps,
      kind,
      labelSelector: revisionLabel,
      indexes: {
        [byWorkload]: (object) => {
          const key = workloadOf(object);
          return key === undefined ? [] : [idOf(key)];
        },
      },
    });
  const deployments = follow(Deployment);
  const replicaSets = follow(ReplicaSet);
  const pods = follow(Pod);
  const services = follow(Service);
  const slices = follow(EndpointSlice);
  const probes = startInformer<Event>({
    ...deps,
    kind: Event,
    fieldSelector: "reason=Unhealthy",
    indexes: { [byPod]: ({ involvedObject }) => [involvedObject.uid ?? ""] },
  });
  const labelled = [deployments, replicaSets, pods, services, slices];
  const all = [...labelled, probes];
  return {
    deployments,
    replicaSets,
    pods,
    services,
    slices,
    probes,
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => {}),
    subscribe(listener) {
      for (const informer of labelled) {
        informer.subscribe(({ object }: { object: KubeObject }) => {
          const key = workloadOf(object);
          if (key !== undefined) listener(key);
        });
      }
      probes.subscribe(({ object }) => {
        const { namespace = "", name = "" } = object.involvedObject;
        const pod = pods.get(`${namespace}/${name}`);
        const key = pod === undefined ? undefined : workloadOf(pod);
        if (key !== undefined) listener(key);
      });
    },
    stop: async () => void (await Promise.all(all.map((informer) => informer.stop()))),
  };
}
