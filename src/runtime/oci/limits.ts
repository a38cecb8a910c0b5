import { availableParallelism, totalmem } from "node:os";

/** Bounds of the driver. Bytes and milliseconds. */
export interface DriverLimits {
  /** Processes and threads of an instance. */
  pids: number;
  /** Output kept of one run; an instance keeps that of two. */
  logBytes: number;
  /** Memory of all instances together: what the machine has, less a tenth (at least 256 MiB) for the platform. */
  memoryBytes: number;
  /** Processors that one instance may ask for: as many as there are. */
  cpuMilli: number;
  /**
   * A started instance that isn't ready after so long is reported as `ReadinessProbeFailed` (and goes on trying); later where its readiness
   * probe itself says so by delay, period and failures.
   */
  readinessProblemMs: number;
  /** Root file system on a tmpfs, where the data directory's file system can't hold it. */
  tmpfsRootBytes: number;
  /** Instances that are prepared for their next start, of all workloads together. */
  prepared: number;
  /** Memory that frozen instances may keep together: a quarter of the machine's. */
  frozenBytes: number;
  /** Starts under way at once. */
  parallelStarts: number;
}

export function defaultLimits(): DriverLimits {
  const total = totalmem();
  const cpus = availableParallelism();
  return {
    pids: 2048,
    logBytes: 10 << 20,
    memoryBytes: total - Math.max(256 << 20, Math.floor(total / 10)),
    cpuMilli: cpus * 1000,
    readinessProblemMs: 60_000,
    tmpfsRootBytes: 1 << 30,
    prepared: 8,
    frozenBytes: Math.floor(total / 4),
    parallelStarts: Math.max(4, cpus * 2),
  };
}
