import { ApiError } from "../../api/meta/errors.ts";
import type { LogSource } from "../../apiserver/logs.ts";
import type { Clock } from "../../lib/clock.ts";
import type { WorkloadsPort } from "../../runtime/workloads.ts";
import { containerName } from "./pods.ts";

/** The output of instances, as logs of their Pods. */
export function podLogs(workloads: Pick<WorkloadsPort, "list" | "logs">, clock: Clock): LogSource {
  return {
    async *open(namespace, pod, options, signal) {
      const found = workloads
        .list()
        .flatMap(({ key, instances }) => (key.namespace === namespace ? instances : []))
        .find(({ id }) => id === pod);
      if (found === undefined) {
        throw new ApiError("NotFound", `pods "${pod}" not found`, { details: { name: pod, kind: "pods" } });
      }
      if (options.container !== undefined && options.container !== containerName) {
        throw new ApiError("BadRequest", `container ${options.container} is not valid for pod ${pod}`);
      }
      if (options.previous === true && found.restarts === 0) {
        const message = `previous terminated container "${containerName}" in pod "${pod}" not found`;
        throw new ApiError("BadRequest", message);
      }
      const lines = workloads.logs(pod, {
        follow: options.follow ?? false,
        timestamps: options.timestamps ?? false,
        previous: options.previous ?? false,
        signal,
        ...(options.tailLines === undefined ? {} : { tailLines: options.tailLines }),
        ...sinceOf(options, clock),
      });
      let left = options.limitBytes ?? Infinity;
      for await (const line of lines) {
        const bytes = Buffer.from(line);
        yield bytes.subarray(0, left);
        left -= bytes.length;
        if (left <= 0) return;
      }
    },
  };
}

function sinceOf(options: { sinceSeconds?: number; sinceTime?: string }, clock: Clock): { since?: number } {
  if (options.sinceTime !== undefined) return { since: Date.parse(options.sinceTime) };
  if (options.sinceSeconds !== undefined) return { since: clock.now() - options.sinceSeconds * 1000 };
  return {};
}
