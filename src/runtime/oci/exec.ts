import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { OciConfig } from "./bundle.ts";
import { isInGroup, signal } from "./cgroup.ts";
import { containerGroup, type Run } from "./container.ts";
import type { DriverContext } from "./context.ts";
import { readText, saveFile } from "./files.ts";
import { instancePaths } from "./record.ts";

interface ExecOptions {
  id: string;
  command: readonly string[];
  timeoutMs: number;
}

/**
 * Runs a command inside an instance, as its user and in its confinement. After `timeoutMs` it is killed.
 * @throws Error where it took too long
 */
export async function execInside(
  ctx: DriverContext,
  run: Run,
  { id, command, timeoutMs }: ExecOptions,
): Promise<{ code: number; output: string }> {
  const { bundle, config } = instancePaths(ctx.places, id);
  const name = `exec-${randomBytes(4).toString("hex")}`;
  const files = { process: join(bundle, `${name}.json`), pidFile: join(bundle, `${name}.pid`) };
  const { process } = JSON.parse(await readFile(config, "utf8")) as OciConfig;
  let late = false;
  const kill = async () => {
    late = true;
    const pid = Number((await readText(files.pidFile)) ?? 0);
    if (pid > 1 && (await isInGroup(pid, containerGroup(ctx, id)))) signal(pid, "SIGKILL");
  };
  await saveFile(files.process, JSON.stringify({ ...process, args: command }));
  const cancel = ctx.clock.after(timeoutMs, () => void kill());
  try {
    const result = await ctx.runtime.exec(run.cid, files);
    if (late) throw new Error(`no end in ${timeoutMs} ms`);
    return result;
  } finally {
    cancel();
    await Promise.all([rm(files.process, { force: true }), rm(files.pidFile, { force: true })]);
  }
}
