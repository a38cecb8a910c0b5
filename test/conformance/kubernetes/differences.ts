/** Where the servers answer otherwise than the recorded one, by file and exchange, and why. */
import type { Allowed } from "./unexpected.ts";

const goWords = "Kubernetes' words name its own Go types and parsers";
const untypedYaml = "a body without a known type is read as YAML here";
const generation = "a deletion doesn't count in the generation";
const strategic = "strategic merge, which an untyped patch is, works for every kind here";
const nameFolding = "names that differ in case only are taken here";
const reasonWord = "every error has a reason";
const unmanaged = "who owns which field is kept, but not shown as managedFields";
const tellsMore = "the cause says what was wrong with the patch";

const fewer = "fewer kinds are served, and the server's address isn't told";
const singular = "kinds have a singular name, as in later versions, and other hashes";
const aggregated = "aggregated discovery is served, as in later versions";
const quotaStatus = "what a quota counts isn't shown";
const noToken = "no token and certificate are mounted into Pods";
const noLimits = "there are no LimitRanges";
const nulls = "empty times of templates aren't told, and what controllers add comes when it comes";
const loose = "fields of built-in kinds aren't checked one by one";

const unchecked = "types and cost of rules only a real server knows: `npm run check:cluster` asks one";

type Table = Readonly<Record<string, Allowed>>;

/** Of both: the API machinery is the same. */
const shared: Table = {
  "10-watch": {
    "from the list resourceVersion: ADDED, MODIFIED, DELETED; raw lines with managedFields": generation,
    "resume from the resourceVersion of the ADDED event: the later events come again": generation,
    "resourceVersion=1: too old, ERROR event with 410, then the end": "the store is younger: nothing is too old",
    "sendInitialEvents with resourceVersionMatch: 422, the feature is not in 1.26": "it is there",
    "resourceVersion not a number": reasonWord,
    "YAML accept": "a writer of YAML chooses its quotes",
  },
  "11-watch-bookmarks": {
    "a kind that nobody writes, no resourceVersion given: one bookmark before the end": "there are no Jobs",
    "Table with bookmarks": "ages are of the time of the recording, and empty times aren't told",
    "sendInitialEvents without resourceVersionMatch (the feature is not in 1.26)": "it is there, and that is an error",
    "Deployments, no resourceVersion given, none there": "a bookmark comes whether or not the store has moved",
  },
  "auth-rbac": {
    "anonymous without RBAC: 403": "there is no anonymous user: 401",
    "bad scheme": "there is no anonymous user: 401",
    "anonymous /version": "the versions differ",
    "allowed: discovery": "singular names are told",
    SelfSubjectRulesReview: "the paths and reviews that everybody may use are Elafros'",
  },
  "02-create": {
    "JSON array": goWords,
    "YAML answer": unmanaged,
    "accept protobuf for a custom resource": "errors are JSON where only protobuf was asked for",
    "protobuf content type": "the recorded server closed the connection; here it is 400",
    generateName: "the generated part is random",
    "no kind": "the object is shown as it was understood, not as it was sent",
    "wrong apiVersion": "no warning besides the error",
  },
  "03-field-validation": {
    "unknown field in a merge patch, Strict": unmanaged,
  },
  "04-validation": {
    "percent 100.0": "a number is an integer by its value, not by how it is written",
    "resourceVersion in a create": reasonWord,
  },
  "06-put": {
    "dryRun with a wrong value": goWords,
    "duplicate key in a list map": goWords,
    "resourceVersion not a number": reasonWord,
  },
  "07-patch": {
    "merge patch not an object": goWords,
    "JSON patch test fails": tellsMore,
    "JSON patch missing path": tellsMore,
    "JSON patch unknown op": tellsMore,
    "JSON patch not an array": goWords,
  },
  "08-delete": {
    "Foreground: finalizer, the collector takes it off": generation,
    Orphan: generation,
    "DELETE with a body of another kind": "the client's mistake is 400, not 500",
    "delete: 200 with deletionTimestamp": generation,
    "read: still there, generation rose": generation,
    "delete again": generation,
    "add another finalizer while it is deleted": "one cause per fault",
    "status while it is deleted": generation,
    "spec while it is deleted": generation,
    "PATCH that removes the last finalizer: 200 with the object, and it is gone": generation,
    "delete the owner in the foreground": generation,
    "two controllers in ownerReferences": goWords,
  },
  "09-list-table": {
    "resourceVersion not a number": reasonWord,
    "resourceVersion=0": "lists are always in order",
    "single GET with a resourceVersion in the future": "a single object is always the newest",
  },
};

