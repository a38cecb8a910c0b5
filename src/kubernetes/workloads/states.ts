/** The states of all workloads as they were told last, and whom they are told. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../lib/clock.ts";
import type { WorkloadKey, WorkloadProblem, WorkloadState } from "../../runtime/workloads.ts";
import type { Drains } from "./drains.ts";
import { idOf, objectsOf, probesOf, type WorkloadObjects } from "./objects.ts";
import { workloadState } from "./state.ts";

interface Look {
  desired: number;
  refused: WorkloadProblem | undefined;
  /** Pods that are about to be drained. */
  without?: ReadonlySet<string>;
}

export interface States {
  /** Looks at the objects again, and tells where something has changed. */
  look(key: WorkloadKey, more: Look): void;
  forget(key: WorkloadKey): void;
  get(key: WorkloadKey): WorkloadState | undefined;
  list(): WorkloadState[];
  subscribe(listener: (key: WorkloadKey) => void): () => void;
}

export function createStates(objects: WorkloadObjects, drains: Drains, clock: Clock): States {
  const states = new Map<string, WorkloadState>();
  const listeners = new Set<(key: WorkloadKey) => void>();
  const tell = (key: WorkloadKey) => {
    for (const listener of listeners) listener(key);
  };
  return {
    look(key, { desired, refused, without = new Set() }) {
      const id = idOf(key);
      const before = states.get(id);
      const pods = objectsOf(objects.pods, key);
      const { draining, drained } = drains.leaving(key);
      const state = workloadState(
        {
          key,
          desired,
          pods,
          deployment: objects.deployments.get(id),
          replicaSets: objectsOf(objects.replicaSets, key),
          slices: objectsOf(objects.slices, key),
          probes: probesOf(objects.probes, pods),
          leaving: { draining: new Set([...draining, ...without]), drained },
          refused,
          before: before?.problem,
        },
        clock.now(),
      );
      if (isDeepStrictEqual(before, state)) return;
      states.set(id, state);
      tell(key);
    },
    forget(key) {
      if (states.delete(idOf(key))) tell(key);
    },
    get: (key) => states.get(idOf(key)),
    list: () => [...states.values()],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
