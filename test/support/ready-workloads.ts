/** What stands behind the workloads port, played: as many instances as are wanted, each ready at once, all at one address. */
import type { WorkloadKey, WorkloadsPort, WorkloadState } from "../../src/runtime/workloads.ts";

/** @param address of an app that answers for all */
export function playReadyWorkloads({ host, port }: { host: string; port: number }): WorkloadsPort {
  const states = new Map<string, WorkloadState>();
  const listeners = new Set<(key: WorkloadKey) => void>();
  const idOf = (key: WorkloadKey): string => `${key.namespace}/${key.name}`;
  const tell = (key: WorkloadKey): void =>
    queueMicrotask(() => {
      for (const listener of listeners) listener(key);
    });
  return {
    scale(key, { image }, count) {
      if (states.get(idOf(key))?.desired === count) return;
      const at = Date.now();
      const instances = Array.from({ length: count }, (_, index) => ({
        id: `${key.name}-${index}`,
        phase: "ready" as const,
        image,
        labels: {},
        address: { host, port },
        createdAt: at,
        startedAt: at,
        readyAt: at,
        restarts: 0,
      }));
      states.set(idOf(key), { key, desired: count, instances });
      tell(key);
    },
    remove(key) {
      if (states.delete(idOf(key))) tell(key);
    },
    get: (key) => states.get(idOf(key)),
    list: () => [...states.values()],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs: async function* () {},
  };
}
