/** The types that refused fields of core/v1 have there: the schema of a cluster must name one. */
import type { CrdSchema } from "./crd-schema.ts";

/** A refused field in the schema of its object. */
interface RefusedForm {
  schema: CrdSchema;
  /** CEL: the field says nothing. */
  absent: string;
}

const texts = [
  "name",
  "generateName",
  "subPathExpr",
  "mountPropagation",
  "localhostProfile",
  "procMount",
  "restartPolicy",
  "hostIP",
  "host",
  "recursiveReadOnly",
  "imagePullPolicy",
  "terminationMessagePath",
  "terminationMessagePolicy",
  "kind",
  "status",
];
const flags = ["privileged", "stdin", "stdinOnce", "tty"];
const numbers = ["hostPort", "terminationGracePeriodSeconds"];
const lists = ["claims", "restartPolicyRules", "resizePolicy", "volumeDevices", "ports", "env", "sources"];

/** An object of any form: it is refused, so nothing of it is ever stored. */
const anyObject: CrdSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** What the schema and the rule say of a refused field. An empty string and false say nothing: typed clients send them unasked. */
export function refusedForm(name: string): RefusedForm {
  if (texts.includes(name)) {
    return { schema: { type: "string", maxLength: 1024 }, absent: `(!has(self.${name}) || self.${name} == '')` };
  }
  if (flags.includes(name)) return { schema: { type: "boolean" }, absent: `(!has(self.${name}) || !self.${name})` };
  if (numbers.includes(name)) return { schema: { type: "integer", format: "int64" }, absent: `!has(self.${name})` };
  const absent = `!has(self.${name})`;
  if (lists.includes(name)) return { schema: { type: "array", maxItems: 64, items: anyObject }, absent };
  return { schema: anyObject, absent };
}
