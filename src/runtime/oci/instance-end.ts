/** How instances end, or don't begin: exit codes, last words, and the word for it. */
import { constants } from "node:os";
import { formatBytes } from "../../lib/bytes.ts";
import { ImageError } from "../images.ts";
import type { InstanceExit, WorkloadProblem } from "../workloads.ts";
import { oomKills } from "./cgroup.ts";
import { containerGroup } from "./container.ts";
import type { DriverContext } from "./context.ts";
import type { RunEnd } from "./exits.ts";
import { NoRoomError } from "./disk-room.ts";
import { readEnd } from "./files.ts";
import { ResourcesError } from "./launch.ts";
import { lastLine } from "./logs.ts";
import { CommandError } from "./oci-runtime.ts";
import { instancePaths, type InstanceRecord } from "./record.ts";

/** Kubernetes' limit of a termination message, in bytes. */
const maxMessage = 4096;
/** Exit code where the monitor was lost, and with it the real one. */
const unknownCode = 255;

/** What is to be told of a run that has ended; asked before its control group and files are gone. */
export async function readExit(ctx: DriverContext, record: InstanceRecord, end: RunEnd): Promise<InstanceExit> {
  const at = ctx.clock.now();
  if (end.code === undefined) {
    return { code: unknownCode, oomKilled: false, message: "The instance's monitor was lost", at };
  }
  const paths = instancePaths(ctx.places, record.id);
  const [kills, written, last] = await Promise.all([
    oomKills(ctx.cgroups, containerGroup(ctx, record.id)),
    readEnd(paths.termination, maxMessage),
    lastLine(paths.log(record.attempt)),
  ]);
  const message = written.toString("utf8").trim() || last;
  return { code: end.code, oomKilled: end.code !== 0 && kills > 0, message, at };
}

/** What is said of a run that the kernel killed for its memory; what it printed last has nothing to do with that. */
export function oomMessage(limitBytes: number | undefined): string {
  return limitBytes === undefined
    ? "Container was killed: the machine has no memory left"
    : `Container was killed: it used more than its ${formatBytes(limitBytes)} of memory`;
}

/** The word for a start that failed; with the exit code that a shell would give, where the program itself couldn't be run. */
export function problemOf(error: Error): Pick<WorkloadProblem, "reason" | "code"> {
  if (error instanceof CommandError) return { reason: "ExitCode", code: error.code };
  if (error instanceof NoRoomError) return { reason: "InsufficientResources" };
  if (error instanceof ImageError) return { reason: "ContainerMissing" };
  if (error instanceof ResourcesError) return { reason: "InsufficientResources" };
  return { reason: "StartFailed" };
}

/** The image's stop signal (`SIGQUIT`, `QUIT` or `3`), SIGTERM where it has none that exists. */
export function stopSignal(name = ""): NodeJS.Signals {
  const known = constants.signals as Record<string, number>;
  const wanted = name.toUpperCase();
  const found = Object.keys(known).find(
    (one) => one === wanted || one === `SIG${wanted}` || String(known[one]) === wanted,
  );
  return (found ?? "SIGTERM") as NodeJS.Signals;
}
