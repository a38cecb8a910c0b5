/** Where this API server answers otherwise than the recorded one, by file and exchange, and why. */

const goWords = "Kubernetes' words name its own Go types";
const untypedYaml = "a body without a known type is read as YAML here";
const generation = "generation grows only with the spec here, not with deletion";
const strategic = "strategic merge, which an untyped patch is, works for every kind here";
const nameFolding = "names that differ in case only are taken here";
const reasonWord = "every error has a reason here";
const unmanaged = "objects here have no managedFields, so the text differs";
const tellsMore = "the cause says what was wrong with the patch";

export const allowed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "02-create": {
    "JSON array": goWords,
    "YAML answer": unmanaged,
    "YAML without content type": untypedYaml,
    "text/plain": untypedYaml,
    "form content type (curl -d)": untypedYaml,
    "accept protobuf for a custom resource": "errors are JSON where only protobuf was asked for",
    "protobuf content type": "the recorded server closed the connection; here it is 400",
    generateName: "the generated part is random",
    "no kind": "the object is shown as it was understood, not as it was sent",
    "wrong apiVersion": "no warning besides the error",
  },
  "03-field-validation": {
    "only the wrong-case field": nameFolding,
    "only the wrong-case field, Ignore": nameFolding,
    "unknown field in a merge patch, Strict": unmanaged,
  },
  "04-validation": {
    "percent 100.0": "a number is an integer by its value, not by how it is written",
    "resourceVersion in a create": reasonWord,
  },
  "05-not-found": {
    "trailing slash": "more objects were accepted before",
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
    "strategic merge patch: 415": strategic,
    "no content type": strategic,
    "unknown content type": strategic,
    "application/json": "the accepted types are others",
  },
  "08-delete": {
    "Foreground: finalizer, the collector takes it off": generation,
    Orphan: generation,
    "DELETE with a body of another kind": "the client's mistake is 400 here, not 500",
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
    "bad continue": "the message says what to do",
    "resourceVersion not a number": reasonWord,
    "resourceVersion=0": "lists are always in order here",
    "single GET with a resourceVersion in the future": "a single object is always the newest",
  },
};
