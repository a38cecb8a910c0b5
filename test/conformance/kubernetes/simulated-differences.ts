/** Where the simulated cluster answers otherwise than the recorded one, by file and exchange, and why. */

const goWords = "Kubernetes' words name its own Go types and parsers";
const unmanaged = "who owns which field is kept, but not shown as managedFields";
const generation = "a deletion doesn't count in the generation";
const reasonWord = "every error has a reason";
const tellsMore = "the cause says what was wrong with the patch";

export const simulatedDifferences: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "02-create": {
    "JSON array": goWords,
    "YAML answer": unmanaged,
    "YAML without content type": goWords,
    "accept protobuf for a custom resource": "errors are JSON where only protobuf was asked for",
    generateName: "the generated part is random",
    "no kind": "the object is shown as it was understood, not as it was sent",
    "protobuf content type": "the recorded server closed the connection; here it is 400",
    "wrong apiVersion": "no warning besides the error",
  },
  "03-field-validation": {
    "unknown field in a merge patch, Strict": unmanaged,
  },
  "04-validation": {
    "percent 100.0": "a number is an integer by its value, not by how it is written",
    "resourceVersion in a create": reasonWord,
  },
  "05-not-found": {
    "trailing slash": "percent 100.0 was accepted before",
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
    "bad continue": goWords,
    "resourceVersion not a number": reasonWord,
    "resourceVersion=0": "lists are always in order",
    "single GET with a resourceVersion in the future": "a single object is always the newest",
  },
};
