import { systemClock } from "../lib/clock.ts";
import { CancelledError } from "./errors.ts";
import type { Factory } from "./factory.ts";
import { createIo } from "./io.ts";
import { thisMachine } from "./platform.ts";
import { runCli } from "./run.ts";

const cancel = new AbortController();
// Only the first time: a second Ctrl-C ends the process at once.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => cancel.abort(new CancelledError("Cancelled")));
}
// The reader of a pipe has gone (`elafros … | head`): nothing is left to say.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
// Timers of the clock don't keep the process alive, this one does until the command has ended.
const alive = setInterval(() => {}, 2 ** 30);

const factory: Factory = {
  io: createIo({ stdout: process.stdout, stderr: process.stderr, stdin: process.stdin, env: process.env }),
  clock: systemClock,
  env: process.env,
  cwd: process.cwd(),
  signal: cancel.signal,
  platform: thisMachine,
  connect: async (options) => (await import("./connect.ts")).connect(factory, options),
};
process.exitCode = await runCli(process.argv.slice(2), factory);
clearInterval(alive);
