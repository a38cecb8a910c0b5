/** The messages of Kubernetes' protobuf encoding that are read here: field numbers as its published .proto files have them. */

/** How one field is encoded. */
export interface Field {
  name: string;
  type: "string" | "integer" | "boolean" | "bytes" | "raw" | "time" | "microTime" | Message;
  repeated?: true;
  /** Set where the field is a map of strings to these. */
  map?: "string" | "bytes" | Message;
}

/** Fields by number. */
export interface Message {
  readonly [number: number]: Field;
}

const text = (name: string): Field => ({ name, type: "string" });
const texts = (name: string): Field => ({ name, type: "string", repeated: true });
const integer = (name: string): Field => ({ name, type: "integer" });
const flag = (name: string): Field => ({ name, type: "boolean" });
const one = (name: string, type: Message): Field => ({ name, type });
const many = (name: string, type: Message): Field => ({ name, type, repeated: true });
const mapOf = (name: string, map: "string" | "bytes" | Message): Field => ({ name, type: "string", map });

const objectMeta: Message = {
  1: text("name"),
  2: text("generateName"),
  3: text("namespace"),
  4: text("selfLink"),
  5: text("uid"),
  6: text("resourceVersion"),
  7: integer("generation"),
  8: { name: "creationTimestamp", type: "time" },
  9: { name: "deletionTimestamp", type: "time" },
  10: integer("deletionGracePeriodSeconds"),
  11: mapOf("labels", "string"),
  12: mapOf("annotations", "string"),
  13: many("ownerReferences", {
    1: text("kind"),
    3: text("name"),
    4: text("uid"),
    5: text("apiVersion"),
    6: flag("controller"),
    7: flag("blockOwnerDeletion"),
  }),
  14: texts("finalizers"),
};
const metadata = one("metadata", objectMeta);

const objectReference: Message = {
  1: text("kind"),
  2: text("namespace"),
  3: text("name"),
  4: text("uid"),
  5: text("apiVersion"),
  6: text("resourceVersion"),
  7: text("fieldPath"),
};

const rule: Message = {
  1: texts("verbs"),
  2: texts("apiGroups"),
  3: texts("resources"),
  4: texts("resourceNames"),
  5: texts("nonResourceURLs"),
};
const role: Message = { 1: metadata, 2: many("rules", rule) };
const binding: Message = {
  1: metadata,
  2: many("subjects", { 1: text("kind"), 2: text("apiGroup"), 3: text("name"), 4: text("namespace") }),
  3: one("roleRef", { 1: text("apiGroup"), 2: text("kind"), 3: text("name") }),
};

const resourceAttributes = one("resourceAttributes", {
  1: text("namespace"),
  2: text("verb"),
  3: text("group"),
  4: text("version"),
  5: text("resource"),
  6: text("subresource"),
  7: text("name"),
});
const nonResourceAttributes = one("nonResourceAttributes", { 1: text("path"), 2: text("verb") });
const subjectAccessReview: Message = {
  1: metadata,
  2: one("spec", {
    1: resourceAttributes,
    2: nonResourceAttributes,
    3: text("user"),
    4: texts("groups"),
    5: mapOf("extra", { 1: texts("items") }),
    6: text("uid"),
  }),
};

/** By kind; versions don't differ in what is read here. */
export const messages: Readonly<Record<string, Message>> = {
  Namespace: {
    1: metadata,
    2: one("spec", { 1: texts("finalizers") }),
    3: one("status", { 1: text("phase") }),
  },
  Secret: {
    1: metadata,
    2: mapOf("data", "bytes"),
    3: text("type"),
    4: mapOf("stringData", "string"),
    5: flag("immutable"),
  },
  ConfigMap: { 1: metadata, 2: mapOf("data", "string"), 3: mapOf("binaryData", "bytes"), 4: flag("immutable") },
  ServiceAccount: {
    1: metadata,
    2: many("secrets", objectReference),
    3: many("imagePullSecrets", { 1: text("name") }),
    4: flag("automountServiceAccountToken"),
  },
  Event: {
    1: metadata,
    2: one("involvedObject", objectReference),
    3: text("reason"),
    4: text("message"),
    5: one("source", { 1: text("component"), 2: text("host") }),
    6: { name: "firstTimestamp", type: "time" },
    7: { name: "lastTimestamp", type: "time" },
    8: integer("count"),
    9: text("type"),
    10: { name: "eventTime", type: "microTime" },
    12: text("action"),
    13: one("related", objectReference),
    14: text("reportingComponent"),
    15: text("reportingInstance"),
  },
  Role: role,
  ClusterRole: role,
  RoleBinding: binding,
  ClusterRoleBinding: binding,
  TokenRequest: {
    1: metadata,
    2: one("spec", {
      1: texts("audiences"),
      3: one("boundObjectRef", { 1: text("kind"), 2: text("apiVersion"), 3: text("name"), 4: text("uid") }),
      4: integer("expirationSeconds"),
    }),
  },
  TokenReview: { 1: metadata, 2: one("spec", { 1: text("token"), 2: texts("audiences") }) },
  SelfSubjectAccessReview: { 1: metadata, 2: one("spec", { 1: resourceAttributes, 2: nonResourceAttributes }) },
  SubjectAccessReview: subjectAccessReview,
  LocalSubjectAccessReview: subjectAccessReview,
  SelfSubjectRulesReview: { 1: metadata, 2: one("spec", { 1: text("namespace") }) },
  SelfSubjectReview: { 1: metadata },
  DeleteOptions: {
    1: integer("gracePeriodSeconds"),
    2: one("preconditions", { 1: text("uid"), 2: text("resourceVersion") }),
    3: flag("orphanDependents"),
    4: text("propagationPolicy"),
    5: texts("dryRun"),
  },
};
