/** apps/v1 and the Pods: defaults and refusals as recorded. */
import type { Cause } from "../../../../src/api/meta/errors.ts";
import { forbidden, invalid, required } from "../../../../src/api/meta/faults.ts";
import { copyJson, equalJson, isObject, type JsonObject } from "../../../../src/apiserver/json.ts";
import { Pod as ElafrosPod } from "../../../../src/api/pod.ts";
import { define, type Loose } from "./define.ts";
import { fill, fillPod, fillPodSpec, objectsOf, qosClass } from "./pod-defaults.ts";
import { conditionsStatus, keyedBy, open, podSpec, podTemplate } from "./schema.ts";

/** The object in a field, made where it isn't there. */
function part(object: JsonObject, field: string): JsonObject {
  const value = object[field];
  if (isObject(value)) return value;
  const made: JsonObject = {};
  object[field] = made;
  return made;
}

function fillTemplate(object: Loose): void {
  fillPodSpec(part(part(part(object, "spec"), "template"), "spec"));
}

function templateFaults(object: Loose, { old }: { old?: unknown }): Cause[] {
  const spec = part(object, "spec");
  const wanted = part(part(spec, "selector"), "matchLabels");
  const labels = part(part(part(spec, "template"), "metadata"), "labels");
  const before = old === undefined ? spec : part(old as Loose, "spec");
  const containers = objectsOf(part(part(spec, "template"), "spec"), "containers");
  return [
    ...(isObject(spec["selector"]) ? [] : [required("spec.selector")]),
    ...(containers.length === 0 ? [required("spec.template.spec.containers")] : []),
    ...(Object.entries(wanted).every(([name, value]) => labels[name] === value)
      ? []
      : [invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")]),
    ...(equalJson(spec["selector"], before["selector"])
      ? []
      : [invalid("spec.selector", wanted, "field is immutable")]),
  ];
}

/** What of a Pod may change after it was made: the images of containers, and a few numbers. */
function podFaults(object: Loose, { old }: { old?: unknown }): Cause[] {
  const spec = part(object, "spec");
  if (objectsOf(spec, "containers").length === 0) return [required("spec.containers")];
  const fixed = (value: JsonObject): JsonObject => {
    const { activeDeadlineSeconds: _, tolerations: __, nodeName: ___, ...rest } = copyJson(value);
    for (const field of ["containers", "initContainers"]) {
      for (const container of objectsOf(rest, field)) delete container["image"];
    }
    return rest;
  };
  const same = old === undefined || equalJson(fixed(spec), fixed(part(old as Loose, "spec")));
  return same ? [] : [forbidden("spec", "pod updates may not change fields other than images and deadlines")];
}

const scaled = {
  spec: open({ template: podTemplate, selector: open({ matchLabels: open() }) }),
  status: conditionsStatus,
};

export const Deployment = define({
  group: "apps",
  kind: "Deployment",
  plural: "deployments",
  shortNames: ["deploy"],
  categories: ["all"],
  counted: true,
  fields: scaled,
  defaults: (object) => {
    fillTemplate(object);
    const spec = part(object, "spec");
    fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: {} });
    const strategy = part(spec, "strategy");
    fill(strategy, { type: "RollingUpdate" });
    if (strategy["type"] === "RollingUpdate") {
      fill(part(strategy, "rollingUpdate"), { maxUnavailable: "25%", maxSurge: "25%" });
    }
    fill(object, { status: {} });
  },
  validate: templateFaults,
});

export const ReplicaSet = define({
  group: "apps",
  kind: "ReplicaSet",
  plural: "replicasets",
  shortNames: ["rs"],
  categories: ["all"],
  counted: true,
  fields: scaled,
  defaults: (object) => {
    fillTemplate(object);
    fill(part(object, "spec"), { replicas: 1 });
    fill(object, { status: { replicas: 0 } });
  },
  validate: templateFaults,
});

const podStatus = open({
  conditions: keyedBy("type"),
  containerStatuses: keyedBy("name"),
  initContainerStatuses: keyedBy("name"),
});

export const Pod = {
  ...define({
    kind: "Pod",
    plural: "pods",
    shortNames: ["po"],
    categories: ["all"],
    fields: { spec: podSpec, status: podStatus },
    defaults: (object, { operation }) => {
      const spec = part(object, "spec");
      fillPod(spec);
      if (operation === "create") object["status"] = { phase: "Pending", qosClass: qosClass(spec) };
    },
    validate: podFaults,
  }),
  columns: ElafrosPod.columns.slice(0, 5),
};
