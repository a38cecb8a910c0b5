import { describe, expect, test } from "vitest";
import { admit } from "../../test/support/faults.ts";
import { BuildTemplate } from "./build-template.ts";

function causes(spec: object): string[] {
  const object = {
    apiVersion: "build.dev/v1alpha1",
    kind: "BuildTemplate",
    metadata: { name: "make", namespace: "default" },
    spec,
  };
  return admit(BuildTemplate, object).faults.map(({ reason, field }) => `${reason} ${field}`);
}

describe("BuildTemplate", () => {
  test("leaves to the build what arguments will replace", () => {
    const step = {
      name: "${_NAME}",
      image: "${_BASE}",
      workingDir: "${_DIR}",
      args: ["${_IMAGE}"],
      volumeMounts: [{ name: "v", mountPath: "${_PLACE}", subPath: "${_PART}" }],
    };
    expect(
      causes({
        parameters: [{ name: "_IMAGE" }, { name: "_BASE", default: "" }],
        steps: [step, step],
        volumes: [{ name: "v", emptyDir: {} }],
      }),
    ).toEqual([]);
  });

  test.each<[string, object, string[]]>([
    ["no step", { steps: [] }, ["FieldValueInvalid spec.steps"]],
    ["no steps at all", {}, ["FieldValueRequired spec.steps"]],
    [
      "a parameter twice",
      { parameters: [{ name: "A" }, { name: "A" }], steps: [{ image: "a" }] },
      ["DuplicateParamName spec.parameters[1].name"],
    ],
    [
      "a parameter that no ${…} can name",
      { parameters: [{ name: "a}b" }], steps: [{ image: "a" }] },
      ["FieldValueInvalid spec.parameters[0].name"],
    ],
    [
      "a step's name twice",
      {
        steps: [
          { name: "a", image: "a" },
          { name: "a", image: "a" },
        ],
      },
      ["DuplicateStepName spec.steps[1].name"],
    ],
    [
      "volumes that aren't there, or twice",
      {
        steps: [{ image: "a", volumeMounts: [{ name: "x", mountPath: "/x" }] }],
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "v", emptyDir: {} },
        ],
      },
      ["DuplicateVolumeName spec.volumes[1].name", "FieldValueNotFound spec.steps[0].volumeMounts[0].name"],
    ],
    [
      "an image and a directory that are none",
      { steps: [{ image: "A B", workingDir: "relative" }] },
      ["FieldValueInvalid spec.steps[0].image", "FieldValueInvalid spec.steps[0].workingDir"],
    ],
  ])("refuses %s", (_, spec, expected) => {
    expect(causes(spec)).toEqual(expected);
  });
});
