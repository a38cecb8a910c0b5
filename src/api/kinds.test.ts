import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { admit } from "../../test/support/faults.ts";
import { allKinds } from "./kinds.ts";
import { type Kind, type Schema, apiVersionOf } from "./meta/kind.ts";
import { objectSchema } from "./meta/object-schema.ts";

/** Every schema of a kind with its path. */
function* schemasOf(schema: Schema, path = ""): Generator<[string, Schema]> {
  yield [path, schema];
  for (const [name, field] of Object.entries(schema.properties ?? {})) yield* schemasOf(field, `${path}.${name}`);
  if (schema.items !== undefined) yield* schemasOf(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === "object") yield* schemasOf(schema.additionalProperties, `${path}{}`);
}

const named = allKinds.map((kind): [string, Kind] => [kind.kind, kind]);

describe.each(named)("%s", (_, kind) => {
  const schemas = [...schemasOf(objectSchema(kind))];
  const real = schemas.filter(([, schema]) => !schema["x-elafros-refused"] && !schema["x-elafros-dropped"]);

  test("describes every field in a sentence", () => {
    const silent = schemas
      .filter(([path]) => !path.endsWith("{}"))
      .filter(([, { description = "" }]) => !/^[A-Z/].*[.!…]$/.test(description));
    // A refused field's description is its refusal.
    expect(silent.filter(([, schema]) => schema["x-elafros-refused"] === undefined).map(([path]) => path)).toEqual([]);
  });

  test("limits every string, list, map and number", () => {
    const unlimited = real.filter(([, schema]) => {
      if (schema["x-kubernetes-preserve-unknown-fields"] === true) return false;
      if (schema["x-kubernetes-int-or-string"] === true) return schema.maxLength === undefined;
      switch (schema.type) {
        case "string":
          return schema.maxLength === undefined && schema.enum === undefined;
        case "array":
          return schema.maxItems === undefined;
        case "integer":
          return schema.minimum === undefined || schema.maximum === undefined;
        case "object":
          return schema.additionalProperties !== undefined && schema.maxProperties === undefined;
        case "boolean":
          return false;
        default:
          return true;
      }
    });
    expect(unlimited.map(([path]) => path)).toEqual([]);
  });

  test("is plain JSON Schema in the structural form", () => {
    const allowed = [
      "type",
      "description",
      "properties",
      "required",
      "additionalProperties",
      "items",
      "enum",
      "default",
      "minimum",
      "maximum",
      "minLength",
      "maxLength",
      "minItems",
      "maxItems",
      "maxProperties",
      "pattern",
      "format",
      "x-kubernetes-int-or-string",
      "x-kubernetes-preserve-unknown-fields",
      "x-kubernetes-list-type",
      "x-kubernetes-list-map-keys",
      "x-elafros-refused",
      "x-elafros-dropped",
      "x-elafros-duplicate",
    ];
    const others = schemas.flatMap(([path, schema]) =>
      Object.keys(schema)
        .filter((key) => !allowed.includes(key))
        .map((key) => `${path}: ${key}`),
    );
    expect(others).toEqual([]);
    expect(JSON.parse(JSON.stringify(kind.schema))).toEqual(kind.schema);
  });

  test("names merge keys that the elements have and that are required", () => {
    for (const [path, schema] of schemas) {
      if (schema["x-kubernetes-list-type"] !== "map") continue;
      for (const key of schema["x-kubernetes-list-map-keys"] ?? []) {
        expect(Object.keys(schema.items?.properties ?? {}), path).toContain(key);
        if (path !== ".metadata.ownerReferences") expect(schema.items?.required, path).toContain(key);
      }
    }
  });

  test("judges any JSON without throwing, and prints it", () => {
    const metadata = { name: "x", namespace: "default" };
    const part = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fieldNames(kind)), fc.jsonValue()));
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        const body = {
          apiVersion: apiVersionOf(kind),
          kind: kind.kind,
          metadata,
          spec: {
            rollout: a,
            revisionTemplate: { metadata: b, spec: { container: a, volumes: [b, c] } },
            container: b,
            volumes: a,
            source: a,
            template: b,
            steps: [c],
            parameters: [a],
            build: { source: b, template: c, steps: [a], volumes: [b] },
          },
          data: a,
          stringData: b,
          rules: [c],
          roleRef: a,
          subjects: [b],
          involvedObject: a,
          imagePullSecrets: c,
        };
        expect(Array.isArray(admit(kind, body).faults)).toBe(true);
        expect(Array.isArray(admit(kind, body, admit(kind, body).object).faults)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

/** Names of fields anywhere in the kind's schema. */
function fieldNames(kind: Kind): string[] {
  return [...new Set([...schemasOf(kind.schema)].flatMap(([, schema]) => Object.keys(schema.properties ?? {})))];
}

test("kinds have names of their own", () => {
  const words = allKinds.flatMap((kind) =>
    [kind.plural, kind.singular, ...kind.shortNames].map((word) => `${kind.group}/${word}`),
  );
  expect(new Set(words).size).toBe(words.length);
});
