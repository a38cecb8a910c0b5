import { isDeepStrictEqual } from "node:util";
import { splitKey } from "../../controller/index.ts";
import type { InstanceSpec, WorkloadsPort } from "../../runtime/workloads.ts";

/** Tells the workloads port only what it wasn't told already in this run: a spec may hold megabytes of files to compare. */
export function createScaler(workloads: WorkloadsPort) {
  const told = new Map<string, { spec: InstanceSpec; count: number }>();
  const removed = new Set<string>();
  return {
    /** `key` is the Revision's `namespace/name`. */
    scale(key: string, spec: InstanceSpec, count: number): void {
      const last = told.get(key);
      removed.delete(key);
      if (last?.count === count && isDeepStrictEqual(last.spec, spec)) return;
      // A Revision that never ran here and shall not run is nothing to the port.
      if (count > 0 || workloads.get(splitKey(key)) !== undefined) workloads.scale(splitKey(key), spec, count);
      told.set(key, { spec, count });
    },
    /** Says it once: the port reports each change of a workload, this one too, and each report brings its Revision here again. */
    remove(key: string): void {
      told.delete(key);
      if (workloads.get(splitKey(key)) === undefined) {
        removed.delete(key);
        return;
      }
      if (removed.has(key)) return;
      removed.add(key);
      workloads.remove(splitKey(key));
    },
  };
}
