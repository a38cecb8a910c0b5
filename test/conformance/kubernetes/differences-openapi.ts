/** Where the OpenAPI documents of the servers say something else than the recorded ones, by what it is about, and why. */
import type { Allowed } from "./unexpected.ts";

const honestType = "it is called what it is, JSON, as in later versions";
const never = "it is never answered so";
const collection = "what deleting a collection takes is told too";

/** Both have the same API machinery. */
const shared: Allowed = {
  "index: content-type": honestType,
  "document: content-type": honestType,
  "without the hash: content-type": honestType,
  "wrong hash: content-type": honestType,
  "protobuf: content-type": "documents are JSON, which kubectl takes too",
  "v2: status": "there is OpenAPI v3, which kubectl has asked for since 1.26",
  groups: "fewer kinds are served, and only these have documents",
  "answer 200": never,
  "answer 201": never,
  "answer 202": never,
  "query parameter dryRun": collection,
  "query parameter gracePeriodSeconds": collection,
  "query parameter orphanDependents": collection,
  "query parameter propagationPolicy": collection,
  "query parameter pretty": "answers are written in one way",
  "query parameter resourceVersion": "a single object is always the newest",
  "query parameter sendInitialEvents": "it is there, as in later versions",
  "field of ObjectMeta": "who owns which field is kept, but not shown as managedFields",
  "schema type": "of a list it is said too that it is an object",
  "schema x-kubernetes-patch-merge-key": "how strategic merge treats the list is told",
  "schema x-kubernetes-patch-strategy": "how strategic merge treats the list is told",
  "body application/strategic-merge-patch+json": "strategic merge is told of every kind",
};

export const openApiDifferences: { embedded: Allowed; simulated: Allowed } = {
  embedded: {
    ...shared,
    "body application/apply-patch+yaml": "there is no server-side apply",
    "schema x-kubernetes-validations": "rules are no part of the schema",
  },
  simulated: {
    ...shared,
    "body application/apply-patch+yaml": "apply is taken beside the API machinery, whose document doesn't know of it",
  },
};
