/**
 * `elafros-prepare REQUEST HOME`: puts a build's credentials into `HOME`, in the Pod's first container. They are another user's than any step's, and all may read them:
 * nobody but the Pod's own containers can see them, and ssh takes no keys that belong to its user and that others may read.
 */
import { copyFile, chmod, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
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
} catch (error) {
  process.stderr.write(`Cannot prepare the build: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
