/**
 * `elafros-fetch [REQUEST RESULT WORKSPACE [DIRECTORY]]`: brings a build's source, as src/runtime/fetch/protocol.ts says. The arguments are for where these are
 * elsewhere; in DIRECTORY, or else beside the result, are files that aren't source.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { SourceFault } from "../../lib/source/errors.ts";
import type { SourceFound } from "../builds.ts";
import { fetchArchive } from "./archive.ts";
import { createBudget } from "./budget.ts";
import type { FetchContext } from "./context.ts";
import { fetchGit } from "./git.ts";
import { fetchManifest } from "./manifest.ts";
import { fetchPaths, type FetchRequest } from "./protocol.ts";

const [
  requestPath = fetchPaths.request,
  resultPath = fetchPaths.result,
  workspace = "/workspace",
  directory = dirname(resultPath),
] = process.argv.slice(2);

async function main(): Promise<void> {
  const request = JSON.parse(await readFile(requestPath, "utf8")) as FetchRequest;
  const temporary = join(directory, "temporary");
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o700 });
  const ctx: FetchContext = {
    workspace,
    temporary,
    budget: createBudget(request.limits),
    fileSources: request.fileSources,
    env: process.env,
    log: (line) => void process.stdout.write(`${line}\n`),
  };
  try {
    const found = await fetchSource(request, ctx);
    await writeFile(resultPath, JSON.stringify(found), { mode: 0o600 });
  } catch (error) {
    // Half a source is none. The directory itself is a mount.
    for (const name of await readdir(workspace)) await rm(join(workspace, name), { recursive: true, force: true });
    throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function fetchSource({ source, upload }: FetchRequest, ctx: FetchContext): Promise<SourceFound> {
  if (source.type === "git") return fetchGit(source, ctx);
  return source.type === "archive"
    ? fetchArchive(source.location, upload, ctx)
    : fetchManifest(source.location, upload, ctx);
}

try {
  await main();
} catch (error) {
  // Whatever else goes wrong is a fault of ours: with all that tells of it.
  if (!(error instanceof SourceFault)) process.stderr.write(`${(error as Error).stack ?? ""}\n`);
  const message = error instanceof SourceFault ? error.message : `Cannot fetch the source: ${(error as Error).message}`;
  process.stderr.write(`${message.replaceAll(/\s*\n\s*/g, " ")}\n`);
  process.exit(1); // downloads of other files may still run
}
