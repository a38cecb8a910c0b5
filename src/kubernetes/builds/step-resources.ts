/** What a step's container may take of its node, and what is set aside for it: what the step says, else what the installation does. Pure. */
import { formatCpu, formatMemory, memoryBytes } from "../../api/meta/quantity.ts";
import type { StepSpec } from "../../runtime/builds.ts";

/** For steps that say nothing of memory, in bytes. What is absent is left to the cluster. */
export interface StepMemory {
  limitBytes?: number;
  requestBytes?: number;
}

/** The limit is that of one machine. Of the request a scheduler must find as much free, so it is what a small build needs. */
export const defaultStepMemory: StepMemory = { limitBytes: 4 * 2 ** 30, requestBytes: 256 * 2 ** 20 };

/** `resources` of a container. Of a step with a limit and without a request Kubernetes sets the limit aside, as of every container. */
export function stepResources(
  { resources }: Pick<StepSpec, "resources">,
  defaults: StepMemory,
): { limits?: Record<string, string>; requests?: Record<string, string> } {
  const { cpuMilli, memoryBytes: limit, requests: asked = {} } = resources;
  const saysNothing = limit === undefined && asked["memory"] === undefined;
  const memory = limit ?? most(defaults.limitBytes, memoryBytes(asked["memory"] ?? "0"));
  const request = saysNothing ? least(defaults.requestBytes, defaults.limitBytes) : undefined;
  const limits = {
    ...(cpuMilli === undefined ? {} : { cpu: formatCpu(cpuMilli) }),
    ...(memory === undefined ? {} : { memory: formatMemory(memory) }),
  };
  const requests = { ...asked, ...(request === undefined ? {} : { memory: formatMemory(request) }) };
  return {
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
  };
}

/** A step that asks for more than the default limit may have it. */
function most(limit: number | undefined, asked = 0): number | undefined {
  return limit === undefined ? undefined : Math.max(limit, asked);
}

function least(request: number | undefined, limit = Number.POSITIVE_INFINITY): number | undefined {
  return request === undefined ? undefined : Math.min(request, limit);
}
