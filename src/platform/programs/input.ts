import { text } from "node:stream/consumers";
import type { PlatformConfig } from "../config.ts";

/** Runs one of the supervisor's programs: settings in on standard input, its result out as JSON, a failure as a sentence on standard error. */
export function program(work: (config: PlatformConfig) => Promise<object>): void {
  const run = async () => work(JSON.parse(await text(process.stdin)) as PlatformConfig);
  run().then(
    (result) => process.stdout.write(JSON.stringify(result), () => process.exit(0)),
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      process.stderr.write(`${message}\n`, () => process.exit(1));
    },
  );
}
