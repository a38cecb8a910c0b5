import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";

/** How often what is left over is looked for. Nothing waits for the space. */
const everyMs = 3_600_000;

/** Does a piece of work once an hour, one round after the other, until `stop`, which waits for what is under way. A failure is logged with the given message. */
export function hourly(
  { clock, log }: { clock: Clock; log: Log },
  failure: string,
  work: () => Promise<void>,
): { stop(): Promise<void> } {
  let stopped = false;
  let working = Promise.resolve();
  let cancel: () => void;
  const wait = () => {
    cancel = clock.after(everyMs, () => {
      working = work()
        .catch((error: unknown) => log.warn({ error }, failure))
        .then(() => (stopped ? undefined : wait()));
    });
  };
  wait();
  return {
    async stop() {
      stopped = true;
      cancel();
      await working;
    },
  };
}
