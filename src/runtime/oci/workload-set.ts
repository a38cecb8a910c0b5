/** All workloads of a driver: what is wanted, what there is, and who wants to know. */
import type { InstanceSpec, Standby, WorkloadKey, WorkloadProblem, WorkloadState } from "../workloads.ts";
import type { Run } from "./container.ts";
import type { DriverContext } from "./context.ts";
import { Instance } from "./instance.ts";
import { planWorkload } from "./plan.ts";
import { type InstanceRecord, newInstanceId, specHash } from "./record.ts";
import { createPermits, stopOverBudget } from "./standby.ts";

interface Workload {
  key: WorkloadKey;
  /** The wanted spec, and its identity. */
  spec: InstanceSpec;
  hash: string;
  desired: number;
  standby: Standby;
  /** To be forgotten when the last instance has gone. */
  removed: boolean;
  instances: Map<string, Instance>;
  problem: WorkloadProblem | undefined;
  /** It is about to be settled. */
  settling: boolean;
  /** It is looked at again a little later. */
  postponed: boolean;
}

/** One that isn't ready after so long isn't waited for before others are made. */
const bootMs = 5_000;
/** What was postponed is looked at again after this, and at once when an instance changes. */
const againMs = 1_000;

export function createWorkloads(ctx: DriverContext) {
  const workloads = new Map<string, Workload>();
  const listeners = new Set<(key: WorkloadKey) => void>();
  /** Workloads that may have an instance prepared. */
  const permits = createPermits(ctx.limits.prepared);
  let closed = false;
  const nameOf = (key: WorkloadKey) => `${key.namespace}/${key.name}`;

  const changed = (workload: Workload) => {
    for (const listener of listeners) {
      try {
        listener(workload.key);
      } catch (error) {
        ctx.log.error({ error, workload: nameOf(workload.key) }, "A listener of workloads failed");
      }
    }
  };

  const add = (workload: Workload, record: InstanceRecord, how: { run?: Run | undefined; prepare?: boolean } = {}) => {
    const { run, prepare = false } = how;
    const instance = new Instance(ctx, record, {
      ...(run === undefined ? {} : { run }),
      prepare,
      events: {
        changed: () => {
          changed(workload);
          settleSoon(workload);
        },
        ready: () => {
          workload.problem = undefined;
        },
        problem: (problem) => {
          workload.problem = problem;
        },
        frozen: () => {
          void stopOverBudget(ctx, allInstances());
        },
        unpreparable: () => {
          permits.take(nameOf(workload.key));
        },
        gone: () => {
          workload.instances.delete(record.id);
          if (workload.removed && workload.instances.size === 0 && workloads.get(nameOf(workload.key)) === workload) {
            workloads.delete(nameOf(workload.key));
          }
          changed(workload);
          settleSoon(workload);
        },
      },
    });
    workload.instances.set(record.id, instance);
    return instance;
  };

  /** Settles once what goes on now is over: what settling does changes instances, which asks for settling again. */
  const settleSoon = (workload: Workload) => {
    if (workload.settling) return;
    workload.settling = true;
    queueMicrotask(() => {
      workload.settling = false;
      settle(workload);
    });
  };

  /** Brings what there is nearer to what is wanted. */
  const settle = (workload: Workload) => {
    if (closed) return;
    const now = [...workload.instances.values()].map((one) => ({
      id: one.id,
      hash: one.hash,
      phase: one.phase,
      leaving: one.leaving,
      resting: one.resting,
      booting: one.phase !== "ready" && ctx.clock.now() - one.record.createdAt < bootMs,
      createdAt: one.record.createdAt,
    }));
    const { desired, hash } = workload;
    const refused = workload.standby === "prepared" && !permits.has(nameOf(workload.key));
    const standby = refused ? "none" : workload.standby;
    const plan = planWorkload({ count: desired, hash, standby, mostBooting: ctx.limits.parallelStarts }, now);
    if (plan.postponed && !workload.postponed) {
      workload.postponed = true;
      ctx.clock.after(againMs, () => {
        workload.postponed = false;
        settleSoon(workload);
      });
    }
    for (const id of plan.wake) workload.instances.get(id)?.wake();
    for (const id of plan.freeze) workload.instances.get(id)?.freeze();
    for (const id of plan.stop) void workload.instances.get(id)?.stop();
    for (let made = 0; made < plan.create; made++) make(workload);
    if (plan.prepare) make(workload, true);
  };

  const make = (workload: Workload, prepare = false) => {
    const record: InstanceRecord = {
      version: 1,
      id: newInstanceId(workload.key.name),
      key: workload.key,
      spec: workload.spec,
      bootId: ctx.bootId,
      createdAt: ctx.clock.now(),
      attempt: 0,
      restarts: 0,
      failures: 0,
      stopping: false,
    };
    add(workload, record, { prepare }).start();
  };

  const allInstances = () => [...workloads.values()].flatMap((one) => [...one.instances.values()]);

  const stateOf = (workload: Workload): WorkloadState => ({
    key: workload.key,
    desired: workload.desired,
    instances: [...workload.instances.values()].map((one) => one.state()),
    ...(workload.problem === undefined ? {} : { problem: workload.problem }),
  });

  const newWorkload = (key: WorkloadKey, spec: InstanceSpec): Workload => {
    const workload: Workload = {
      key: { ...key },
      spec,
      hash: specHash(spec),
      desired: 0,
      standby: "none",
      removed: false,
      instances: new Map(),
      problem: undefined,
      settling: false,
      postponed: false,
    };
    workloads.set(nameOf(key), workload);
    return workload;
  };

  return {
    adopt: (record: InstanceRecord, run: Run | undefined) => {
      const workload = workloads.get(nameOf(record.key)) ?? newWorkload(record.key, record.spec);
      if (record.frozenAt !== undefined) workload.standby = "frozen";
      else if (!record.stopping) workload.desired++;
      workload.problem ??= record.problem;
      add(workload, record, { run }).start();
    },

    scale: (key: WorkloadKey, spec: InstanceSpec, count: number, standby: Standby = "none") => {
      if (!Number.isInteger(count) || count < 0)
        throw new RangeError(`Cannot scale "${nameOf(key)}" to ${count}: it must be a whole number from 0 on`);
      const workload = workloads.get(nameOf(key)) ?? newWorkload(key, spec);
      const hash = specHash(spec);
      const same =
        workload.desired === count && workload.hash === hash && workload.standby === standby && !workload.removed;
      // It was used until now: it is likely to be used again.
      if (standby === "prepared" && count === 0 && workload.desired > 0) {
        const refused = workloads.get(permits.give(nameOf(key)) ?? "");
        if (refused !== undefined) settleSoon(refused);
      }
      // What ended an earlier start says nothing of the one that begins now.
      if (workload.desired === 0 && count > 0) workload.problem = undefined;
      Object.assign(workload, { spec, hash, desired: count, standby, removed: false });
      settleSoon(workload);
      if (!same) changed(workload);
    },

    remove: (key: WorkloadKey) => {
      const workload = workloads.get(nameOf(key));
      if (workload === undefined) return;
      Object.assign(workload, { desired: 0, standby: "none", removed: true });
      permits.take(nameOf(key));
      if (workload.instances.size === 0) workloads.delete(nameOf(key));
      settleSoon(workload);
      changed(workload);
    },

    replace: (id: string, why: string) => {
      for (const workload of workloads.values()) {
        const instance = workload.instances.get(id);
        if (instance === undefined || instance.leaving) continue;
        instance.replace(why);
        settleSoon(workload);
      }
    },

    get: (key: WorkloadKey): WorkloadState | undefined => {
      const workload = workloads.get(nameOf(key));
      return workload === undefined ? undefined : stateOf(workload);
    },
    list: (): WorkloadState[] => [...workloads.values()].map(stateOf),
    instances: allInstances,
    instance: (id: string): Instance | undefined => {
      for (const workload of workloads.values()) {
        const instance = workload.instances.get(id);
        if (instance !== undefined) return instance;
      }
      return undefined;
    },
    subscribe: (listener: (key: WorkloadKey) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    /** Lets go of all instances; resolves when nothing is under way any more. */
    close: async () => {
      closed = true;
      await Promise.all(
        [...workloads.values()].flatMap((one) => [...one.instances.values()].map((inner) => inner.leave())),
      );
    },
    stopAll: async (graceMs: number) => {
      const all = [...workloads.values()];
      for (const workload of all) Object.assign(workload, { desired: 0, standby: "none", removed: true });
      await Promise.all(all.flatMap((one) => [...one.instances.values()].map((inner) => inner.stop(graceMs))));
      for (const workload of all) if (workload.instances.size === 0) workloads.delete(nameOf(workload.key));
    },
  };
}
