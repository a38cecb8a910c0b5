/** Recorded scenarios whose requests are sent as they stand: what is waited for before each, and what is known to differ. */
import type { Allowed } from "./unexpected.ts";

/** What must have come before a step is taken. */
export interface Expected {
  /** The story tells this, */
  told?: RegExp | undefined;
  /** and so many Pods are ready. */
  ready?: number | undefined;
}

interface RecordedScenario {
  /** Also the namespace's, and the recording's. */
  name: string;
  /** By step. */
  before: Readonly<Record<string, Expected>>;
  /** Until this step containers that are to end don't. */
  endsAt?: string;
  /** Lines of the story that only one of the two tells, and why. */
  differences?: Allowed;
  /** Steps and requests whose answers differ, and why. */
  answers?: Allowed;
}

const rolledOut: Expected = { told: /has successfully progressed/ };
const lastProbe = "whether a probe is under way while a container ends is chance";
const noDaemonSets = "nothing of Elafros is a DaemonSet, so there are none";

const unanswered =
  'warnings: Unhealthy: Readiness probe failed: Get "http://IP:8080/": dial tcp IP:8080: connect: connection refused';

export const recordedScenarios: readonly RecordedScenario[] = [
  {
    name: "config-missing",
    before: { "create the ConfigMap": { told: /CreateContainerConfigError/ } },
  },
  {
    name: "pod-delete-grace",
    before: {
      "delete the Pod": { ready: 1 },
      "and once it is gone": { told: /gone Running/ },
      "delete with gracePeriodSeconds 0": { ready: 1 },
    },
    endsAt: "and once it is gone",
    differences: { [unanswered]: lastProbe },
  },
  {
    name: "eviction-budget",
    before: {
      "create the budget": rolledOut,
      "evict: refused": { told: /DisruptionAllowed":\["False/ },
      "evict dryRun": { told: /DisruptionAllowed":\[.*"True/, ready: 2 },
    },
    endsAt: "evict a pod that is not there",
  },
  {
    name: "drain",
    before: {
      "create a DaemonSet": rolledOut,
      "kubectl uncordon": { told: /FailedScheduling/ },
    },
    differences: {
      [unanswered]: lastProbe,
      "Pod Ready: False ContainersNotReady: containers with unready status: [c]": noDaemonSets,
      "Pod ContainersReady: False ContainersNotReady: containers with unready status: [c]": noDaemonSets,
    },
    answers: {
      "create a DaemonSet": noDaemonSets,
      "kubectl drain: GET /apis/apps/v1/namespaces/drain/daemonsets/agent": noDaemonSets,
    },
  },
  {
    name: "namespace-delete",
    before: { "delete the Namespace": rolledOut },
    endsAt: "read the Namespace again",
  },
];
