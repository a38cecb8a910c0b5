import { expect, it } from "vitest";
import { stepMemoryOf } from "./step-memory.ts";

it.each<[Parameters<typeof stepMemoryOf>[0], ReturnType<typeof stepMemoryOf>]>([
  [{}, { limitBytes: 2 ** 32, requestBytes: 2 ** 28 }],
  [{ stepMemory: "1Gi" }, { limitBytes: 2 ** 30, requestBytes: 2 ** 28 }],
  [{ stepMemory: "none", stepMemoryRequest: "64Mi" }, { requestBytes: 2 ** 26 }],
  [{ stepMemory: "none", stepMemoryRequest: "none" }, {}],
])("stepMemoryOf(%j)", (told, expected) => {
  expect(stepMemoryOf(told)).toEqual(expected);
});
