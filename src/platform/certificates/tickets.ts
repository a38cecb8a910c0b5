/**
 * The keys of TLS session tickets: with the same ones in every thread and gateway, a client takes its session up again at whichever it meets.
 * Whoever has them can read what was sent under them, so they are changed twice a day; clients with an older ticket make a full handshake.
 */
import { randomBytes } from "node:crypto";
import type { Kept, TicketKeys } from "../../lib/certificates/store.ts";
import type { Clock } from "../../lib/clock.ts";

const lifetimeMs = 12 * 3_600_000;
const keyBytes = 48;

export interface Tickets {
  /** In base64. */
  keys: string;
  stop(): void;
}

/** Reads those that are kept, or makes keys; `changed` is called with those that follow. */
export async function keepTickets(
  store: Kept<TicketKeys>,
  { clock, changed, failed }: { clock: Clock; changed: (keys: string) => void; failed: (error: unknown) => void },
): Promise<Tickets> {
  let cancel = () => {};
  const kept = await store.read();
  const age = kept === undefined ? Infinity : clock.now() - kept.madeAt;
  const make = async (): Promise<string> => {
    const made = randomBytes(keyBytes).toString("base64");
    await store.write({ keys: made, madeAt: clock.now() });
    return made;
  };
  const changeAfter = (ms: number): void => {
    cancel = clock.after(ms, () => {
      changeAfter(lifetimeMs);
      make().then((made) => {
        tickets.keys = made;
        changed(made);
      }, failed);
    });
  };
  const good =
    kept !== undefined && age >= 0 && age < lifetimeMs && Buffer.from(kept.keys, "base64").length === keyBytes;
  const tickets: Tickets = { keys: good ? kept.keys : await make(), stop: () => cancel() };
  changeAfter(good ? lifetimeMs - age : lifetimeMs);
  return tickets;
}
