/** Opens a repository behind the controllers' door, from a build's Pod. */
import { readFile } from "node:fs/promises";
import { openRepository, type Repository } from "../../runtime/registry/repository.ts";
import { doorUser } from "./names.ts";
import type { DoorRepository } from "./programs.ts";

/** Rejects where the token can't be read. */
export async function openDoor(
  { host, path, ca, serverName, tokenFile }: DoorRepository,
  { write, signal }: { write: boolean; signal: AbortSignal },
): Promise<Repository> {
  const password = (await readFile(tokenFile, "utf8")).trim();
  return openRepository({
    reference: { registry: host, path, name: `${host}/${path}` },
    auths: [{ registry: host, username: doorUser, password }],
    write,
    ca: [ca],
    serverName,
    signal,
  });
}
