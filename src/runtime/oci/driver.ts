/**
 * The workloads port on this machine. It keeps what is wanted in memory and what runs on disk, brings the second to the first, and is asked again
 * with everything after a restart: `scale` is level-triggered. Instances are children of their own monitor, so they outlive this process.
 */
import type { BuildsPort } from "../builds.ts";
import type { InstanceSpec, LogOptions, Standby, WorkloadKey, WorkloadsPort } from "../workloads.ts";
import { adoptInstances } from "./adopt.ts";
import { type BuildOptions, openBuilds } from "./build-open.ts";
import type { BuildSet } from "./build-set.ts";
import type { DriverContext } from "./context.ts";
import { type ContextOptions, openContext, type OpenContext } from "./context-open.ts";
import type { Instance } from "./instance.ts";
import { readLog } from "./logs.ts";
import { instancePaths } from "./record.ts";
import { createWorkloads } from "./workload-set.ts";

export interface DriverOptions extends ContextOptions {
  builds: BuildOptions;
}

export interface Driver extends WorkloadsPort {
  /** Builds on this machine; their steps are containers as instances are. */
  readonly builds: BuildsPort;
  /** Puts a new instance in the place of one that hangs; the old one is drained and stopped. Nothing happens where there is none. */
  replace(instanceId: string, why: string): void;
  /** Ends the driver and leaves instances and builds running. */
  close(): Promise<void>;
  /**
   * Drains and stops every instance, with at most `graceMs` between SIGTERM and SIGKILL, ends what runs of builds, which begin again when they are next declared, and
   * leaves nothing mounted; afterwards the driver can only be closed.
   */
  stopAll(graceMs: number): Promise<void>;
}

const logCheckMs = 1_000;

/** Starts the driver: adopts what runs and removes what is half made before it resolves. @throws Error naming what is missing on this machine */
export async function createDriver({ builds, ...options }: DriverOptions): Promise<Driver> {
  const open = await openContext(options);
  try {
    return await run(open, await openBuilds(open.ctx, builds));
  } catch (error) {
    open.close();
    throw error;
  }
}

async function run(open: OpenContext, builds: BuildSet): Promise<Driver> {
  const { ctx } = open;
  const workloads = createWorkloads(ctx);
  for (const { record, run } of await adoptInstances(ctx, builds.adopted)) workloads.adopt(record, run);
  builds.open();
  let closed = false;
  const keepLogs = () => {
    ctx.clock.after(logCheckMs, () => {
      if (closed) return;
      const running = workloads.instances().filter((one) => one.running);
      void Promise.allSettled(running.map((one) => one.keepLog())).then(keepLogs);
    });
  };
  keepLogs();

  return {
    builds,
    scale: (key: WorkloadKey, spec: InstanceSpec, count: number, standby?: Standby) =>
      workloads.scale(key, spec, count, standby),
    remove: (key) => workloads.remove(key),
    get: (key) => workloads.get(key),
    list: () => workloads.list(),
    subscribe: (listener) => workloads.subscribe(listener),
    replace: (id, why) => {
      ctx.log.warn({ instance: id, why }, "Replacing an instance");
      workloads.replace(id, why);
    },
    logs: (id, options) => logsOf(ctx, workloads.instance(id), { id, options }),
    close: async () => {
      closed = true;
      await Promise.all([workloads.close(), builds.close()]);
      open.close();
    },
    stopAll: async (graceMs) => {
      await Promise.all([workloads.stopAll(graceMs), builds.stopAll()]);
      await open.clear();
    },
  };
}

function logsOf(
  ctx: DriverContext,
  instance: Instance | undefined,
  { id, options }: { id: string; options: LogOptions },
): AsyncIterable<string> {
  if (instance === undefined) throw new Error(`Cannot read logs: there is no instance "${id}"`);
  const attempt = instance.attempt - (options.previous ? 1 : 0);
  return readLog(instancePaths(ctx.places, id).log(attempt), {
    ...options,
    running: () => instance.running && instance.attempt === attempt,
  });
}
