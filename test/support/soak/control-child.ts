/**
 * The controllers of a cluster as a process of their own, with one argument: settings as JSON. It says `ready` once it waits for leadership and
 * `leads` once it acts, and answers `memory` with what it holds after a collection.
 */
import { createLog } from "../../../src/lib/log.ts";
import { startClusterControl } from "../../../src/platform/cluster/control.ts";
import type { ClusterControlOptions } from "../../../src/platform/cluster/options.ts";

export interface ControlSettings extends ClusterControlOptions {
  linkPort: number;
}
export type ControlMessage = { is: "leads"; afterMs: number } | { is: "memory"; heap: number; resident: number };

const lookAgainMs = 20;
const { linkPort, ...options } = JSON.parse(process.argv[2] ?? "{}") as ControlSettings;
const say = (message: ControlMessage) => process.send?.(message);
const control = await startClusterControl(options, {
  log: createLog("controller"),
  onLost: () => process.exit(1),
  ports: { drains: 0, health: 0, link: linkPort, metrics: 0, sources: 0 },
});
const began = performance.now();
const look = setInterval(() => {
  if (!control.leads()) return;
  clearInterval(look);
  say({ is: "leads", afterMs: performance.now() - began });
}, lookAgainMs);
process.on("message", () => {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  say({ is: "memory", heap: heapUsed, resident: rss });
});
process.on("disconnect", () => process.exit(1));
process.on("SIGTERM", () => {
  void control.stop().then(() => process.exit(0));
});
