/**
 * Control: the API server over its store, the controllers, the driver of instances and the end of the gateways' link, in one process.
 * It may be killed at any moment: what was acknowledged is on disk, instances and gateways go on without it, and the next control
 * adopts them.
 *
 * Started by the supervisor with ControlOptions as JSON in its first argument; prints one JSON line when it serves, or with
 * the `error` why it doesn't. SIGTERM ends it
 * and leaves the instances running.
 */
import { flushCompileCache } from "node:module";
import { createLog } from "../../lib/log.ts";
import { serveHandover } from "../../lib/listening-socket.ts";
import { checkStore } from "../../store/check.ts";
import { platformPaths } from "../config.ts";
import { startControl } from "./control.ts";
import type { ControlCheck, ControlOptions } from "./options.ts";

const log = createLog("control");

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? "") as ControlOptions | ControlCheck;
  if ("check" in options) {
    // All of it is loaded by now.
    checkStore(platformPaths(options.check.dataDir).store);
    process.stdout.write(`${JSON.stringify({ ready: true })}\n`, () => process.exit(0));
    return;
  }
  const { config, apiFd, handover } = options;
  const sockets = serveHandover(handover.path, handover.fds);
  const control = await startControl(config, { fd: apiFd }, log);
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      sockets.close();
      control.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ error }, "control did not stop cleanly");
          process.exit(1);
        },
      );
    });
  }
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  // Now, since it may be killed.
  flushCompileCache();
}

main().catch((error: unknown) => {
  log.error({ error }, "control did not start");
  const message = error instanceof Error ? error.message : String(error);
  process.stdout.write(`${JSON.stringify({ error: message })}\n`, () => process.exit(1));
});
