/** The schemas of OpenAPI documents: the kinds' own, completed with what every object has, and those of `meta/v1`. */
import { type Kind, type Schema, apiVersionOf } from "../api/meta/kind.ts";

type Json = Record<string, unknown>;

const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";
const text = (description: string): Json => ({ type: "string", description });
const textMap = (description: string): Json => ({
  type: "object",
  description,
  additionalProperties: { type: "string" },
});
const time = (description: string): Json => ({ type: "string", format: "date-time", description });

/** A reference to a schema of the same document. */
export function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

const apiVersionField = text("The group and version of this object's schema, such as v1 or elafros.dev/v1alpha1.");
const kindField = text("What this object is.");

/** The name of a kind's schema: the reversed group, the version and the kind; core groups as Kubernetes names them. */
export function schemaName({ group, version, kind }: Pick<Kind, "group" | "version" | "kind">): string {
  if (group === "") return `io.k8s.api.core.${version}.${kind}`;
  if (group.endsWith(".k8s.io")) return `io.k8s.api.${group.split(".", 1).join("")}.${version}.${kind}`;
  return `${group.split(".").reverse().join(".")}.${version}.${kind}`;
}

/** `meta/v1`, as far as objects and lists show it. */
export const metaSchemas: Record<string, Json> = {
  [`${meta}.ObjectMeta`]: {
    type: "object",
    description: "What every stored object has.",
    properties: {
      name: text("The object's name, unique among those of its kind in a namespace. It never changes."),
      generateName: text("The beginning of a name that the server completes; used where name is empty."),
      namespace: text("The namespace that the object is in. It never changes."),
      uid: text("Unique over all time; set by the server."),
      resourceVersion: text("Changes with every write of the object; opaque. A write with a stale one is refused."),
      generation: { type: "integer", format: "int64", description: "Grows by one whenever the spec changes." },
      creationTimestamp: time("When the object was created; set by the server."),
      deletionTimestamp: time(
        "When deletion was asked for; set by the server. The object goes when it has no finalizers left.",
      ),
      deletionGracePeriodSeconds: {
        type: "integer",
        format: "int64",
        description: "Seconds until the object may go; set by the server.",
      },
      selfLink: text("The object's path; set by the server."),
      labels: textMap("Labels, which selectors select by."),
      annotations: textMap("Annotations: anything about the object, not selected by."),
      finalizers: {
        type: "array",
        description: "Who must agree before the object goes.",
        items: { type: "string" },
        "x-kubernetes-list-type": "set",
        "x-kubernetes-patch-strategy": "merge",
      },
      ownerReferences: {
        type: "array",
        description: "The objects that own this one; it goes with the last of them.",
        items: ref(`${meta}.OwnerReference`),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["uid"],
        "x-kubernetes-patch-merge-key": "uid",
        "x-kubernetes-patch-strategy": "merge",
      },
    },
  },
  [`${meta}.OwnerReference`]: {
    type: "object",
    description: "An object that owns another.",
    required: ["apiVersion", "kind", "name", "uid"],
    properties: {
      apiVersion: text("The owner's group and version."),
      kind: text("The owner's kind."),
      name: text("The owner's name."),
      uid: text("The owner's uid."),
      controller: { type: "boolean", description: "Whether the owner manages this object." },
      blockOwnerDeletion: {
        type: "boolean",
        description: "Whether the owner can't go before this object in foreground deletion.",
      },
    },
  },
  [`${meta}.ListMeta`]: {
    type: "object",
    description: "What every list has.",
    properties: {
      resourceVersion: text("The state of the store that the list shows."),
      continue: text("Set where there is more: pass it back to get the next part."),
      remainingItemCount: { type: "integer", format: "int64", description: "How many items come after this part." },
      selfLink: text("The list's path."),
    },
  },
  [`${meta}.DeleteOptions`]: {
    type: "object",
    description: "How to delete.",
    properties: {
      apiVersion: apiVersionField,
      kind: kindField,
      dryRun: { type: "array", description: "`All` to do everything but delete.", items: { type: "string" } },
      gracePeriodSeconds: { type: "integer", format: "int64", description: "Seconds until the object goes." },
      orphanDependents: { type: "boolean", description: "Deprecated: use propagationPolicy." },
      preconditions: {
        type: "object",
        description: "What must be so for the object to be deleted.",
        properties: { uid: text("Its uid."), resourceVersion: text("Its resourceVersion.") },
      },
      propagationPolicy: text("What becomes of what it owns: Background, Foreground or Orphan."),
    },
  },
  [`${meta}.Patch`]: { type: "object", description: "A patch of the type that Content-Type names." },
  [`${meta}.Status`]: {
    type: "object",
    description: "The answer of what returns no object, and of what failed.",
    properties: {
      apiVersion: apiVersionField,
      kind: kindField,
      metadata: ref(`${meta}.ListMeta`),
      status: text("Success or Failure."),
      message: text("Why, in a sentence."),
      reason: text("Why, in a word."),
      details: { type: "object", description: "More, for programs." },
      code: { type: "integer", format: "int32", description: "The HTTP status code." },
    },
  },
};

