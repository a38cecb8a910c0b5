/** Memory of builds' steps as an installation is told it. */
import { memoryBytes } from "../../api/meta/quantity.ts";
import { defaultStepMemory, type StepMemory } from "../../kubernetes/builds/step-resources.ts";

/** Reads it; what isn't told has its default, and `none` is left to the cluster. */
export function stepMemoryOf(told: { stepMemory?: string; stepMemoryRequest?: string }): StepMemory {
  return {
    ...bytesOf("limitBytes", told.stepMemory),
    ...bytesOf("requestBytes", told.stepMemoryRequest),
  };
}

function bytesOf(name: keyof StepMemory, told: string | undefined): StepMemory {
  const bytes = told === undefined ? defaultStepMemory[name] : memoryBytes(told);
  return bytes === undefined ? {} : { [name]: bytes };
}
