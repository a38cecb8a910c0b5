/** A build's steps as containers: which they are, what each sees, and its start. */
import { createHash } from "node:crypto";
import { lchown, mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { uploadOf } from "../../lib/source/location.ts";
import { buildHome, credentialDirectories, homeFiles, homeVariables } from "../build-home.ts";
import { type BuildSpec, type StepSpec, toolsImage } from "../builds.ts";
import { fetchPaths, fetchProgram, type FetchRequest } from "../fetch/protocol.ts";
import type { BuildContext } from "./build-context.ts";
import { type BuildPaths, buildPaths, type BuildRecord, cachesDir } from "./build-record.ts";
import { type BundleMount, oomScores } from "./bundle.ts";
import { type Run, runContainer } from "./container.ts";
import { makeDirectory, pathsBelow } from "./files.ts";
import type { ImageRoot } from "./parts.ts";
import { mountTmpfs, removeTree } from "./rootfs.ts";
import type { ResolvedUser } from "./users.ts";

/** What a build's credentials, and what programs write beside them, may take of memory. */
const credentialsBytes = 8 << 20;
const credentialsFiles = 4096;

/** The source can't be had, for a reason that is known before anything runs. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

/** All steps in order, that of the source first; in the order of the state's steps. */
export function stepsOf({ source, steps }: BuildSpec): StepSpec[] {
  if (source === undefined) return steps;
  if (source.type === "custom") return [{ ...source.step, name: "source" }, ...steps];
  const fetch: StepSpec = {
    name: "source",
    image: toolsImage,
    command: [fetchProgram],
    env: [],
    security: {
      runAsNonRoot: false,
      readOnlyRootFilesystem: false,
      addCapabilities: [],
      dropCapabilities: [],
      seccomp: "RuntimeDefault",
    },
    resources: {},
    mounts: [],
  };
  return [fetch, ...steps];
}

/** Whether the step at `index` is the platform's own, that brings the source. */
export function fetchesSource({ source }: BuildSpec, index: number): boolean {
  return index === 0 && source !== undefined && source.type !== "custom";
}

/**
 * Makes the directories that all steps share. Only before anything of the build has run: paths are followed.
 * @throws TypeError where a credential is none
 */
export async function makeShared(ctx: BuildContext, { id, spec }: BuildRecord): Promise<void> {
  const paths = buildPaths(ctx.places, id);
  await mkdir(paths.base, { recursive: true, mode: 0o700 });
  await mkdir(paths.disk, { recursive: true, mode: 0o700 });
  // Any user of a step's image writes here; outside only root passes the directories above.
  for (const path of [paths.workspace, paths.builder, join(paths.builder, "home"), paths.image])
    await makeDirectory(path, 0o777);
  const secrets = homeFiles(spec);
  if (secrets.length > 0) {
    // Steps write here too, and must not fill the memory that everything of the driver lies in.
    await removeTree(ctx.driver.launcher, paths.credentials);
    await mkdir(paths.credentials, { mode: 0o700 });
    const bounds = { sizeBytes: credentialsBytes, files: credentialsFiles, mode: "0700" };
    await mountTmpfs(ctx.driver.launcher, paths.credentials, bounds);
  }
  for (const { path, data } of secrets) {
    const at = join(paths.credentials, path);
    await mkdir(dirname(at), { recursive: true, mode: 0o700 });
    await writeFile(at, data, { mode: 0o600 });
  }
  const cache = cacheOf(ctx, { id, spec });
  await makeDirectory(cache, 0o777);
  const now = new Date(ctx.driver.clock.now());
  await utimes(cache, now, now); // the caches that were used longest ago go first
}

/** The directory that is `/builder/cache`. Names come from users: none is a path here. */
export function cacheOf(ctx: BuildContext, { id, spec }: Pick<BuildRecord, "id" | "spec">): string {
  if (spec.cache === undefined) return buildPaths(ctx.places, id).cache;
  return join(cachesDir(ctx.places), createHash("sha256").update(spec.cache).digest("hex").slice(0, 32));
}

/**
 * Starts the step at `index` as the record's newest container; the image is there.
 * @throws SourceError where the source can't be had
 */
export async function startStep(
  ctx: BuildContext,
  record: BuildRecord,
  { index, image }: { index: number; image: ImageRoot },
): Promise<Run> {
  const { spec } = record;
  const step = stepsOf(spec)[index];
  if (step === undefined) throw new RangeError(`Build has no step ${index}`);
  const paths = buildPaths(ctx.places, record.id);
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  const mounts = [
    ...(await sharedMounts(ctx, record)),
    ...(step.image === toolsImage ? ctx.tools.mounts : []),
    ...(fetchesSource(spec, index) ? await sourceMounts(ctx, record) : []),
  ];
  return runContainer(ctx.driver, {
    id: record.id,
    attempt: record.attempt,
    paths,
    image,
    mounts,
    spec: {
      ...step,
      workingDir: step.workingDir ?? "/workspace",
      env: [{ name: "HOME", value: buildHome }, ...homeVariables(spec), ...step.env],
      resources: { memoryBytes: ctx.limits.stepMemoryBytes, ...step.resources },
    },
    terminationMessagePath: "",
    pids: ctx.limits.stepPids,
    oomScore: oomScores.build,
    programs32Bit: true, // of the images that it builds
    prepare: (user) => giveTo(user, paths.credentials),
  });
}

const shared = ["bind", "rprivate", "nosuid", "nodev"];

async function sharedMounts(ctx: BuildContext, record: BuildRecord): Promise<BundleMount[]> {
  const paths = buildPaths(ctx.places, record.id);
  const bind = (destination: string, source: string): BundleMount => ({ destination, source, options: shared });
  const credentials = new Set(homeFiles(record.spec).map(({ path }) => dirname(path)));
  return [
    bind("/workspace", paths.workspace),
    bind("/builder", paths.builder),
    bind("/builder/cache", cacheOf(ctx, record)),
    { destination: "/builder/bases", source: ctx.basesDir, options: [...shared, "ro"] },
    ...(await lockMounts(ctx, paths)),
    ...credentialDirectories
      .filter((path) => credentials.has(path))
      .map((path) => bind(`${buildHome}/${path}`, join(paths.credentials, path))),
  ];
}

/** Lock files of the build's own over those of the base images' storage. */
async function lockMounts(ctx: BuildContext, paths: BuildPaths): Promise<BundleMount[]> {
  await mkdir(paths.locks, { recursive: true, mode: 0o700 });
  return Promise.all(
    ctx.bases.locks.map(async (lock): Promise<BundleMount> => {
      const source = join(paths.locks, basename(lock));
      await writeFile(source, "", { flag: "a" });
      return { destination: `/builder/bases/${lock}`, source, options: [...shared, "ro"] };
    }),
  );
}

/** What only the platform's own source step sees: its request, an uploaded archive, and the directories of repositories. */
async function sourceMounts(ctx: BuildContext, record: BuildRecord): Promise<BundleMount[]> {
  const { source } = record.spec;
  if (source === undefined || source.type === "custom") return [];
  const { fetch } = buildPaths(ctx.places, record.id);
  const readOnly = (path: string, at = path): BundleMount => ({
    destination: at,
    source: path,
    options: [...shared, "ro"],
  });
  const mounts: BundleMount[] = [{ destination: fetchPaths.directory, source: fetch, options: shared }];
  const request: FetchRequest = {
    source,
    limits: { bytes: ctx.limits.sourceBytes, entries: ctx.limits.sourceEntries },
    fileSources: [...ctx.fileSources],
  };
  if (source.type === "git" && source.url.startsWith("file:")) {
    mounts.push(...ctx.fileSources.map((path) => readOnly(path)));
  }
  const location = source.type === "git" ? "" : source.location;
  const digest = uploadOf(location);
  if (digest !== undefined) {
    const file = await ctx.sourceFile(record.key.namespace, digest);
    if (file === undefined) {
      throw new SourceError(
        `Source "${location}" is not here: upload the archive again, as "elafros deploy --source" does`,
      );
    }
    request.upload = fetchPaths.upload;
    mounts.push(readOnly(file, fetchPaths.upload));
  }
  await rm(fetch, { recursive: true, force: true });
  await makeDirectory(fetch, 0o700);
  await writeFile(join(fetch, "spec.json"), JSON.stringify(request), { mode: 0o600 });
  return mounts;
}

/** Makes a step's user the owner of what is below a directory. Links are not followed: earlier steps have written here. */
async function giveTo({ uid, gid }: ResolvedUser, path: string): Promise<void> {
  for await (const entry of pathsBelow(path)) await lchown(entry, uid, gid);
}
