import { describe, expect, test } from "vitest";
import { admit, faultTexts } from "../../test/support/faults.ts";
import { defaultPort, portOf } from "./container.ts";
import { requestLimit } from "./revision-spec.ts";
import { type Revision as RevisionObject, Revision } from "./revision.ts";

function revision(spec: object = {}): unknown {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Revision",
    metadata: {
      name: "my-service-00001",
      namespace: "default",
      labels: { "elafros.dev/configuration": "my-service" },
      annotations: { "elafros.dev/configurationGeneration": "1" },
    },
    spec: { container: { image: "app:1" }, ...spec },
  };
}

function stored(spec: object = {}): RevisionObject {
  const { object, faults } = admit(Revision, revision(spec));
  expect(faults).toEqual([]);
  return object;
}

function changed(change: (object: RevisionObject) => void): string[] {
  const old = stored();
  const object = structuredClone(old);
  change(object);
  return faultTexts(Revision, object, old);
}

const words = "is immutable: change the Configuration, which makes a new Revision";

describe("Revision", () => {
  test("is refused any change of its spec", () => {
    const refusal = [`spec: Invalid value: "object": ${words}`];
    expect(changed(({ spec }) => (spec.container.image = "app:2"))).toEqual(refusal);
    expect(changed(({ spec }) => (spec.timeoutSeconds = 5))).toEqual(refusal);
    expect(changed(({ spec }) => (spec.container.env = [{ name: "A" }]))).toEqual(refusal);
    expect(changed(({ spec }) => delete spec.container.imagePullPolicy)).toEqual(refusal);
  });

  test("may get other labels and annotations", () => {
    expect(
      changed(({ metadata }) => {
        metadata.labels = { ...metadata.labels, team: "blue" };
        metadata.annotations = { ...metadata.annotations, note: "x" };
      }),
    ).toEqual([]);
  });

  test("keeps the Configuration and generation that it was made from", () => {
    expect(
      changed(({ metadata }) => {
        metadata.labels = { "elafros.dev/configuration": "other" };
        metadata.annotations = {};
      }),
    ).toEqual([
      `metadata.labels[elafros.dev/configuration]: Invalid value: "other": ${words}`,
      `metadata.annotations[elafros.dev/configurationGeneration]: Invalid value: null: ${words}`,
    ]);
  });

  test("is the same whatever the order of its fields, and with defaults left out", () => {
    const old = stored({ timeoutSeconds: 300 });
    const { container, timeoutSeconds: _, serviceAccountName: __, ...rest } = old.spec;
    expect(faultTexts(Revision, { ...old, spec: { ...rest, container } }, old)).toEqual([]);
  });

  test("isn't completed on update", () => {
    const old = stored();
    delete old.spec.container.imagePullPolicy;
    const { object, faults } = admit(Revision, structuredClone(old), old);
    expect(faults).toEqual([]);
    expect(object.spec.container).not.toHaveProperty("imagePullPolicy");
  });

  test("has the faults of its spec when it is made", () => {
    expect(faultTexts(Revision, revision({ concurrencyModel: "SingleThreaded", containerConcurrency: 9 }))).toEqual([
      "spec.containerConcurrency: Invalid value: 9: must be 0 or 1 with concurrencyModel SingleThreaded: leave it out, or use MultiThreaded",
    ]);
  });

  test("shows where it comes from in its columns", () => {
    const object = stored();
    const cells = Object.fromEntries(Revision.columns.map((column) => [column.name, column.value(object)]));
    expect(cells).toMatchObject({ Config: "my-service", Generation: "1", Image: "app:1" });
  });
});

test("requestLimit() is one for SingleThreaded, else containerConcurrency", () => {
  const container = { image: "app" };
  expect(requestLimit({ container, concurrencyModel: "SingleThreaded", containerConcurrency: 0 })).toBe(1);
  expect(requestLimit({ container, concurrencyModel: "MultiThreaded", containerConcurrency: 7 })).toBe(7);
  expect(requestLimit({ container })).toBe(0);
});

test("portOf() is the container's port, else 8080", () => {
  expect(portOf({ image: "app" })).toBe(defaultPort);
  expect(portOf({ image: "app", ports: [] })).toBe(8080);
  expect(portOf({ image: "app", ports: [{ containerPort: 9000 }] })).toBe(9000);
});
