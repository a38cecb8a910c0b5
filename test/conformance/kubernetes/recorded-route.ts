/** The custom resource that the recordings were made with: a Route of their own, simpler than Elafros', with the same machinery. */
import { allKinds } from "../../../src/api/kinds.ts";
import type { Cause } from "../../../src/api/meta/errors.ts";
import type { AdmissionContext, Kind } from "../../../src/api/meta/kind.ts";
import type { Condition, KubeObject } from "../../../src/api/meta/types.ts";

interface RecordedTarget {
  configurationName?: string;
  revisionName?: string;
  percent: number;
}

interface RecordedRoute extends KubeObject {
  spec: { rollout: { traffic: RecordedTarget[] }; visibility?: string };
  status?: { domain?: string; conditions?: Condition[] };
}

const text = { type: "string", maxLength: 63 };

function ruleBroken(field: string, message: string, what = "object"): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(what)}: ${message}`, field };
}

/** What the recorded resource checked by rules. */
function validate(route: RecordedRoute, { old }: AdmissionContext<RecordedRoute>): Cause[] {
  const { traffic } = route.spec.rollout;
  const causes: Cause[] = [];
  // Kubernetes checks rules only on objects that fit the schema.
  if (!traffic.every(({ percent }) => Number.isInteger(percent))) return [];
  if (traffic.length === 1 && traffic[0]?.percent !== 100) {
    causes.push(ruleBroken("spec.rollout", "a single target must have percent 100"));
  }
  for (const [index, target] of traffic.entries()) {
    if ((target.configurationName === undefined) === (target.revisionName === undefined)) {
      const message = "exactly one of configurationName and revisionName";
      causes.push(ruleBroken(`spec.rollout.traffic[${index}]`, message));
    }
  }
  if (old !== undefined && old.spec.visibility !== route.spec.visibility) {
    causes.push(ruleBroken("spec.visibility", "visibility is immutable", "string"));
  }
  return causes;
}

const recordedRoute: Kind<RecordedRoute> = {
  group: "elafros.dev",
  version: "v1alpha1",
  kind: "Route",
  listKind: "RouteList",
  plural: "routes",
  singular: "route",
  shortNames: ["rt"],
  categories: ["all", "elafros"],
  namespaced: true,
  hasStatus: true,
  names: { form: "dns1123subdomain", max: 253 },
  schema: {
    type: "object",
    description: "Route sends traffic to revisions.",
    required: ["spec"],
    properties: {
      spec: {
        type: "object",
        required: ["rollout"],
        properties: {
          rollout: {
            type: "object",
            required: ["traffic"],
            properties: {
              traffic: {
                type: "array",
                description: "Targets and their shares.",
                maxItems: 20,
                items: {
                  type: "object",
                  required: ["percent"],
                  properties: {
                    configurationName: text,
                    name: { ...text, pattern: "^[a-z0-9-]+$" },
                    percent: { type: "integer", format: "int32", minimum: 0, maximum: 100 },
                    revisionName: text,
                  },
                },
              },
            },
          },
          visibility: { type: "string", default: "External", enum: ["External", "ClusterLocal"] },
        },
      },
      status: {
        type: "object",
        properties: {
          conditions: {
            type: "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            items: {
              type: "object",
              required: ["type", "status"],
              properties: {
                lastTransitionTime: { type: "string", format: "date-time" },
                message: { type: "string" },
                reason: { type: "string" },
                status: { type: "string" },
                type: { type: "string" },
              },
            },
          },
          domain: { type: "string" },
          observedGeneration: { type: "integer", format: "int64" },
        },
      },
    },
  },
  columns: [
    { name: "Domain", type: "string", description: "", priority: 0, value: (route) => route.status?.domain },
    { name: "Ready", type: "string", description: "", priority: 0, value: (route) => readyOf(route)?.status },
    { name: "Reason", type: "string", description: "", priority: 1, value: (route) => readyOf(route)?.reason },
    { name: "Age", type: "date", description: "", priority: 0, value: (route) => route.metadata.creationTimestamp },
  ],
  validate,
};

function readyOf(route: RecordedRoute): Condition | undefined {
  return route.status?.conditions?.find(({ type }) => type === "Ready");
}

/** The kinds that the recordings meet. */
export const recordedKinds: readonly Kind[] = [...allKinds.filter(({ kind }) => kind !== "Route"), recordedRoute];
