/** Who owns which field of which object (`metadata.managedFields` of Kubernetes), kept beside the objects. */
import type { Kind } from "../../../src/api/meta/kind.ts";
import { objectSchema } from "../../../src/api/meta/object-schema.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { equalJson, type JsonObject } from "../../../src/apiserver/json.ts";
import { type FieldPath, type FieldSet, fieldsOf, valueAt } from "./field-set.ts";

export interface Manager {
  name: string;
  operation: "Apply" | "Update";
  subresource?: string;
  apiVersion: string;
}

interface Owned extends Manager {
  fields: FieldSet;
}

const idOf = ({ name, operation, subresource = "" }: Manager): string => `${operation}\0${subresource}\0${name}`;

export class FieldOwners {
  readonly #objects = new Map<string, Map<string, Owned>>();

  #of({ metadata: { uid = "" } }: KubeObject): Map<string, Owned> {
    let owners = this.#objects.get(uid);
    if (owners === undefined) this.#objects.set(uid, (owners = new Map()));
    return owners;
  }

  /** The fields that a manager applied last. */
  applied(object: KubeObject, manager: Manager): FieldSet {
    return this.#of(object).get(idOf(manager))?.fields ?? new Map();
  }

  /** Who else owns a field. */
  others(object: KubeObject, manager: Manager, field: string): Manager[] {
    const own = idOf(manager);
    return [...this.#of(object)]
      .filter(([id, { fields }]) => id !== own && fields.has(field))
      .map(([, owned]) => owned);
  }

  /** A manager applied these fields, and took `taken` of them from others. */
  apply(object: KubeObject, manager: Manager, { fields, taken }: { fields: FieldSet; taken: Iterable<string> }): void {
    this.#take(object, manager, taken);
    this.#of(object).set(idOf(manager), { ...manager, fields });
  }

  /** A manager changed the object otherwise: what it changed is its own now. */
  update(kind: Kind, manager: Manager, { object, old }: { object: KubeObject; old?: KubeObject }): void {
    const schema = objectSchema(kind);
    const changed = new Map<string, FieldPath>();
    for (const [text, path] of fieldsOf(schema, object as KubeObject & JsonObject)) {
      const status = path[0] === "status";
      if (status !== (manager.subresource === "status")) continue;
      if (old === undefined || !equalJson(valueAt(object, path), valueAt(old, path))) changed.set(text, path);
    }
    if (changed.size === 0) return;
    this.#take(object, manager, changed.keys());
    const owners = this.#of(object);
    const before = owners.get(idOf(manager))?.fields ?? [];
    owners.set(idOf(manager), { ...manager, fields: new Map([...before, ...changed]) });
  }

  /** Forgets an object that is gone. */
  forget({ metadata: { uid = "" } }: KubeObject): void {
    this.#objects.delete(uid);
  }

  #take(object: KubeObject, manager: Manager, fields: Iterable<string>): void {
    const taken = new Set(fields);
    for (const [id, owned] of this.#of(object)) {
      if (id === idOf(manager) || taken.size === 0) continue;
      this.#of(object).set(id, { ...owned, fields: new Map([...owned.fields].filter(([text]) => !taken.has(text))) });
    }
  }
}
