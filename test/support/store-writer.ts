/**
 * A process that writes to a store until it is killed, and says on standard output what was acknowledged: `KEY N` each time the
 * object KEY came to count N. Many writes are under way at once, one for each object.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { openStore } from "../../src/store/open.ts";

/** What an object counts. */
export interface Counted {
  n: number;
  padding: string;
}

const [, , path = "", round = "0"] = process.argv;
const history = { changes: 300, bytes: 1e9, ageMs: 1e9 };
const store = await openStore<Counted>({ path, log: silentLog, clock: systemClock, history });

async function count(key: string): Promise<never> {
  for (;;) {
    const entry = store.collection("counters").get(key);
    const n = (entry?.value.n ?? 0) + 1;
    await store.write({
      collection: "counters",
      key,
      action: "put",
      expect: entry?.revision ?? 0,
      value: () => ({ n, padding: "x".repeat((n * 37) % 4000) }),
    });
    say(`${key} ${n}\n`);
    const once = `${round}-${key}-${n}`;
    const { revision } = await store.write({
      collection: "once",
      key: once,
      action: "put",
      expect: 0,
      value: () => ({ n, padding: once }),
    });
    say(`+${once} ${n}\n`);
    if (n % 7 !== 0) continue;
    await store.write({
      collection: "once",
      key: once,
      action: "delete",
      expect: revision,
      value: () => ({ n, padding: "" }),
    });
    say(`-${once} ${n}\n`);
  }
}

/** Out before anything else happens, also where the pipe is full for a moment. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, line);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

await Promise.all(Array.from({ length: 24 }, (_, index) => count(`counter-${index}`)));
