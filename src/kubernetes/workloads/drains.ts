/**
 * Which Pods are on their way out of the route tables, and which have arrived. Each is drained once, whoever wants it to go: this process, which
 * makes a workload smaller, or anybody who deletes it.
 */
import type { Drain, WorkloadKey } from "../../runtime/workloads.ts";
import type { Leaving } from "./instance-state.ts";

interface Entry {
  name: string;
  state: "draining" | "drained";
  ended: Promise<void>;
}

export interface Drains {
  /** Of the Pods of one workload, by name. */
  leaving(key: WorkloadKey): Leaving;
  /** Begins to drain, unless that was begun. To be called once no table of control has the Pod any more. */
  begin(key: WorkloadKey, pod: { name: string; uid: string }): void;
  /** Resolves when that Pod is drained; at once where it isn't being. */
  ended(key: WorkloadKey, uid: string): Promise<void>;
  /** It stays. */
  keep(key: WorkloadKey, name: string): void;
  /** Forgets what isn't there any more. `uids`: of those that are. */
  retain(key: WorkloadKey, uids: ReadonlySet<string>): void;
}

/** @param changed called with the workload once one of its Pods is drained */
export function createDrains(drain: Drain, changed: (key: WorkloadKey) => void): Drains {
  const workloads = new Map<string, Map<string, Entry>>();
  const idOf = ({ namespace, name }: WorkloadKey) => `${namespace}/${name}`;
  const podsOf = (key: WorkloadKey) => workloads.get(idOf(key));
  const namesIn = (key: WorkloadKey, state: Entry["state"]) =>
    new Set([...(podsOf(key)?.values() ?? [])].flatMap((entry) => (entry.state === state ? [entry.name] : [])));

  return {
    leaving(key) {
      const drained = namesIn(key, "drained");
      return { draining: new Set([...namesIn(key, "draining"), ...drained]), drained };
    },
    begin(key, { name, uid }) {
      const pods = podsOf(key) ?? new Map<string, Entry>();
      workloads.set(idOf(key), pods);
      if (pods.has(uid)) return;
      // A drain that fails has nothing more to wait for.
      const entry: Entry = { name, state: "draining", ended: drain(key, name).catch(() => {}) };
      pods.set(uid, entry);
      void entry.ended.then(() => {
        if (podsOf(key)?.get(uid) !== entry) return;
        entry.state = "drained";
        changed(key);
      });
    },
    ended: (key, uid) => podsOf(key)?.get(uid)?.ended ?? Promise.resolve(),
    keep(key, name) {
      for (const [uid, entry] of podsOf(key) ?? []) if (entry.name === name) podsOf(key)?.delete(uid);
    },
    retain(key, uids) {
      const pods = podsOf(key);
      for (const uid of pods?.keys() ?? []) if (!uids.has(uid)) pods?.delete(uid);
      if (pods?.size === 0) workloads.delete(idOf(key));
    },
  };
}