/** A kind's object and list. */
export function kindSchemas(kind: Kind): Record<string, Json> {
  const name = schemaName(kind);
  const own = toOpenApi(kind.schema);
  const identity = { group: kind.group, version: kind.version };
  const object: Json = {
    ...own,
    type: "object",
    properties: {
      apiVersion: apiVersionField,
      kind: kindField,
      metadata: {
        description: "Name, labels and what the server notes about the object.",
        allOf: [ref(`${meta}.ObjectMeta`)],
      },
      ...(own["properties"] as Json | undefined),
    },
    "x-kubernetes-group-version-kind": [{ ...identity, kind: kind.kind }],
  };
  const list: Json = {
    type: "object",
    description: `A list of ${kind.kind} (${apiVersionOf(kind)}).`,
    required: ["items"],
    properties: {
      apiVersion: apiVersionField,
      kind: kindField,
      metadata: { description: "What the server notes about the list.", allOf: [ref(`${meta}.ListMeta`)] },
      items: { type: "array", description: "The objects.", items: ref(name) },
    },
    "x-kubernetes-group-version-kind": [{ ...identity, kind: kind.listKind }],
  };
  return { [name]: object, [schemaName({ ...identity, kind: kind.listKind })]: list };
}

/** A kind's schema as OpenAPI has it, with how strategic merge treats lists. Fields that are always refused are left out. */
function toOpenApi(schema: Schema): Json {
  const { properties, items, additionalProperties, "x-elafros-duplicate": _, ...plain } = schema;
  const result: Json = { ...plain };
  if (properties !== undefined) {
    const shown = Object.entries(properties).filter(([, field]) => field["x-elafros-refused"] === undefined);
    result["properties"] = Object.fromEntries(shown.map(([name, field]) => [name, toOpenApi(field)]));
  }
  if (items !== undefined) result["items"] = toOpenApi(items);
  if (additionalProperties !== undefined) {
    result["additionalProperties"] =
      typeof additionalProperties === "boolean" ? additionalProperties : toOpenApi(additionalProperties);
  }
  if (plain["x-kubernetes-int-or-string"] === true) {
    delete result["type"];
    result["oneOf"] = [{ type: "integer" }, { type: "string" }];
  }
  const [key] = plain["x-kubernetes-list-map-keys"] ?? [];
  if (plain["x-kubernetes-list-type"] === "map" && key !== undefined) {
    result["x-kubernetes-patch-merge-key"] = key;
    result["x-kubernetes-patch-strategy"] = "merge";
  } else if (plain["x-kubernetes-list-type"] === "set") result["x-kubernetes-patch-strategy"] = "merge";
  return result;
}
