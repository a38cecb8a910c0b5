/** Field selectors: `metadata.name=a,status.phase!=Running`, with `\` before a literal `,`, `=` or `\` (apimachinery `fields`). */
import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { isObject } from "./json.ts";
import { badSelector } from "./selector-error.ts";

const common = ["metadata.name", "metadata.namespace"];

/** What can be selected by besides name and namespace, as Kubernetes allows it for these kinds. */
const fieldsOfKind: Record<string, readonly string[]> = {
  Event: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  Pod: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
  ],
  Namespace: ["status.phase"],
  Secret: ["type"],
};

/** Each term is looked at for each object of a list. */
const maxTerms = 100;

interface Term {
  path: readonly string[];
  equal: boolean;
  value: string;
}

function splitTerms(selector: string): string[] {
  const terms: string[] = [];
  let current = "";
  for (let at = 0; at < selector.length; at += 1) {
    const character = selector.charAt(at);
    if (character === "\\") {
      current += character + selector.charAt(at + 1);
      at += 1;
    } else if (character === ",") {
      terms.push(current);
      current = "";
    } else current += character;
  }
  return [...terms, current].filter((term) => term !== "");
}

function parseTerm(term: string, selector: string, kind: Kind): Term {
  const found = /^((?:\\.|[^\\=!])*?)(==|!=|=)(.*)$/s.exec(term);
  if (found === null) throw badSelector(`invalid selector: '${selector}'; can't understand '${term}'`);
  const [, field = "", operator, raw = ""] = found;
  const bad = /\\(?![\\,=])/.exec(raw);
  if (bad !== null) throw badSelector(`invalid field selector: invalid escape sequence in '${raw}'`);
  const value = raw.replaceAll(/\\([\\,=])/g, "$1");
  if (![...common, ...((kind.group === "" ? fieldsOfKind[kind.kind] : undefined) ?? [])].includes(field)) {
    throw badSelector(`field label not supported: ${field}`);
  }
  const path = kind.kind === "Event" && field === "source" ? ["source", "component"] : field.split(".");
  return { path, equal: operator !== "!=", value };
}

function valueAt(object: KubeObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const part of path) value = isObject(value) ? value[part] : undefined;
  return typeof value === "string" ? value : "";
}

/** Whether an object of `kind` meets the selector. Throws `BadRequest` where it can't be read or names another field. */
export function parseFieldSelector(selector: string, kind: Kind): (object: KubeObject) => boolean {
  const texts = splitTerms(selector);
  if (texts.length > maxTerms) throw badSelector(`The field selector has too many terms: at most ${maxTerms}`);
  const terms = texts.map((term) => parseTerm(term, selector, kind));
  return (object) => terms.every(({ path, equal, value }) => (valueAt(object, path) === value) === equal);
}