/** Of the server of one machine. */
const embedded: Table = {
  "02-create": {
    "YAML without content type": untypedYaml,
    "text/plain": untypedYaml,
    "form content type (curl -d)": untypedYaml,
  },
  "03-field-validation": {
    "only the wrong-case field": nameFolding,
    "only the wrong-case field, Ignore": nameFolding,
  },
  "05-not-found": {
    "trailing slash": "more objects were accepted before",
  },
  "07-patch": {
    "strategic merge patch: 415": strategic,
    "no content type": strategic,
    "unknown content type": strategic,
    "application/json": "the accepted types are others",
  },
  "09-list-table": {
    "bad continue": "the message says what to do",
  },
};

/** Of the simulated cluster. */
const simulated: Table = {
  "01-crd": {
    "CRD with a wrong name and a CEL rule that does not compile": unchecked,
    "CRD with a CEL sum over a map: over the cost budget": unchecked,
  },
  "auth-quota": {
    quota: quotaStatus,
    "status of it": quotaStatus,
    usage: quotaStatus,
    fits: noToken,
    "ConfigMap b": "no ConfigMap with the cluster's certificate is put into namespaces, so there is one less",
    LimitRange: noLimits,
    "over the LimitRange: 403": noLimits,
  },
  builtin: {
    "Deployment with defaults": nulls,
    "PUT without resourceVersion: accepted for a built-in kind": nulls,
    "merge patch replaces the list": nulls,
    "strategic patch merges containers by name": nulls,
    Service: "addresses are given in order",
    "clusterIP immutable": goWords,
    "selector differs from the template": goWords,
    "selector is immutable": goWords,
    "pod spec change": goWords,
    "pod spec is immutable": noToken,
    "fieldSelector of pods": noToken,
    "log of a pod without a node": "what isn't there is an empty text, with 200",
    "unknown field, Strict": loose,
    "unknown field, default (Warn)": loose,
    "wrong type": loose,
    "wrong-case field of a built-in kind": loose,
  },
  lease: {
    "PUT of a Lease that does not exist": "no PUT makes an object",
    "PUT without resourceVersion": "built-in kinds can be written without a version",
    "bad time": loose,
    "delete with a stale resourceVersion precondition": "the Lease was written once more before",
  },
  discovery: {
    "GET /": fewer,
    "GET /api": fewer,
    "GET /api/v1": fewer,
    "GET /apis": fewer,
    "GET /apis/admissionregistration.k8s.io/v1": fewer,
    "GET /apis/apps/v1": fewer,
    "GET /apis/autoscaling/v2": fewer,
    "GET /apis/batch/v1": fewer,
    "GET /apis/events.k8s.io/v1": fewer,
    "GET /apis/networking.k8s.io/v1": fewer,
    "GET /apis/node.k8s.io/v1": fewer,
    "GET /apis/scheduling.k8s.io/v1": fewer,
    "GET /apis/storage.k8s.io/v1": fewer,
    "GET /apis/apiextensions.k8s.io/v1": singular,
    "GET /apis/coordination.k8s.io/v1": singular,
    "GET /apis/discovery.k8s.io/v1": singular,
    "GET /apis/policy/v1": singular,
    "GET /apis/rbac.authorization.k8s.io/v1": singular,
    "GET /apis/authentication.k8s.io/v1": "who one is can be asked, as in later versions",
    "GET /apis/elafros.dev/v1alpha1": "verbs come in another order",
    "GET /apis/elafros.dev/v1alpha1 as YAML": "a writer of YAML chooses its order",
    "GET /readyz/etcd": "health is told as a whole",
    "GET /readyz?verbose": "health is told as a whole",
    "GET /version": "of the version only what clients use is told",
    "accept of kubectl 1.32": aggregated,
    "aggregated discovery asked for as kubectl 1.32 / client-go do with a fallback: 1.26 answers the plain list":
      aggregated,
    "aggregated discovery of the core group": aggregated,
    "aggregated only": aggregated,
  },
  "02-create": {
    "YAML without content type": goWords,
  },
  "05-not-found": {
    "trailing slash": "percent 100.0 was accepted before",
  },
  "09-list-table": {
    "bad continue": goWords,
  },
};

const together = (one: Table, other: Table): Table =>
  Object.fromEntries(
    [...new Set([...Object.keys(one), ...Object.keys(other)])].map((file) => [file, { ...one[file], ...other[file] }]),
  );

export const differences = { embedded: together(shared, embedded), simulated: together(shared, simulated) };
