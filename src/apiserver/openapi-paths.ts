/** The operations of OpenAPI documents: each kind has the same ones. */
import type { Kind } from "../api/meta/kind.ts";
import { ref, schemaName } from "./openapi-schemas.ts";

type Json = Record<string, unknown>;

const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";
const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];
const objectTypes = ["application/json", "application/yaml"];

function query(name: string, description: string, type = "string"): Json {
  return { name, in: "query", description, schema: { type, uniqueItems: true } };
}

function pathParameter(name: string, description: string): Json {
  return { name, in: "path", required: true, description, schema: { type: "string", uniqueItems: true } };
}

const writeParameters = [
  query("dryRun", "`All` to do everything but store the result."),
  query("fieldManager", "Who makes the change."),
  query("fieldValidation", "What to do about unknown and repeated fields: Strict, Warn (the default) or Ignore."),
];
const listParameters = [
  query("allowWatchBookmarks", "Whether a watch may have BOOKMARK events.", "boolean"),
  query("continue", "The token of a list that had more."),
  query("fieldSelector", "Only objects with these fields, such as metadata.name=a."),
  query("labelSelector", "Only objects with these labels."),
  query("limit", "The most items of one answer.", "integer"),
  query("resourceVersion", "The state of the store to show, or to watch from."),
  query("resourceVersionMatch", "How resourceVersion is meant: Exact or NotOlderThan."),
  query("sendInitialEvents", "Whether a watch begins with what there is.", "boolean"),
  query("timeoutSeconds", "When a watch ends.", "integer"),
  query("watch", "Whether to stream changes instead of listing.", "boolean"),
];
const deleteParameters = [
  query("dryRun", "`All` to do everything but delete."),
  query("gracePeriodSeconds", "Seconds until the object goes.", "integer"),
  query("orphanDependents", "Deprecated: use propagationPolicy.", "boolean"),
  query("propagationPolicy", "What becomes of what it owns: Background, Foreground or Orphan."),
];

function content(types: readonly string[], schema: Json): Json {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

/** All operations of a kind, by path. */
export function kindPaths(kind: Kind): Record<string, Json> {
  const { group, version, plural, namespaced } = kind;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const inNamespace = namespaced ? [pathParameter("namespace", "The namespace.")] : [];
  const named = [...inNamespace, pathParameter("name", "The object's name.")];
  const object = ref(schemaName(kind));
  const list = ref(schemaName({ group, version, kind: kind.listKind }));
  const op = operations(kind);
  const paths: Record<string, Json> = {
    [collection]: {
      get: op("list", { action: "list", parameters: listParameters, answer: list }),
      post: op("create", {
        action: "post",
        parameters: writeParameters,
        answer: object,
        body: content(objectTypes, object),
        code: 201,
      }),
      delete: op("deleteCollection", {
        action: "deletecollection",
        parameters: [...listParameters, ...deleteParameters],
        answer: list,
      }),
      parameters: inNamespace,
    },
    [`${collection}/{name}`]: {
      get: op("read", { action: "get", parameters: [], answer: object }),
      put: op("replace", {
        action: "put",
        parameters: writeParameters,
        answer: object,
        body: content(objectTypes, object),
      }),
      patch: op("patch", {
        action: "patch",
        parameters: writeParameters,
        answer: object,
        body: content(patchTypes, ref(`${meta}.Patch`)),
      }),
      delete: op("delete", {
        action: "delete",
        parameters: deleteParameters,
        answer: ref(`${meta}.Status`),
        body: content(objectTypes, ref(`${meta}.DeleteOptions`)),
      }),
      parameters: named,
    },
  };
  if (namespaced) {
    paths[`${root}/${plural}`] = {
      get: op("listForAllNamespaces", { action: "list", parameters: listParameters, answer: list }),
    };
  }
  if (kind.hasStatus) {
    paths[`${collection}/{name}/status`] = {
      get: op("readStatus", { action: "get", parameters: [], answer: object }),
      put: op("replaceStatus", {
        action: "put",
        parameters: writeParameters,
        answer: object,
        body: content(objectTypes, object),
      }),
      patch: op("patchStatus", {
        action: "patch",
        parameters: writeParameters,
        answer: object,
        body: content(patchTypes, ref(`${meta}.Patch`)),
      }),
      parameters: named,
    };
  }
  return paths;
}

interface Operation {
  action: string;
  parameters: readonly Json[];
  answer: Json;
  body?: Json;
  code?: number;
}

function operations(kind: Kind): (id: string, operation: Operation) => Json {
  const { group, version } = kind;
  const tag = `${group === "" ? "core" : group.replaceAll(/\W(\w)/g, (_, letter: string) => letter.toUpperCase())}_${version}`;
  return (id, { action, parameters, answer, body, code = 200 }) => ({
    tags: [tag],
    operationId: `${id}${kind.kind}`,
    description: `${id} ${kind.kind}`,
    parameters,
    ...(body === undefined ? {} : { requestBody: { content: body, required: action !== "delete" } }),
    responses: {
      [code]: { description: "Done.", content: content(objectTypes, answer) },
      401: { description: "Unauthorized" },
    },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind: kind.kind },
  });
}
