/**
 * `elafros-prepare REQUEST HOME`: fetches an upload, and puts a build's credentials into `HOME`, in the Pod's first container. They are another user's than any step's, and all may read them:
 * nobody but the Pod's own containers can see them, and ssh takes no keys that belong to its user and that others may read.
 */
import { createWriteStream } from "node:fs";
import { copyFile, chmod, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { openDoor } from "../door.ts";
import type { PrepareRequest } from "../programs.ts";

const [requestPath = "", home = ""] = process.argv.slice(2);

try {
  const request = JSON.parse(await readFile(requestPath, "utf8")) as PrepareRequest;
  for (const { path, from } of request.home) {
    const to = join(home, path);
    // The directories are mounts; of those below, none is needed now.
    await mkdir(dirname(to), { recursive: true });
    await copyFile(join(dirname(requestPath), from), to);
    await chmod(to, 0o444);
  }
  if (request.upload !== undefined) await fetchUpload(request.upload);
} catch (error) {
  process.stderr.write(`Cannot prepare the build: ${(error as Error).message}\n`);
  process.exitCode = 1;
}

/** The source step holds its bytes against the digest. */
async function fetchUpload({ digest, to, from }: NonNullable<PrepareRequest["upload"]>): Promise<void> {
  const repository = await openDoor(from, { write: false, signal: new AbortController().signal });
  const answer = await repository.send({ method: "GET", at: `blobs/${digest}` });
  if (answer.status === 404) {
    throw new Error(`upload "${digest}" is not there: upload the archive again, as "elafros deploy --source" does`);
  }
  if (answer.status !== 200) throw await repository.refusal(answer);
  await pipeline(answer.stream, createWriteStream(to, { mode: 0o444 }));
  repository.close();
}
