import type { RevisionInstances } from "../../routing/compile.ts";
import type { Publisher } from "../../routing/publisher.ts";
import type { WorkloadKey, WorkloadState, WorkloadsPort } from "../../runtime/workloads.ts";

/**
 * Tells the gateways which instances are ready: from the driver straight to the route table, with no API write in between.
 * @returns the function that ends it
 */
export function connectWorkloads(
  workloads: Pick<WorkloadsPort, "get" | "list" | "subscribe">,
  publisher: Pick<Publisher, "setInstances">,
): () => void {
  const tell = (key: WorkloadKey) => {
    publisher.setInstances(`${key.namespace}/${key.name}`, stateOf(workloads.get(key)));
  };
  for (const { key } of workloads.list()) tell(key);
  return workloads.subscribe(tell);
}

/** What the table says of a workload; undefined once it is forgotten, and nothing of it is kept here either. */
function stateOf(workload: WorkloadState | undefined): RevisionInstances | undefined {
  if (workload === undefined) return undefined;
  const { instances, desired } = workload;
  // Of an earlier start: the next request wakes another.
  const problem = desired === 0 ? undefined : workload.problem;
  return {
    instances: instances.flatMap(({ id, phase, address }) =>
      phase === "ready" && address !== undefined ? [{ id, ...address }] : [],
    ),
    ...(problem === undefined ? {} : { problem: { reason: reasonWord(problem), message: problem.message } }),
  };
}

/** The word that requests get, and that conditions and `status` show: `ExitCode127`. */
export function reasonWord({ reason, code }: { reason: string; code?: number }): string {
  return reason === "ExitCode" && code !== undefined ? `ExitCode${code}` : reason;
}
