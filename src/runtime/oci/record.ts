/**
 * What is kept of an instance, so that the next control can adopt it: `instance.json` in the instance's own directory (0700),
 * and everything else beside it. A record holds the spec with its secrets, so it is 0600 and in memory.
 */
import { createHash, randomInt } from "node:crypto";
import { join } from "node:path";
import { readJson } from "../../lib/files.ts";
import type { InstanceExit, InstanceSpec, WorkloadKey, WorkloadProblem } from "../workloads.ts";
import { saveFile } from "./files.ts";

export interface InstanceRecord {
  version: 1;
  id: string;
  key: WorkloadKey;
  spec: InstanceSpec;
  /** The boot in which it was made: after another one nothing of it runs. */
  bootId: string;
  createdAt: number;
  /** Number of the run, from 1; names the OCI container. */
  attempt: number;
  restarts: number;
  /** Runs and starts that failed since it last ran well; the back-off's step. */
  failures: number;
  /** When all was made for its present run, but for the start of its program. */
  madeAt?: number;
  /** When it was last wanted, having stood by. */
  wokenAt?: number;
  startedAt?: number;
  /** When it became ready in this run. */
  readyAt?: number;
  /** Since when it is frozen, or about to be. */
  frozenAt?: number;
  lastExit?: InstanceExit;
  /** When it starts again; set while it waits. */
  nextStartAt?: number;
  problem?: WorkloadProblem;
  /** It is being stopped for good. */
  stopping: boolean;
  imageId?: string;
  stopSignal?: string;
}

/** Where instances are kept. */
export interface Places {
  /** On disk: what instances write. */
  disk: string;
  /**
   * In memory, on a tmpfs of the driver's: records, bundles, secrets and the runtime's state. Nothing of it means anything after a reboot, and a start doesn't
   * wait for the disk's journal.
   */
  memory: string;
}

/** Directory with a directory per instance, in memory. */
export function recordsDir(places: Places): string {
  return join(places.memory, "i");
}

/** Paths of an instance. */
export function instancePaths(places: Places, id: string) {
  const base = join(recordsDir(places), id);
  return { record: join(base, "instance.json"), ...containerPaths(base, join(places.disk, id)) } as const;
}

/** Paths of a container: in memory below `base`, on disk below `disk`. */
export function containerPaths(base: string, disk: string) {
  return {
    base,
    disk,
    bundle: join(base, "bundle"),
    config: join(base, "bundle", "config.json"),
    /** The overlay's mount point, its layers, and what is written to it. */
    root: join(base, "root"),
    layers: join(base, "l"),
    rw: join(disk, "rw"),
    etc: join(base, "etc"),
    /** Volumes of files and in memory; those on disk. */
    volumes: join(base, "volumes"),
    diskVolumes: join(disk, "volumes"),
    termination: join(disk, "termination"),
    logs: join(disk, "log"),
    log: (attempt: number) => join(disk, "log", `${attempt}.log`),
    pid: join(base, "pid"),
    monitorPid: join(base, "monitor.pid"),
  } as const;
}

export type ContainerPaths = ReturnType<typeof containerPaths>;

export async function saveRecord(places: Places, record: InstanceRecord): Promise<void> {
  await saveFile(instancePaths(places, record.id).record, JSON.stringify(record));
}

/** The record of an instance; undefined where there is none that can be read: it was half made, or by a newer version. */
export async function readRecord(places: Places, id: string): Promise<InstanceRecord | undefined> {
  const record = await readJson(instancePaths(places, id).record).catch(() => undefined);
  if (typeof record !== "object" || record === null) return undefined;
  const { version, id: name } = record as Partial<InstanceRecord>;
  return version === 1 && name === id ? (record as InstanceRecord) : undefined;
}

const hashes = new WeakMap<InstanceSpec, string>();

/** Identity of a spec: what an instance is made from, without the credentials to pull its image and the labels it is shown with. */
export function specHash(spec: InstanceSpec): string {
  const known = hashes.get(spec);
  if (known !== undefined) return known;
  const { pullSecrets: _secrets, labels: _labels, ...identity } = spec;
  const hash = createHash("sha256").update(canonical(identity)).digest("hex");
  hashes.set(spec, hash);
  return hash;
}

/** JSON with sorted keys and without undefined. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A new instance's id: the workload's name, cut so that all is a DNS label, and eight random characters. */
export function newInstanceId(name: string): string {
  const suffix = Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join("");
  return `${name.slice(0, 54).replace(/[^a-z0-9]+$/, "")}-${suffix}`;
}

/** The OCI container's name for a run. */
export function containerId(record: Pick<InstanceRecord, "id" | "attempt">): string {
  return `${record.id}.${record.attempt}`;
}
