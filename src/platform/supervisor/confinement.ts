/**
 * The gateway reads bytes of strangers, so it runs with as little as it needs: an account of its own without a name, no capabilities, no
 * way to get any. It reaches one directory of the installation, as its working directory: the data directory above it stays closed.
 *
 *     DATA_DIR/gateway/            root's: control's end of the link
 *     DATA_DIR/gateway/state/      the gateway's own: its last table, its sockets
 *
 * Where that account can't read this program (a checkout below /root) it stays root's without capabilities, or with that to read every
 * file where not even that is enough (a checkout in somebody's closed home); where the machine has no setpriv(1), with all. Each is logged.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, chown, lstat, mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Log } from "../../lib/log.ts";
import type { PlatformPaths } from "../config.ts";

const run = promisify(execFile);

/** How a confined program is started. */
export interface Confinement {
  /** Words before the program's own, none where it can't be confined. */
  prefix: string[];
  uid: number;
}

/** setpriv's options for no capability but those, and no way to get more. */
function privileges(...kept: string[]): string[] {
  const bounding = ["-all", ...kept.map((name) => `+${name}`)].join(",");
  return [`--bounding-set=${bounding}`, "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"];
}

/**
 * The account of an installation's gateway: one of those that nothing gives out, neither distributions nor systemd
 * (https://systemd.io/UIDS-GIDS). Installations have different ones, so that their gateways can't touch each other.
 */
export function gatewayUid(dataDir: string): number {
  const [first, count] = [60_706, 478];
  return first + (createHash("sha256").update(dataDir).digest().readUInt32BE() % count);
}

/** Finds out how far the gateway can be confined, by trying. `files` are what it has to read; `program` it must be able to run. */
export async function confinement(
  options: { dataDir: string; program: string; files: readonly string[]; setpriv?: string },
  log: Log,
): Promise<Confinement> {
  const { setpriv = "setpriv", program, files } = options;
  const uid = gatewayUid(options.dataDir);
  const tried = [
    { uid, prefix: [setpriv, `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", ...privileges(), "--"] },
    { uid: 0, prefix: [setpriv, ...privileges(), "--"] },
    { uid: 0, prefix: [setpriv, ...privileges("dac_read_search"), "--"] },
  ];
  const readable = files.flatMap((file) => ["-r", file, "-a"]);
  for (const each of tried) {
    const [command, ...args] = [...each.prefix, "test", ...readable, "-x", program];
    const failure = await run(command, args).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) {
      if (each.uid === 0)
        log.warn(
          { program, files, prefix: each.prefix },
          "Only root can read this program: the gateway runs as root, with few capabilities or none",
        );
      return each;
    }
    if ((failure as NodeJS.ErrnoException).code === "ENOENT") break;
  }
  log.warn({ setpriv }, "setpriv is missing or refused: the gateway runs with root's privileges");
  return { uid: 0, prefix: [] };
}

/** What the gateway has to read of this program, by the layout of source, build and package alike. */
export function gatewayFiles(main: string): string[] {
  return [
    main,
    fileURLToPath(new URL("../../../package.json", import.meta.url)),
    fileURLToPath(import.meta.resolve("pino")),
  ];
}

/** Makes the gateway's directories. What another account left there is removed: none of it is to be trusted, or needed. */
export async function prepareGatewayDirectory(paths: PlatformPaths, uid: number): Promise<void> {
  await mkdir(paths.gateway, { recursive: true });
  await chmod(paths.gateway, 0o711);
  const owner = await lstat(paths.gatewayState).then(
    (found) => found.uid,
    () => undefined,
  );
  if (owner === uid) return;
  await rm(paths.gatewayState, { recursive: true, force: true });
  await mkdir(paths.gatewayState, { mode: 0o700 });
  await chown(paths.gatewayState, uid, uid);
}
