/** From a source to an image, in an OCI layout. */
import { access, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openCache } from "./cache.ts";
import { exportImage } from "./export.ts";
import { buildFailure } from "./failure.ts";
import type { BuilderOptions } from "./options.ts";
import { type BuildPlan, certificateArgs, certificatesPath } from "./plan.ts";
import { planners } from "./plans.ts";
import { type Ended, ask, runLogged } from "./tools.ts";
import { contextDirectory, workspaceView } from "./workspace.ts";

const machineCertificates = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Builds the source in the workspace and leaves the image in the output directory.
 * @throws with a sentence that says what failed
 */
export async function build(options: BuilderOptions): Promise<void> {
  const directory = await contextDirectory(options.workspace, options.context);
  const plan = await planners[options.language](await workspaceView(directory), {
    ...options,
    offeredArgs: {
      ...options.offeredArgs,
      ...Object.fromEntries(certificateArgs.map((name) => [name, certificatesPath])),
    },
  });
  for (const note of plan.notes) process.stdout.write(`${note}\n`);
  const own = await mkdtemp(join(tmpdir(), "elafros-builder-"));
  const cache = await openCache(options.cache, process.env);
  const env = { ...process.env, TMPDIR: cache.temporary };
  try {
    const idFile = join(own, "image-id");
    const args = await budArgs(plan, { own, directory, idFile, labels: await labelsOf(options, directory) });
    const first = await runLogged("buildah", args, env);
    const ended = first.code !== 0 && isBroken(first) && (await cache.discard()) ? await again(args, env) : first;
    if (ended.code !== 0) throw new Error(buildFailure(ended.lines));
    const { image, output, baseBlobs } = options;
    await exportImage({ id: await readId(idFile), image, output, blobs: cache.blobs, baseBlobs, env });
  } finally {
    await cache.close();
    await rm(own, { recursive: true, force: true });
  }
}

/** Layers stand on those of base images, which may have been made anew since. */
function isBroken({ lines }: Ended): boolean {
  // Of buildah's own lines: a step may say anything.
  return lines.some((line) => /^(?:Error: |time=).*(?:layer not known|may be corrupted|image not known)/u.test(line));
}

function again(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  process.stdout.write("The cached layers stand on a base image that is gone: building without them\n");
  return runLogged("buildah", args, env);
}

interface Places {
  /** A directory for what the plan adds. */
  own: string;
  /** The source. */
  directory: string;
  idFile: string;
  labels: Record<string, string>;
}

/** The arguments of `buildah` for a plan, whose files are written to `own`. */
export async function budArgs(plan: BuildPlan, { own, directory, idFile, labels }: Places): Promise<string[]> {
  const context = join(own, "context");
  await mkdir(context);
  for (const [path, text] of Object.entries(plan.files)) {
    await mkdir(dirname(join(context, path)), { recursive: true });
    await writeFile(join(context, path), text);
  }
  const file = join(own, "Dockerfile");
  await writeFile(file, plan.dockerfile);
  const ignoreFile = join(own, "ignore");
  await writeFile(ignoreFile, `${plan.ignore.join("\n")}\n`);
  const certified = certificateArgs.filter((name) => new RegExp(`^\\s*ARG\\s+${name}\\b`, "imu").test(plan.dockerfile));
  const mounted = certified.length > 0 && (await exists(machineCertificates));
  const buildArgs = {
    ...plan.buildArgs,
    ...(mounted ? Object.fromEntries(certified.map((name) => [name, certificatesPath])) : {}),
  };
  return [
    "bud",
    "--layers",
    "--force-rm",
    "--isolation=chroot",
    "--format=oci",
    // On one machine what is there is what the platform put there.
    `--pull=${process.env["ELAFROS_BASE_IMAGES"] === "pull" ? "missing" : "false"}`,
    `--file=${file}`,
    `--iidfile=${idFile}`,
    `--build-context=elafros=${context}`,
    ...(plan.ignore.length > 0 ? ["--ignorefile", ignoreFile] : []),
    ...(mounted ? ["--volume", `${machineCertificates}:${certificatesPath}:ro`] : []),
    ...(plan.target === undefined ? [] : ["--target", plan.target]),
    ...Object.entries(buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    directory,
  ];
}

/** Where the source came from: as told, else as its git repository says. */
async function labelsOf(options: BuilderOptions, directory: string): Promise<Record<string, string>> {
  // A repository that the workspace happens to lie in is not the source's.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(await realpath(options.workspace)) };
  const git = (...args: string[]) => ask("git", ["-c", "safe.directory=*", "-C", directory, ...args], env);
  const source = options.source ?? (await git("config", "--get", "remote.origin.url"));
  const revision = options.revision ?? (await git("rev-parse", "--verify", "HEAD"));
  return {
    ...(source === undefined
      ? {}
      : { "org.opencontainers.image.source": source.replace(/^(https?:\/\/)[^/@]*@/u, "$1") }),
    ...(revision === undefined ? {} : { "org.opencontainers.image.revision": revision }),
  };
}

async function readId(idFile: string): Promise<string> {
  return (await readFile(idFile, "utf8")).trim().replace(/^sha256:/u, "");
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
