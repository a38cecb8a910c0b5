/** What clients read in an OpenAPI document, as facts that can be compared one by one: which operations there are and what they take, and the schemas. */
import { isObject, type JsonObject } from "../../../src/apiserver/json.ts";

/** By what is said, of what it is said. */
export type Facts = Map<string, Set<string>>;

const meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";
/** Of these the fields are compared; their words are each server's own. */
const common = ["ObjectMeta", "OwnerReference", "ListMeta", "DeleteOptions", "Status"];
const methods = ["get", "put", "post", "delete", "patch"];

const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((found, name) => (isObject(found) ? found[name] : undefined), value);
const keysAt = (value: unknown, ...path: string[]): string[] => {
  const found = at(value, ...path);
  return isObject(found) ? Object.keys(found) : [];
};
const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** The facts that a document tells of a kind. @param schemas the names of its schemas */
export function factsOf(document: unknown, kind: string, schemas: readonly string[]): Facts {
  const facts: Facts = new Map();
  const add = (what: string, where: string): void => {
    const places = facts.get(what) ?? new Set();
    facts.set(what, places.add(where));
  };
  for (const path of keysAt(document, "paths")) {
    for (const method of methods) {
      const operation = at(document, "paths", path, method);
      if (!isObject(operation) || at(operation, "x-kubernetes-group-version-kind", "kind") !== kind) continue;
      const where = `${method} ${path}`;
      add(`action ${String(operation["x-kubernetes-action"])}`, where);
      add(`kind ${JSON.stringify(sorted(operation["x-kubernetes-group-version-kind"]))}`, where);
      const parameters = [...objects(at(document, "paths", path, "parameters")), ...objects(operation["parameters"])];
      for (const { in: place, name } of parameters) add(`${String(place)} parameter ${String(name)}`, where);
      for (const type of keysAt(operation, "requestBody", "content")) add(`body ${type}`, where);
      for (const code of keysAt(operation, "responses")) {
        add(`answer ${code}`, where);
        for (const type of keysAt(operation, "responses", code, "content")) add(`answer ${type}`, where);
      }
    }
  }
  for (const name of schemas) addSchema(at(document, "components", "schemas", name), name.split(".").at(-1) ?? "", add);
  for (const name of common) {
    for (const field of keysAt(document, "components", "schemas", meta + name, "properties")) {
      add(`field of ${name}`, field);
    }
  }
  return facts;
}

/** Fields that every object has are described in each server's own words. */
const isOfEvery = (place: string): boolean => /^\w+\.(apiVersion|kind|metadata|items)$|List$/.test(place);

function addSchema(schema: unknown, place: string, add: (what: string, where: string) => void): void {
  if (!isObject(schema)) return;
  const { properties, items, ...plain } = schema;
  for (const [name, value] of Object.entries(plain)) {
    if (name === "description" && isOfEvery(place)) continue;
    add(`schema ${name}`, `${place} ${JSON.stringify(sorted(value))}`);
  }
  for (const [name, field] of Object.entries(isObject(properties) ? properties : {})) {
    add("schema field", `${place}.${name}`);
    addSchema(field, `${place}.${name}`, add);
  }
  if (items !== undefined) addSchema(items, `${place}[]`, add);
}

/** Where facts differ, by what is said. */
export function factDifferences(recorded: Facts, actual: Facts): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const what of new Set([...recorded.keys(), ...actual.keys()])) {
    const [there, here] = [recorded.get(what) ?? new Set<string>(), actual.get(what) ?? new Set<string>()];
    found[what] = [
      ...[...there].filter((where) => !here.has(where)).map((where) => `there: ${where}`),
      ...[...here].filter((where) => !there.has(where)).map((where) => `here: ${where}`),
    ];
  }
  return found;
}

/** The same value whatever the order of its fields. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const names = Object.keys(value).toSorted();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]));
}
