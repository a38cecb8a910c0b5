import { expect, it } from "vitest";
import type { StepSpec } from "../../runtime/builds.ts";
import { defaultStepMemory, type StepMemory, stepResources } from "./step-resources.ts";

const gib = 2 ** 30;

it.each<[string, StepSpec["resources"], StepMemory, ReturnType<typeof stepResources>]>([
  ["says nothing", {}, defaultStepMemory, { limits: { memory: "4Gi" }, requests: { memory: "256Mi" } }],
  ["has a limit of memory", { memoryBytes: 8 * gib }, defaultStepMemory, { limits: { memory: "8Gi" } }],
  [
    "asks for little",
    { requests: { memory: "64Mi" } },
    defaultStepMemory,
    { limits: { memory: "4Gi" }, requests: { memory: "64Mi" } },
  ],
  [
    "asks for more than the limit that nobody gave it",
    { requests: { memory: "6Gi" } },
    defaultStepMemory,
    { limits: { memory: "6Gi" }, requests: { memory: "6Gi" } },
  ],
  [
    "says both",
    { memoryBytes: gib, requests: { memory: "512Mi", cpu: "1" } },
    defaultStepMemory,
    { limits: { memory: "1Gi" }, requests: { memory: "512Mi", cpu: "1" } },
  ],
  [
    "says something of cpu alone",
    { cpuMilli: 500, requests: { cpu: "100m" } },
    defaultStepMemory,
    { limits: { cpu: "500m", memory: "4Gi" }, requests: { cpu: "100m", memory: "256Mi" } },
  ],
  ["says nothing, and the installation has none", {}, {}, {}],
  [
    "says nothing, and the installation has a request alone",
    {},
    { requestBytes: gib },
    { requests: { memory: "1Gi" } },
  ],
  [
    "says nothing, and the installation's limit is below its request",
    {},
    { limitBytes: gib / 2, requestBytes: gib },
    { limits: { memory: "512Mi" }, requests: { memory: "512Mi" } },
  ],
])("stepResources() of a step that %s", (_, resources, defaults, expected) => {
  expect(stepResources({ resources }, defaults)).toEqual(expected);
});
