import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { badObjects } from "../../../test/support/bad-objects.ts";
import { clusterFaults, covers } from "../../../test/support/crd.ts";
import { admit } from "../../../test/support/faults.ts";
import type { Kind } from "../../api/meta/kind.ts";
import { type CrdSchema, crdSchema } from "./crd-schema.ts";
import { clusterKinds, wholeSchema } from "./crds.ts";

const schemas = new Map(clusterKinds.map((of) => [of.kind.kind, wholeSchema(of)]));
const schemaOf = (kind: string): CrdSchema => schemas.get(kind) ?? {};

describe("bad objects", () => {
  test.each(badObjects.filter(({ unheld }) => unheld === undefined).map((row) => [row.title, row] as const))(
    "%s",
    (_, { kind, object, old }) => {
      const embedded = admit(kind, object, old).faults.map(({ field }) => field);
      expect(embedded).not.toEqual([]);
      const cluster = clusterFaults(schemaOf(kind.kind), object, old).map(({ field }) => field);
      for (const field of embedded) {
        expect(
          cluster.some((place) => covers(place, field)),
          `${field} in ${cluster.join(", ")}`,
        ).toBe(true);
      }
    },
  );

  test.each(badObjects.filter(({ unheld }) => unheld !== undefined).map((row) => [row.title, row] as const))(
    "only the controllers can say: %s",
    (_, { kind, object, old }) => {
      expect(admit(kind, object, old).faults).not.toEqual([]);
      expect(clusterFaults(schemaOf(kind.kind), object, old)).toEqual([]);
    },
  );
});

describe("good objects", () => {
  const directory = join(import.meta.dirname, "../../../examples");
  const documents = readdirSync(directory)
    .filter((name) => name.endsWith(".yaml"))
    .flatMap((name) =>
      parseAllDocuments(readFileSync(join(directory, name), "utf8")).map(
        (document) => [name, document.toJS() as { kind: string }] as const,
      ),
    )
    .filter(([, { kind }]) => schemas.has(kind));

  test.each(documents)("of examples/%s", (_, object) => {
    expect(clusterFaults(schemaOf(object.kind), object)).toEqual([]);
  });
});

test("an overlay at a place that isn't there is an error", () => {
  expect(() => crdSchema({ type: "object" }, [{ at: "spec.gone" }])).toThrow("The schema has no spec.gone");
});

describe.each([...schemas])("%s", (name, schema) => {
  const kind = clusterKinds.find(({ kind: one }) => one.kind === name)?.kind as Kind;

  /** Every schema with its path. */
  function* all(of: CrdSchema, path = ""): Generator<[string, CrdSchema]> {
    yield [path, of];
    for (const [key, field] of Object.entries(of.properties ?? {})) yield* all(field, `${path}.${key}`);
    if (of.items !== undefined) yield* all(of.items, `${path}[]`);
    if (typeof of.additionalProperties === "object") yield* all(of.additionalProperties, `${path}{}`);
  }

  test("is structural", () => {
    for (const [path, one] of all(schema)) {
      const text = JSON.stringify(Object.keys(one));
      expect(one.type !== undefined || one["x-kubernetes-int-or-string"] === true, `${path} ${text}`).toBe(true);
      expect(one.type !== undefined && one["x-kubernetes-int-or-string"] === true, path).toBe(false);
      expect(one.properties !== undefined && one.additionalProperties !== undefined, path).toBe(false);
      if (one.type === "array") expect(one.items, path).toBeDefined();
      expect(Object.keys(one).filter((key) => key.startsWith("x-elafros"))).toEqual([]);
    }
  });

  test("keeps unknown fields only of what is refused", () => {
    for (const [path, one] of all(schema)) {
      if (one["x-kubernetes-preserve-unknown-fields"] !== true) continue;
      const field = path.replace(/\[\]$/, "").split(".").at(-1) ?? "";
      const [, parent] =
        [...all(schema)].find(([at]) => at === path.replace(/\[\]$/, "").replace(/\.[^.]+$/, "")) ?? [];
      const rules = (parent?.["x-kubernetes-validations"] ?? []).map(({ rule }) => rule);
      expect(
        rules.some((rule) => rule.includes(`!has(self.${field})`)),
        path,
      ).toBe(true);
    }
  });

  test("has patterns that Go's RE2 reads: no look-around, no references", () => {
    for (const [path, { pattern = "" }] of all(schema)) expect(pattern, path).not.toMatch(/\(\?[=!<]|\\[1-9]/);
  });

  test("fits into the annotation that `kubectl apply` writes", () => {
    expect(JSON.stringify(schema).length, kind.plural).toBeLessThan(200_000);
  });
});
