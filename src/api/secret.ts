/** Secret (core/v1): values that only those who may read Secrets see. */
import type { Static } from "typebox";
import { ageColumn } from "./columns.ts";
import { immutableFaults, validateData } from "./data.ts";
import type { Cause } from "./meta/errors.ts";
import { at, index, invalid, required } from "./meta/faults.ts";
import { flag, object, optional, stringMap, text, structural } from "./meta/fields.ts";
import { guarded } from "./meta/guard.ts";
import type { AdmissionContext, Kind } from "./meta/kind.ts";
import { isObject } from "./meta/schema.ts";
import type { KubeObject } from "./meta/types.ts";

const schema = object("Values that only those who may read Secrets see.", {
  type: optional(
    text("What the Secret is for; decides which keys it must have. Default: Opaque.", 253, { default: "Opaque" }),
  ),
  data: optional(stringMap("The values, each in base64.", 4096, 1_400_000)),
  stringData: optional(stringMap("Values as plain text; written into data, never read back.", 4096, 1_048_576)),
  immutable: optional(flag("Whether data can never change again.")),
});
export type Secret = KubeObject & Static<typeof schema>;

/** The type of a Secret with registry credentials, as `docker login` writes them. */
const dockerConfigType = "kubernetes.io/dockerconfigjson";
/** The key of those credentials. */
const dockerConfigKey = ".dockerconfigjson";

/** Which keys a Secret of a type must have; one of each group. */
const neededKeys: Readonly<Record<string, readonly (readonly string[])[]>> = {
  [dockerConfigType]: [[dockerConfigKey]],
  "kubernetes.io/dockercfg": [[".dockercfg"]],
  "kubernetes.io/basic-auth": [["username", "password"]],
  "kubernetes.io/ssh-auth": [["ssh-privatekey"]],
  "kubernetes.io/tls": [["tls.crt"], ["tls.key"]],
};
const jsonKeys: readonly string[] = [dockerConfigKey, ".dockercfg"];
const accountAnnotation = "kubernetes.io/service-account.name";

/** Moves stringData into data. The object's form is not known yet. */
function complete(object: object): void {
  if (!isObject(object)) return;
  const { stringData, data } = object;
  if (!isObject(stringData) || (data !== undefined && !isObject(data))) return;
  const plain = Object.entries(stringData);
  // Left as it is where a value has the wrong type: validation tells.
  if (plain.some(([, value]) => typeof value !== "string")) return;
  const encoded = plain.map(([key, value]) => [key, Buffer.from(String(value), "utf8").toString("base64")]);
  object["data"] = { ...data, ...Object.fromEntries(encoded) };
  delete object["stringData"];
}

function validate(secret: Secret, { old }: AdmissionContext<Secret>): Cause[] {
  const { type = "Opaque", data = {} } = secret;
  const faults = validateData([{ field: "data", values: data, plainField: "stringData" }]);
  for (const keys of Object.hasOwn(neededKeys, type) ? (neededKeys[type] ?? []) : []) {
    if (!keys.some((key) => Object.hasOwn(data, key))) faults.push(required(index("data", keys.join(" or "))));
  }
  for (const key of Object.hasOwn(neededKeys, type) ? jsonKeys : []) {
    const value = Object.hasOwn(data, key) ? data[key] : undefined;
    if (value !== undefined && !isJsonObject(Buffer.from(value, "base64").toString("utf8"))) {
      faults.push(invalid(index("data", key), "<secret contents redacted>", "must be a JSON object"));
    }
  }
  const account = secret.metadata.annotations?.[accountAnnotation] ?? "";
  if (type === "kubernetes.io/service-account-token" && account === "") {
    faults.push(required(index(at("metadata", "annotations"), accountAnnotation)));
  }
  if (old !== undefined && type !== (old.type ?? "Opaque")) faults.push(invalid("type", type, "field is immutable"));
  return [...faults, ...immutableFaults(secret, old, ["data"])];
}

function isJsonObject(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}

export const Secret: Kind<Secret> = {
  group: "",
  version: "v1",
  kind: "Secret",
  listKind: "SecretList",
  plural: "secrets",
  singular: "secret",
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: structural(schema),
  hasStatus: false,
  names: { form: "dns1123subdomain", max: 253 },
  columns: [
    {
      name: "Type",
      type: "string",
      description: "What the Secret is for.",
      priority: 0,
      jsonPath: ".type",
      value: (object) => object.type,
    },
    {
      name: "Data",
      type: "integer",
      description: "How many values it has.",
      priority: 0,
      value: (object) => Object.keys(object.data ?? {}).length,
    },
    ageColumn,
  ],
  complete,
  validate: guarded(structural(schema), validate),
};
