import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { type PlatformConfig, type PlatformPaths, platformPaths } from "../config.ts";

/** Where the access log is that has no path of its own. */
export function accessLogPath({ logs }: Pick<PlatformPaths, "logs">): string {
  return join(logs, "access.log");
}

/**
 * Opens the access log for appending; the gateway, which may open nothing outside its directory, gets the descriptor.
 * @returns undefined where there is to be none
 * @throws Error with a sentence where it can't be written
 */
export function openAccessLog(config: PlatformConfig): { fd: number; path: string } | undefined {
  const { accessLog, dataDir } = config;
  if (accessLog === "none") return undefined;
  const path = accessLog === "-" ? accessLogPath(platformPaths(dataDir)) : accessLog;
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    throw cannot(path, error instanceof Error ? error.message : String(error), error);
  }
  if (fstatSync(fd).isFile()) return { fd, path };
  closeSync(fd);
  throw cannot(path, "it is no file");
}

function cannot(path: string, why: string, cause?: unknown): Error {
  return new Error(
    `Cannot write the access log "${path}": ${why}; give --access-log a file in a directory that exists, or none`,
    { cause },
  );
}
