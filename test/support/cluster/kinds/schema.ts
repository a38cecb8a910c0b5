/** Schemas of Kubernetes' own kinds: of each only what merging goes by, everything else is kept as it is sent. */
import type { Schema } from "../../../../src/api/meta/kind.ts";

/** An object whose unknown fields are kept. */
export function open(properties: Record<string, Schema> = {}): Schema {
  return { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties };
}

/** A list that merges by one field of its elements. */
export function keyedBy(key: string, items: Schema = open({ [key]: {} })): Schema {
  return { type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], items };
}

const container = open({
  env: keyedBy("name"),
  ports: keyedBy("containerPort"),
  volumeMounts: keyedBy("mountPath"),
});

/** `spec` of a Pod. */
export const podSpec: Schema = open({
  containers: keyedBy("name", container),
  initContainers: keyedBy("name", container),
  volumes: keyedBy("name"),
  imagePullSecrets: keyedBy("name"),
  nodeSelector: open(),
});

/** `spec.template` of what makes Pods. */
export const podTemplate: Schema = open({ metadata: open({ labels: open(), annotations: open() }), spec: podSpec });

/** `status` with conditions. */
export const conditionsStatus: Schema = open({ conditions: keyedBy("type") });
