/**
 * The gateway process; options.ts says how it is started. Here is as little as can be, since connections wait while it starts: the serving threads
 * are on their way before the first thread's own part (run.ts) is loaded.
 */
import { createSharedMemory } from "./memory.ts";
import { type FullGatewayOptions, parseGatewayOptions } from "./options.ts";
import { Workers } from "./workers.ts";

async function start(): Promise<void> {
  let options: FullGatewayOptions;
  try {
    options = parseGatewayOptions(process.argv[2]);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
  // Its sockets and its table are nobody else's.
  process.umask(0o077);
  // The hub takes part with a core of its own, as if it were one more thread (handover.ts).
  const memory = createSharedMemory(options.threads + 1);
  const workers = new Workers(options, memory);
  const { run } = await import("./run.ts");
  run(options, memory, workers);
}

await start();
