/** Ends a tool that a launcher has started, whose process is known by an argument that only it is given. */
import { readdir, readFile } from "node:fs/promises";
import { signal as kill } from "./cgroup.ts";

export async function killTools(argument: string): Promise<void> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (line.split("\0").includes(argument)) kill(Number(name), "SIGKILL");
  }
}
