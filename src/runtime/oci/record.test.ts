import { expect, test } from "vitest";
import type { InstanceSpec } from "../workloads.ts";
import { containerId, newInstanceId, specHash } from "./record.ts";

const spec = { image: "a", env: [{ name: "A", value: "1" }], pullSecrets: [], labels: {} } as unknown as InstanceSpec;

test("specHash() is of what an instance is made from, in whatever order", () => {
  const { image, env, ...rest } = spec;
  expect(specHash({ ...rest, env, image })).toBe(specHash(spec));
  expect(specHash({ ...spec, labels: { a: "b" } })).toBe(specHash(spec));
  expect(specHash({ ...spec, pullSecrets: [{ registry: "r", username: "u", password: "p" }] })).toBe(specHash(spec));
  expect(specHash({ ...spec, image: "b" })).not.toBe(specHash(spec));
  expect(specHash({ ...spec, env: [] })).not.toBe(specHash(spec));
});

test.each(["hello-00001", "x".repeat(63), `${"x".repeat(53)}-y`])("newInstanceId() of %s is a DNS label", (name) => {
  const id = newInstanceId(name);
  expect(id).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  expect(newInstanceId(name)).not.toBe(id);
});

test("containerId() differs between runs", () => {
  expect(containerId({ id: "a", attempt: 1 })).not.toBe(containerId({ id: "a", attempt: 2 }));
});
