/** Pod (core/v1): the read-only view of a running instance, or of a build, with its log. The platform writes all of it. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { containerState } from "./container-state.ts";
import { buildNameLabel, revisionLabel } from "./labels.ts";
import { conditionsSchema } from "./meta/condition-schema.ts";
import {
  anything,
  choice,
  flag,
  integer,
  keyed,
  list,
  object,
  optional,
  stringMap,
  text,
  time,
  structural,
} from "./meta/fields.ts";
import type { Kind } from "./meta/kind.ts";
import type { KubeObject } from "./meta/types.ts";

const containerStatus = object("How the container is.", {
  name: text("The container.", 63),
  state: optional(containerState("Its state.")),
  lastState: optional(containerState("Its state before the last restart.")),
  ready: flag("Whether it takes requests."),
  started: optional(flag("Whether its startup probe has succeeded.")),
  restartCount: integer("How often it was restarted.", 0, 2 ** 31 - 1),
  image: text("The image.", 1024),
  imageID: text("The image's digest.", 1024),
  containerID: optional(text("The runtime's id.", 253)),
});

const containerView = object("A container.", {
  name: text("Its name.", 63),
  image: optional(text("The image.", 1024)),
  command: optional(list("What runs.", 256, text("An argument.", 131_072))),
  args: optional(list("Its arguments.", 256, text("An argument.", 131_072))),
  workingDir: optional(text("Its working directory.", 1024)),
  env: optional(
    keyed(
      "Its environment; values from Secrets are not shown.",
      2000,
      "name",
      object("A variable.", {
        name: text("Its name.", 1024),
        value: optional(text("Its value.", 131_072)),
        valueFrom: optional(anything("Where its value comes from.")),
      }),
    ),
  ),
  ports: optional(
    keyed(
      "Its port.",
      64,
      "containerPort",
      object("A port.", {
        containerPort: integer("Its number.", 1, 65_535),
        name: optional(text("Its protocol.", 15)),
        protocol: optional(text("TCP.", 8)),
      }),
    ),
  ),
  resources: optional(
    object("How much it may use.", {
      limits: optional(stringMap("The most.", 8, 64)),
      requests: optional(stringMap("What is set aside.", 8, 64)),
    }),
  ),
  imagePullPolicy: optional(text("When the registry is asked.", 32)),
  volumeMounts: optional(
    keyed(
      "Its mounts.",
      64,
      "mountPath",
      object("A mount.", {
        name: text("The volume.", 63),
        mountPath: text("The path.", 1024),
        readOnly: optional(flag("Whether it can't be written to.")),
        subPath: optional(text("The part of the volume.", 1024)),
      }),
    ),
  ),
  livenessProbe: optional(anything("Its liveness probe.")),
  readinessProbe: optional(anything("Its readiness probe.")),
  startupProbe: optional(anything("Its startup probe.")),
  securityContext: optional(anything("Who it runs as.")),
  terminationMessagePath: optional(text("The file of its last words.", 1024)),
  terminationMessagePolicy: optional(text("Where its last words come from.", 32)),
});

const schema = object("A running instance of a Revision, or a build; read-only.", {
  spec: optional(
    object("What runs.", {
      containers: keyed("The instance's container, or the build's steps.", 65, "name", containerView),
      volumes: optional(list("Its volumes.", 64, anything("A volume."))),
      nodeName: optional(text("The machine.", 253)),
      serviceAccountName: optional(text("Who it is.", 253)),
      restartPolicy: optional(text("Always; of a build Never.", 16)),
      terminationGracePeriodSeconds: optional(integer("Seconds between SIGTERM and SIGKILL.", 0, 86_400)),
      tolerations: optional(list("Unused.", 8, anything("Unused."))),
    }),
  ),
  status: optional(
    object("How it is.", {
      phase: optional(choice("Where it is in its life.", ["Pending", "Running", "Succeeded", "Failed", "Unknown"])),
      conditions: optional(conditionsSchema),
      containerStatuses: optional(list("How its containers are.", 65, containerStatus)),
      podIP: optional(text("Its address in the instance network.", 64)),
      podIPs: optional(list("The same.", 2, object("An address.", { ip: text("The address.", 64) }))),
      hostIP: optional(text("The machine's address.", 64)),
      startTime: optional(time("When it was made.")),
      reason: optional(text("Why, in a word.", 253)),
      message: optional(text("Why, in a sentence.", 4096)),
      qosClass: optional(text("Guaranteed, Burstable or BestEffort.", 32)),
    }),
  ),
});
export type Pod = KubeObject & Static<typeof schema>;

/** What kubectl shows as a Pod's status: why it waits or ended, where it does, else its phase. */
function statusWord(pod: Pod): string | undefined {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  const { phase, reason } = pod.status ?? {};
  if (pod.metadata.labels?.[buildNameLabel] !== undefined) {
    return phase === "Succeeded" ? "Completed" : phase === "Failed" ? (reason ?? "Error") : phase;
  }
  const state = pod.status?.containerStatuses?.[0]?.state;
  return state?.waiting?.reason ?? state?.terminated?.reason ?? reason ?? phase;
}

export const Pod: Kind<Pod> = {
  group: "",
  version: "v1",
  kind: "Pod",
  listKind: "PodList",
  plural: "pods",
  singular: "pod",
  shortNames: ["po"],
  categories: ["all"],
  namespaced: true,
  schema: structural(schema),
  hasStatus: true,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Ready",
      type: "string",
      description: "How many of its containers take requests.",
      priority: 0,
      value: (object) =>
        `${(object.status?.containerStatuses ?? []).filter((status) => status.ready).length}/${object.spec?.containers.length ?? 0}`,
    },
    {
      name: "Status",
      type: "string",
      description: "How it is.",
      priority: 0,
      jsonPath: ".status.phase",
      value: statusWord,
    },
    {
      name: "Restarts",
      type: "string",
      description: "How often its container was restarted.",
      priority: 0,
      value: (object) => String(object.status?.containerStatuses?.[0]?.restartCount ?? 0),
    },
    ageColumn,
    {
      name: "IP",
      type: "string",
      description: "Its address.",
      priority: 1,
      jsonPath: ".status.podIP",
      value: (object) => object.status?.podIP,
    },
    {
      name: "Revision",
      type: "string",
      description: "The Revision that it runs.",
      priority: 1,
      value: (object) => object.metadata.labels?.[revisionLabel],
    },
  ],
};
