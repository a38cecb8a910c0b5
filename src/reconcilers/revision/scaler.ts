import { isDeepStrictEqual } from "node:util";
import { splitKey } from "../../controller/index.ts";
import type { InstanceSpec, WorkloadsPort } from "../../runtime/workloads.ts";

/**
 * Tells the workloads port only what it wasn't told already in this run: a spec may hold megabytes of files to compare, and the
 * port answers each word with a change, which plans the Revision again.
 */
export function createScaler(workloads: WorkloadsPort) {
  const told = new Map<string, { spec: InstanceSpec; count: number } | "removed">();
  return {
    /** `key` is the Revision's `namespace/name`. */
    scale(key: string, spec: InstanceSpec, count: number): void {
      const last = told.get(key);
      if (last !== undefined && last !== "removed" && last.count === count && isDeepStrictEqual(last.spec, spec))
        return;
      told.set(key, { spec, count });
      // A Revision that never ran here and shall not run is nothing to the port.
      if (count > 0 || workloads.get(splitKey(key)) !== undefined) workloads.scale(splitKey(key), spec, count);
    },
    remove(key: string): void {
      const isThere = workloads.get(splitKey(key)) !== undefined;
      if (told.get(key) === "removed") {
        if (!isThere) told.delete(key);
        return;
      }
      told.delete(key);
      if (!isThere) return;
      told.set(key, "removed");
      workloads.remove(splitKey(key));
    },
  };
}
