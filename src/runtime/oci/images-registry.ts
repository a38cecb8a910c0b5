/** Asks a registry, through skopeo: the digest behind a tag, and an image's bytes. Its failures become sentences for a person. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";
import { authsFor, withAuthFile } from "./images-auth.ts";
import { type ImageReference, isLoopback } from "./images-reference.ts";
import { runTool, type ToolResult } from "./storage-run.ts";

export interface RegistryContext {
  /** Where auth files and downloads go. */
  temporary: string;
  /** Environment that selects the store. */
  env: Record<string, string>;
}

/** How long a registry may take to say what a tag means. */
const resolveTimeout = "20s";
/** How long a pull may take in all. */
const pullTimeout = "60m";

/**
 * The digest that the registry serves for a tag: of the manifest list where the tag is one, so that the same digest means the same
 * image on every architecture.
 * @throws ImageError
 */
export async function registryDigest(
  context: RegistryContext,
  reference: ImageReference,
  auth: readonly RegistryAuth[],
): Promise<string> {
  const source = `docker://${reference.name}:${reference.tag ?? "latest"}`;
  const result = await withCredentials(context, reference, auth, (authArgs) =>
    runTool(
      "skopeo",
      [
        "--debug",
        `--command-timeout=${resolveTimeout}`,
        "inspect",
        "--raw",
        ...authArgs,
        ...(isLoopback(reference.registry) ? ["--tls-verify=false"] : []),
        source,
      ],
      { env: context.env },
    ),
  );
  return `sha256:${createHash("sha256").update(result.stdout).digest("hex")}`;
}

/**
 * Copies an image by digest into local storage, under exactly that name. A pull that fails leaves no image.
 * @throws ImageError
 */
export async function pullFromRegistry(
  context: RegistryContext,
  reference: ImageReference,
  auth: readonly RegistryAuth[],
  downloading?: (dir: string) => () => void,
): Promise<void> {
  const exact = `${reference.name}@${reference.digest ?? ""}`;
  const dir = await mkdtemp(join(context.temporary, "pull-"));
  const stop = downloading?.(dir);
  try {
    await withCredentials(context, reference, auth, (authArgs) =>
      runTool(
        "skopeo",
        [
          "--debug",
          `--command-timeout=${pullTimeout}`,
          "copy",
          ...authArgs.map((arg) => arg.replace("--authfile", "--src-authfile")),
          ...(isLoopback(reference.registry) ? ["--src-tls-verify=false"] : []),
          `docker://${exact}`,
          `containers-storage:${exact}`,
        ],
        { env: { ...context.env, TMPDIR: dir } },
      ),
    );
  } finally {
    stop?.();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Tries the given credentials that apply, in order, else the machine's own; the last failure is the one that is told. */
async function withCredentials(
  context: RegistryContext,
  reference: ImageReference,
  auth: readonly RegistryAuth[],
  run: (authArgs: string[]) => Promise<ToolResult>,
): Promise<ToolResult> {
  const candidates: (RegistryAuth | undefined)[] = authsFor(reference.name, auth);
  if (candidates.length === 0) candidates.push(undefined);
  let failure: ImageError | undefined;
  for (const candidate of candidates) {
    const result = await withAuthFile(context.temporary, candidate, (file) =>
      run(file === undefined ? [] : [`--authfile=${file}`]),
    );
    if (result.code === 0) return result;
    failure = await explain(reference, result, candidate?.username);
  }
  throw failure ?? new ImageError(`Cannot reach registry "${reference.registry}"`);
}

/** The registry's own error, the URL, the user it was asked as. */
async function explain(reference: ImageReference, result: ToolResult, user: string | undefined): Promise<ImageError> {
  const asked = user ?? (await machineUser(reference));
  return new ImageError(
    `${reason(result.stderr)}, from ${urlAsked(result.stderr, reference)}, ${asked === undefined ? "anonymously" : `as user ${JSON.stringify(asked)}`}`,
  );
}

/** The user whose credentials this machine has for an image's registry. */
async function machineUser(reference: ImageReference): Promise<string | undefined> {
  for (const name of [reference.name, reference.registry]) {
    const result = await runTool("skopeo", ["login", "--get-login", name]);
    const user = result.stdout.toString("utf8").trim();
    if (result.code === 0 && user !== "") return user;
  }
  return undefined;
}

/** The last URL that the tool asked for the image itself (with mirrors that isn't the registry's own), else the first that it asked. */
export function urlAsked(stderr: string, reference: ImageReference): string {
  const asked = [...stderr.matchAll(/msg="(?:GET|HEAD) (https?:\/\/[^"\s]+)"/gu)].map((match) => match[1] ?? "");
  const last = asked.findLast((url) => url.includes("/manifests/") || url.includes("/blobs/"));
  const what = reference.digest ?? reference.tag ?? "latest";
  return (
    last ??
    asked.findLast((url) => url.endsWith("/v2/")) ??
    `https://${reference.registry}/v2/${reference.path}/manifests/${what}`
  );
}

/** What went wrong, without the tool's own framing and Go's repetitions. */
export function reason(stderr: string): string {
  const fatal = /level=fatal msg="((?:[^"\\]|\\.)*)"/u.exec(stderr)?.[1];
  const said = fatal === undefined ? (stderr.trim().split("\n").at(-1) ?? "") : (JSON.parse(`"${fatal}"`) as string);
  return said
    .replace(/^Error parsing image name "[^"]*": /u, "")
    .replace(/^initializing source \S+: /u, "")
    .replace(/: ([^:]+): \1$/u, ": $1")
    .trim();
}
