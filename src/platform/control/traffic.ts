import type { Publisher } from "../../routing/publisher.ts";
import type { WorkloadKey, WorkloadsPort } from "../../runtime/workloads.ts";

/**
 * Tells the gateways which instances are ready: from the driver straight to the route table, with no API write in between.
 * @returns the function that ends it
 */
export function connectWorkloads(workloads: WorkloadsPort, publisher: Publisher): () => void {
  const tell = (key: WorkloadKey) => {
    const state = workloads.get(key);
    const ready = (state?.instances ?? []).filter(({ phase }) => phase === "ready");
    const instances = ready.flatMap(({ id, address }) => (address === undefined ? [] : [{ id, ...address }]));
    const { problem } = state ?? {};
    publisher.setInstances(`${key.namespace}/${key.name}`, {
      instances,
      ...(problem === undefined ? {} : { problem: { reason: reasonWord(problem), message: problem.message } }),
    });
  };
  for (const { key } of workloads.list()) tell(key);
  return workloads.subscribe(tell);
}

/** The word that requests get, and that conditions and `status` show: `ExitCode127`. */
export function reasonWord({ reason, code }: { reason: string; code?: number }): string {
  return reason === "ExitCode" && code !== undefined ? `ExitCode${code}` : reason;
}
