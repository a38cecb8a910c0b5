import { readdir, rmdir } from "node:fs/promises";
import { withMachineLock } from "./network-lock.ts";
import { netnsDir } from "./network-names.ts";
import { runTool } from "./storage-run.ts";

/**
 * Takes away what the first `ip netns add` after a boot makes, where nobody has a namespace any more: the directory and its mount
 * over itself. The next one makes them again.
 */
export async function leaveNamespaces(): Promise<void> {
  const unused = async () => (await readdir(netnsDir).catch(() => undefined))?.length === 0;
  if (!(await unused())) return;
  await withMachineLock(async () => {
    if (!(await unused())) return;
    // Both are refused where a namespace came meanwhile.
    await runTool("umount", [netnsDir]);
    await rmdir(netnsDir).catch(() => {});
  });
}
