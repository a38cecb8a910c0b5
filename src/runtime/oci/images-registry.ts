/** Asks a registry, through skopeo: what a tag is, and an image's bytes. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";
import { authsFor } from "../registry/auths.ts";
import { diskRoom } from "./disk-room.ts";
import { withAuthFile } from "./images-auth.ts";
import { dependsOnUser, isDiskFull, reason, urlAsked } from "./images-errors.ts";
import { type LayerSizes, layerSizes, transferred } from "./images-progress.ts";
import { type ImageReference, isLoopback } from "../registry/reference.ts";
import type { RunTool, ToolResult } from "./storage-run.ts";
import { killTools } from "./tool-kill.ts";

export interface RegistryContext {
  /** Where auth files and downloads go. */
  temporary: string;
  /** The directory whose file system holds them and the store. */
  images: string;
  /** Environment that selects the store. */
  env: Record<string, string>;
  /** How the tools are run. */
  run: RunTool;
  /** Only the credentials that are given count, and none of the machine's. */
  givenOnly?: true;
}

export interface PullContext extends RegistryContext {
  /** What is left free of the file system of `images`. */
  reserveBytes: number;
}

/** What a registry has under a tag. */
export interface RegistryManifest {
  digest: string;
  /** Undefined for a list of images. */
  layers: LayerSizes | undefined;
}

/** How long a registry may take to say what a tag means. */
const resolveTimeout = "20s";
/** How long a pull may take in all. */
const pullTimeout = "60m";

/**
 * Asks a registry what a tag is. The digest is that of the manifest list where the tag is one, so that the same digest means the same
 * image on every architecture.
 * @throws ImageError
 */
export async function registryManifest(
  context: RegistryContext,
  reference: ImageReference,
  auth: readonly RegistryAuth[],
): Promise<RegistryManifest> {
  const result = await withCredentials(context, reference, auth, (file) =>
    context.run(
      "skopeo",
      [
        "--debug",
        `--command-timeout=${resolveTimeout}`,
        "inspect",
        "--raw",
        ...(file === undefined ? [] : [`--authfile=${file}`]),
        ...(isLoopback(reference.registry) ? ["--tls-verify=false"] : []),
        `docker://${reference.name}:${reference.tag ?? "latest"}`,
      ],
      { env: context.env },
    ),
  );
  const digest = `sha256:${createHash("sha256").update(result.stdout).digest("hex")}`;
  return { digest, layers: layerSizes(result.stdout) };
}

/**
 * Copies an image by digest into local storage, under exactly that name. A pull that fails leaves no image.
 * @param downloading is told where the download's files appear; what it gives is called once they are complete
 * @returns the digests of the layers that weren't here
 * @throws ImageError; NoRoomError where it would take what is left free of the disk, and then parts of it may be in storage
 */
export async function pullFromRegistry(
  context: PullContext,
  reference: ImageReference,
  auth: readonly RegistryAuth[],
  downloading: (dir: string) => () => void,
): Promise<string[]> {
  const exact = `${reference.name}@${reference.digest ?? ""}`;
  const room = diskRoom({ dir: context.images, reserveBytes: context.reserveBytes }, exact);
  await room.check();
  const dir = await mkdtemp(join(context.temporary, "pull-"));
  const own = `--tmpdir=${dir}`;
  const stop = downloading(dir);
  const unwatch = room.watch(() => void killTools(own));
  try {
    const result = await withCredentials(context, reference, auth, async (file) => {
      const args = [
        "--debug",
        `--command-timeout=${pullTimeout}`,
        own,
        "copy",
        ...(file === undefined ? [] : [`--src-authfile=${file}`]),
        ...(isLoopback(reference.registry) ? ["--src-tls-verify=false"] : []),
        `docker://${exact}`,
        `containers-storage:${exact}`,
      ];
      const ended = await context.run("skopeo", args, { env: context.env });
      if (ended.code !== 0) await room.check();
      if (isDiskFull(ended.stderr)) throw await room.full();
      return ended;
    });
    return transferred(result);
  } finally {
    unwatch();
    stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Tries the given credentials that apply, in order, else the machine's own where they count; the last failure is the one that is told. */
export async function withCredentials(
  context: RegistryContext,
  reference: ImageReference,
  auth: readonly RegistryAuth[],
  run: (authFile: string | undefined) => Promise<ToolResult>,
): Promise<ToolResult> {
  const candidates: (RegistryAuth | undefined)[] = authsFor(reference.name, auth);
  if (candidates.length === 0) candidates.push(undefined);
  let failure: ImageError | undefined;
  for (const candidate of candidates) {
    const result = await withAuthFile(context.temporary, candidate, run, context.givenOnly !== true);
    if (result.code === 0) return result;
    failure = await explain(context, reference, result, candidate?.username);
    if (!dependsOnUser(result.stderr)) break;
  }
  throw failure ?? new ImageError(`Cannot ask registry "${reference.registry}"`);
}

/** The registry's own error, the URL, the user it was asked as. */
async function explain(
  context: RegistryContext,
  reference: ImageReference,
  result: ToolResult,
  user: string | undefined,
): Promise<ImageError> {
  if (isDiskFull(result.stderr)) {
    return new ImageError(`no space left in "${context.images}": free some on its file system`);
  }
  const asked = user ?? (context.givenOnly ? undefined : await machineUser(context, reference));
  const who = asked === undefined ? "anonymously" : `as user ${JSON.stringify(asked)}`;
  return new ImageError(`${reason(result.stderr)} (asked ${urlAsked(result.stderr, reference)} ${who})`);
}

/** The user whose credentials this machine has for an image's registry, as the tools look them up. */
async function machineUser(context: RegistryContext, reference: ImageReference): Promise<string | undefined> {
  for (const name of [reference.name, reference.registry]) {
    const result = await context.run("skopeo", ["login", "--get-login", name]);
    const user = result.stdout.toString("utf8").trim();
    if (result.code === 0 && user !== "") return user;
  }
  return undefined;
}
