import type { Cause } from "../../../src/api/meta/errors.ts";
import { invalid } from "../../../src/api/meta/faults.ts";
import type { Kind, Schema } from "../../../src/api/meta/kind.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";

/** The CustomResourceDefinition that the recordings were made with, as a kind. Not the Route that Elafros serves. */
interface RecordedRoute extends KubeObject {
  spec: {
    visibility?: string;
    rollout: { traffic: { configurationName?: string; revisionName?: string; name?: string; percent: number }[] };
  };
}

const text: Schema = { type: "string" };

const schema: Schema = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["rollout"],
      properties: {
        visibility: { type: "string", enum: ["External", "ClusterLocal"], default: "External" },
        rollout: {
          type: "object",
          required: ["traffic"],
          properties: {
            traffic: {
              type: "array",
              maxItems: 20,
              items: {
                type: "object",
                required: ["percent"],
                properties: {
                  configurationName: { type: "string", maxLength: 63 },
                  name: { type: "string", maxLength: 63, pattern: "^[a-z0-9-]+$" },
                  percent: { type: "integer", format: "int32", minimum: 0, maximum: 100 },
                  revisionName: { type: "string", maxLength: 63 },
                },
              },
            },
          },
        },
      },
    },
    status: {
      type: "object",
      properties: {
        domain: text,
        observedGeneration: { type: "integer", format: "int64" },
        conditions: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["type"],
          items: {
            type: "object",
            required: ["type", "status"],
            properties: {
              type: text,
              status: text,
              reason: text,
              message: text,
              lastTransitionTime: { type: "string", format: "date-time" },
            },
          },
        },
      },
    },
  },
};

/** The recorded CRD's rules, which were CEL there. */
function validate({ spec }: RecordedRoute, { old }: { old?: RecordedRoute }): Cause[] {
  const { traffic } = spec.rollout;
  const faults: Cause[] = [];
  if (traffic.length === 1 && traffic[0]?.percent !== 100) {
    faults.push(invalid("spec.rollout", spec.rollout, "a single target must have percent 100"));
  }
  for (const [position, target] of traffic.entries()) {
    if ((target.configurationName === undefined) === (target.revisionName === undefined)) {
      const field = `spec.rollout.traffic[${position}]`;
      faults.push(invalid(field, target, "exactly one of configurationName and revisionName"));
    }
  }
  if (old !== undefined && old.spec.visibility !== spec.visibility) {
    faults.push({
      reason: "FieldValueInvalid",
      message: 'Invalid value: "string": visibility is immutable',
      field: "spec.visibility",
    });
  }
  return faults;
}

export const recordedRoute: Kind<RecordedRoute> = {
  group: "elafros.dev",
  version: "v1alpha1",
  kind: "Route",
  listKind: "RouteList",
  plural: "routes",
  singular: "route",
  shortNames: ["rt"],
  categories: ["all", "elafros"],
  namespaced: true,
  schema,
  hasStatus: true,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [],
  validate,
};
