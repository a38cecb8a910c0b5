/** Ends a thread of a gateway as an error in it would: by a hook that NODE_OPTIONS loads into every process and thread that starts with it. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the error says. */
export const killedByTest = "Killed by the test";

const hook = (dir: string): string => `
import { existsSync } from "node:fs";
import { isMainThread, workerData } from "node:worker_threads";
if (!isMainThread && workerData?.thread === 0 && workerData.options !== undefined) {
  setInterval(() => {
    if (existsSync(\`${dir}/\${process.pid}\`)) throw new Error("${killedByTest}");
  }, 10).unref();
}
`;

export interface ThreadKiller {
  /** Starts something with the hook. */
  hooked<Result>(start: () => Promise<Result>): Promise<Result>;
  /** Ends the first thread of the gateway with that pid. */
  kill(pid: number): Promise<void>;
  remove(): Promise<void>;
}

export async function threadKiller(): Promise<ThreadKiller> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-hook-"));
  // The gateway's account reads it.
  await chmod(dir, 0o755);
  await writeFile(join(dir, "hook.mjs"), hook(dir), { mode: 0o644 });
  return {
    async hooked(start) {
      const options = process.env["NODE_OPTIONS"];
      process.env["NODE_OPTIONS"] = `${options ?? ""} --import=${join(dir, "hook.mjs")}`;
      try {
        return await start();
      } finally {
        if (options === undefined) delete process.env["NODE_OPTIONS"];
        else process.env["NODE_OPTIONS"] = options;
      }
    },
    kill: (pid) => writeFile(join(dir, String(pid)), ""),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
