/**
 * What is kept of a build. On disk, without a secret: its state, for as long as the build is known, so that it and its logs outlive reboots. In memory besides, while it
 * isn't ended: the same with the spec, from which the next control goes on where the last was.
 */
import { join } from "node:path";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import type { BuildFailure, BuildKey, BuildSpec, BuildState, SourceFound, StepState } from "../builds.ts";
import { saveFile } from "./files.ts";
import { containerPaths } from "./record.ts";

/** A step, with the number of its container, which names its log, once it has had one. */
export interface StoredStep extends StepState {
  attempt?: number;
}

/** A build's state. */
export interface StoredBuild {
  version: 1;
  id: string;
  key: BuildKey;
  uid: string;
  labels: Record<string, string>;
  createdAt: number;
  startedAt?: number;
  endedAt?: number;
  steps: StoredStep[];
  source?: SourceFound;
  failure?: BuildFailure;
  imageDigest?: string;
}

/** A build that has not ended. */
export interface BuildRecord extends StoredBuild {
  spec: BuildSpec;
  /** The boot in which it began: after another one nothing of it runs. */
  bootId: string;
  /** Containers made so far; the last one is named by that number. */
  attempt: number;
  /** It is to be forgotten as soon as it has ended. */
  removed?: boolean;
}

/** Where builds are kept. */
export interface BuildPlaces {
  /** On disk: a directory per build, and what is kept between builds. */
  disk: string;
  /** On the driver's tmpfs: a directory per build that has not ended. */
  memory: string;
}

/** Directory with a directory per build, on disk. */
export function jobsDir(places: BuildPlaces): string {
  return join(places.disk, "jobs");
}

/** Directory with a directory per cache. */
export function cachesDir(places: BuildPlaces): string {
  return join(places.disk, "cache");
}

/** Directory of what nobody needs after a crash. */
export function temporaryDir(places: BuildPlaces): string {
  return join(places.disk, "tmp");
}

export function buildPaths(places: BuildPlaces, id: string) {
  const base = join(places.memory, id);
  const disk = join(jobsDir(places), id);
  return {
    ...containerPaths(base, disk),
    /** The state, and while it goes on the whole record. */
    state: join(disk, "build.json"),
    record: join(base, "build.json"),
    workspace: join(disk, "workspace"),
    /** `/builder`: `home`, `image`, `image-digest`. */
    builder: join(disk, "builder"),
    image: join(disk, "builder/image"),
    imageDigest: join(disk, "builder/image-digest"),
    /** A cache of its own, where the spec names none. */
    cache: join(disk, "cache"),
    /** Its locks of the base images' storage. */
    locks: join(disk, "locks"),
    /** Files of `HOME` that are secret. */
    credentials: join(base, "home"),
    /** `/elafros/fetch` of the source step. */
    fetch: join(disk, "fetch"),
    fetchResult: join(disk, "fetch/result.json"),
  } as const;
}

export type BuildPaths = ReturnType<typeof buildPaths>;

/** A new build's state. */
export function newBuild(
  id: string,
  { key, spec }: { key: BuildKey; spec: BuildSpec },
  createdAt: number,
): StoredBuild {
  const steps = [...(spec.source === undefined ? [] : ["source"]), ...spec.steps.map((step) => step.name)];
  return {
    version: 1,
    id,
    key: { ...key },
    uid: spec.uid,
    labels: spec.labels,
    createdAt,
    steps: steps.map((name) => ({ name, phase: "waiting" })),
  };
}

/** The state without what is only the driver's, or secret. */
export function storedBuild(record: StoredBuild | BuildRecord): StoredBuild {
  const {
    spec: _spec,
    bootId: _boot,
    attempt: _attempt,
    removed: _removed,
    ...stored
  } = { spec: 0, bootId: 0, attempt: 0, removed: 0, ...record };
  return stored;
}

/** Writes the state so that it outlives the machine's end. */
export async function saveState(places: BuildPlaces, build: StoredBuild): Promise<void> {
  await writeFileAtomic(buildPaths(places, build.id).state, JSON.stringify(storedBuild(build)));
}

/** Writes the whole record into memory. */
export async function saveRecord(places: BuildPlaces, record: BuildRecord): Promise<void> {
  await saveFile(buildPaths(places, record.id).record, JSON.stringify(record));
}

/** The state on disk; undefined where there is none that can be read. */
export async function readState(places: BuildPlaces, id: string): Promise<StoredBuild | undefined> {
  return (await readVersion(buildPaths(places, id).state, id)) as StoredBuild | undefined;
}

/** The record in memory; undefined where there is none that can be read. */
export async function readRecord(places: BuildPlaces, id: string): Promise<BuildRecord | undefined> {
  return (await readVersion(buildPaths(places, id).record, id)) as BuildRecord | undefined;
}

async function readVersion(path: string, id: string): Promise<unknown> {
  const found = await readJson(path).catch(() => undefined);
  if (typeof found !== "object" || found === null) return undefined;
  const { version, id: name } = found as Partial<StoredBuild>;
  return version === 1 && name === id ? found : undefined;
}

/** The port's view of a build. */
export function buildState(build: StoredBuild, message?: string): BuildState {
  const { key, uid, labels, createdAt, startedAt, endedAt, source, failure, imageDigest } = build;
  return {
    key,
    uid,
    labels,
    createdAt,
    phase:
      endedAt === undefined
        ? startedAt === undefined
          ? "queued"
          : "running"
        : failure === undefined
          ? "succeeded"
          : "failed",
    steps: build.steps.map(({ attempt: _attempt, ...step }) => step),
    ...(message === undefined ? {} : { message }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(source === undefined ? {} : { source }),
    ...(failure === undefined || endedAt === undefined ? {} : { failure }),
    ...(imageDigest === undefined || endedAt === undefined ? {} : { imageDigest }),
  };
}
