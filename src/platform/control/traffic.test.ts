import { expect, test } from "vitest";
import type { RevisionInstances } from "../../routing/compile.ts";
import type { InstanceState, WorkloadKey, WorkloadState } from "../../runtime/workloads.ts";
import { connectWorkloads } from "./traffic.ts";

const key = { namespace: "default", name: "app-00001" };
const address = { host: "10.0.0.2", port: 8080 };
const instance = (id: string, phase: InstanceState["phase"]): InstanceState => ({
  id,
  phase,
  image: "app",
  labels: {},
  createdAt: 0,
  restarts: 0,
  ...(phase === "creating" ? {} : { address }),
});

/** A driver with these workloads, and what the route table was told last of each. */
function bench(...workloads: WorkloadState[]) {
  const told = new Map<string, RevisionInstances | undefined>();
  const listeners = new Set<(changed: WorkloadKey) => void>();
  const driver = {
    list: () => workloads,
    get: ({ name }: WorkloadKey) => workloads.find((each) => each.key.name === name),
    subscribe: (listener: (changed: WorkloadKey) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const disconnect = connectWorkloads(driver, { setInstances: (revision, state) => void told.set(revision, state) });
  const changed = () => {
    for (const listener of listeners) listener(key);
  };
  return { told, workloads, changed, disconnect };
}

test("connectWorkloads() tells what was adopted: instances that are ready, and no others", () => {
  const phases = ["creating", "starting", "ready", "draining", "stopping", "waiting", "prepared", "frozen"] as const;
  const { told } = bench({ key, desired: 1, instances: phases.map((phase) => instance(phase, phase)) });
  expect(Object.fromEntries(told)).toEqual({ "default/app-00001": { instances: [{ id: "ready", ...address }] } });
});

test("connectWorkloads() tells each change with the reason's word, forgets what the driver has forgotten, and ends", () => {
  const { told, workloads, changed, disconnect } = bench();
  expect(told.size).toBe(0);
  const problem = { reason: "ExitCode", code: 127, message: "not found", at: 0 } as const;
  workloads.push({ key, desired: 1, instances: [], problem });
  changed();
  expect(told.get("default/app-00001")).toEqual({
    instances: [],
    problem: { reason: "ExitCode127", message: "not found" },
  });
  workloads.length = 0;
  changed();
  expect([told.has("default/app-00001"), told.get("default/app-00001")]).toEqual([true, undefined]);
  told.clear();
  disconnect();
  changed();
  expect(told.size).toBe(0);
});
