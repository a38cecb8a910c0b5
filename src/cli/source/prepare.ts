/**
 * Makes a source ready to be built: finds out what it is, looks at it to find its template, and pins it, so that what is built is what
 * was looked at. Nothing is sent or written to the server yet.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { archiveView } from "../../lib/source/archive-view.ts";
import { detect, type Detection } from "../../lib/source/detect.ts";
import { uploadLocation } from "../../lib/source/location.ts";
import { packDirectory } from "../../lib/source/pack.ts";
import { directoryView, type SourceView } from "../../lib/source/view.ts";
import { FailureError } from "../errors.ts";
import { type GitFacts, gitFacts } from "../git.ts";
import type { SourceMemory } from "../memory.ts";
import type { Build } from "../objects.ts";
import { download } from "./download.ts";
import type { GitRun } from "./git-command.ts";
import { gitView } from "./git-view.ts";
import { type Located, locateSource } from "./locate.ts";
import { pinCommit } from "./pin-git.ts";

/** An archive that the server must have before the build begins. */
export interface Archive {
  /** `sha256:HEX`. */
  digest: string;
  bytes: number;
  file: string;
}

export interface PreparedSource extends AsyncDisposable {
  /** For the Build's spec: always a commit or a digest. */
  spec: NonNullable<Build["spec"]["source"]>;
  /** Absent where the template was named. */
  detection?: Detection;
  /** Of the working copy, or of the repository. */
  git?: GitFacts;
  archive?: Archive;
}

export interface Preparing {
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
}

/** As much as the CLI packs or fetches into the temporary directory; what the server takes at most, it says itself. */
const maxArchiveBytes = 2 * 1024 ** 3;

/** @throws Error whose message is a sentence: the source isn't there, can't be read, or nothing fits it */
export async function prepareSource(source: SourceMemory, preparing: Preparing): Promise<PreparedSource> {
  const located = await locateSource(source.source, preparing.cwd);
  const directory = await mkdtemp(join(preparing.env["TMPDIR"] ?? tmpdir(), "elafros-source-"));
  const dispose = () => rm(directory, { recursive: true, force: true });
  try {
    const prepared = await prepare(located, { ...preparing, directory, source });
    return { ...prepared, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface Place extends Preparing {
  /** Empty at first, removed in the end. */
  directory: string;
  source: SourceMemory;
}

type Ready = Omit<PreparedSource, typeof Symbol.asyncDispose>;

function prepare(located: Located, place: Place): Promise<Ready> {
  if (located.type === "directory") return prepareDirectory(located.path, place);
  if (located.type === "archive") return prepareArchive(located.path, place);
  return located.type === "url" ? prepareUrl(located, place) : prepareRepository(located, place);
}

/** Looked at before it is packed: what can't be built is said at once. */
async function prepareDirectory(path: string, { directory, source, signal }: Place): Promise<Ready> {
  const found = await look(source, () => directoryView(path));
  const file = join(directory, "source.tar.gz");
  const [{ digest, bytes }, git] = await Promise.all([
    packDirectory(path, { file, maxBytes: maxArchiveBytes, signal }),
    gitFacts(path),
  ]);
  return { ...found, ...uploaded({ digest, bytes, file }), ...(git === undefined ? {} : { git }) };
}

async function prepareArchive(path: string, { source, signal }: Place): Promise<Ready> {
  const found = await look(source, () => archiveView(path));
  return { ...found, ...uploaded(await digestOf(path, signal)) };
}

async function prepareUrl(
  located: Extract<Located, { type: "url" }>,
  { directory, source, signal }: Place,
): Promise<Ready> {
  const { url } = located;
  const file = join(directory, "source");
  const sha256 = await download({ url, file, maxBytes: maxArchiveBytes, signal });
  if (located.sha256 !== undefined && located.sha256 !== sha256) {
    throw new FailureError(
      `--source "${url}" has the digest ${sha256}, and #sha256=${located.sha256} was asked for: it has changed, or is another one`,
    );
  }
  const found = await look(source, () => archiveView(file));
  return { ...found, spec: { gcs: { location: `${url}#sha256=${sha256}`, type: "archive" } } };
}

async function prepareRepository(
  { url, shown, at }: Extract<Located, { type: "git" }>,
  { directory, source, env, signal }: Place,
): Promise<Ready> {
  const run: GitRun = { shown, cwd: directory, env, signal };
  const commit = await pinCommit(url, at, run);
  const found = await look(source, () => gitView(url, commit, { directory, run }));
  return { ...found, spec: { git: { url, commit } }, git: { commit, dirty: false } };
}

/** Where the template is named, there is nothing to find. */
async function look(
  { template, function: fn }: SourceMemory,
  view: () => Promise<SourceView>,
): Promise<Pick<PreparedSource, "detection">> {
  return template === undefined
    ? { detection: await detect(await view(), fn === undefined ? {} : { function: fn }) }
    : {};
}

function uploaded(archive: Archive): Pick<PreparedSource, "spec" | "archive"> {
  return { archive, spec: { gcs: { location: uploadLocation(archive.digest), type: "archive" } } };
}

async function digestOf(path: string, signal: AbortSignal): Promise<Archive> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal });
  return { digest: `sha256:${hash.digest("hex")}`, bytes: (await stat(path)).size, file: path };
}
