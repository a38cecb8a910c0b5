/** What a workload's objects need of its Revision and of the installation, besides the InstanceSpec. */
import type { OwnerReference } from "../../api/meta/types.ts";
import { defaultServiceAccount, defaultTimeoutSeconds } from "../../api/revision-spec.ts";
import { apiVersionOf } from "../../api/meta/kind.ts";
import { cpuMilli, formatCpu, formatMemory, memoryBytes } from "../../api/meta/quantity.ts";
import { Revision } from "../../api/revision.ts";
import { type Scheduling, schedulingOf } from "../../api/scheduling.ts";

/** Of one Revision. */
export interface RevisionFacts {
  /** Owns everything that is made: with it, it goes. */
  owner: OwnerReference;
  serviceAccountName: string;
  /** What is set aside for an instance (`resources.requests`), in Kubernetes' canonical form, which is what it answers. */
  requests: Record<string, string>;
  /** The most seconds until a response begins. */
  timeoutSeconds: number;
  /** Where its instances may run. */
  scheduling: Scheduling;
}

/** Of the installation. */
export interface ClusterFacts {
  /** Where the kubelet asks before it stops an instance, `host:port`; absent: it doesn't ask. */
  drainHook: { host: string; port: number } | undefined;
}

/** Reads what counts of a Revision. It must have been stored. */
export function factsOf(revision: Revision): RevisionFacts {
  const { metadata, spec } = revision;
  return {
    owner: {
      apiVersion: apiVersionOf(Revision),
      kind: Revision.kind,
      name: metadata.name,
      uid: metadata.uid ?? "",
      controller: true,
      blockOwnerDeletion: true,
    },
    serviceAccountName: spec.serviceAccountName ?? defaultServiceAccount,
    requests: canonical(spec.container.resources?.requests ?? {}),
    timeoutSeconds: spec.timeoutSeconds ?? defaultTimeoutSeconds,
    scheduling: schedulingOf(metadata.annotations),
  };
}

function canonical(quantities: Readonly<Record<string, string>>): Record<string, string> {
  const milli = quantities["cpu"] === undefined ? undefined : cpuMilli(quantities["cpu"]);
  const bytes = quantities["memory"] === undefined ? undefined : memoryBytes(quantities["memory"]);
  return {
    ...quantities,
    ...(milli === undefined ? {} : { cpu: formatCpu(milli) }),
    ...(bytes === undefined ? {} : { memory: formatMemory(bytes) }),
  };
}
