import { expect, test } from "vitest";
import { duplicate, forbidden, invalid, invalidObject, notFound, required } from "./faults.ts";

const route = { group: "elafros.dev", kind: "Route" };

test("invalidObject() says one fault as Kubernetes does", () => {
  expect(invalidObject(route, "v", [required("spec.rollout.traffic")]).toStatus()).toEqual({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'Route.elafros.dev "v" is invalid: spec.rollout.traffic: Required value',
    reason: "Invalid",
    details: {
      name: "v",
      group: "elafros.dev",
      kind: "Route",
      causes: [{ reason: "FieldValueRequired", message: "Required value", field: "spec.rollout.traffic" }],
    },
    code: 422,
  });
});

test("invalidObject() says several faults in brackets, and no group for core kinds", () => {
  const error = invalidObject({ group: "", kind: "Secret" }, "s", [
    invalid("type", "x", "field is immutable"),
    forbidden("data", "no"),
  ]);
  expect(error.message).toBe(
    'Secret "s" is invalid: [type: Invalid value: "x": field is immutable, data: Forbidden: no]',
  );
  expect(error.details).toMatchObject({ name: "s", kind: "Secret" });
  expect(error.details).not.toHaveProperty("group");
});

test("faults show scalars as JSON and everything else by its type", () => {
  expect(invalid("f", 5, "no").message).toBe("Invalid value: 5: no");
  expect(invalid("f", 'a"b', "no").message).toBe('Invalid value: "a\\"b": no');
  expect(invalid("f", { secret: 1 }, "no").message).toBe('Invalid value: "object": no');
  expect(invalid("f", undefined, "no").message).toBe("Invalid value: null: no");
  expect(duplicate("f", "a").message).toBe('Duplicate value: "a"');
  expect(notFound("f", "a").message).toBe('Not found: "a"');
});
