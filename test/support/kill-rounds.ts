import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { openStore } from "../../src/store/open.ts";
import type { Counted } from "./store-writer.ts";

/** What was acknowledged, over all rounds. */
interface Acknowledged {
  counters: Map<string, number>;
  made: Set<string>;
  removed: Set<string>;
}

const writer = fileURLToPath(new URL("store-writer.ts", import.meta.url));

/** Runs the writer and kills it with SIGKILL after `after` acknowledgements; every line that it wrote is taken in. */
async function killedWriter(
  file: string,
  { round, after }: { round: number; after: number },
  seen: Acknowledged,
): Promise<void> {
  const child = spawn(process.execPath, [writer, file, String(round)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    lines += 1;
    if (lines > after) child.kill("SIGKILL");
    const [name = "", n] = line.split(" ");
    if (n === undefined) continue;
    if (name.startsWith("+")) seen.made.add(name.slice(1));
    else if (name.startsWith("-")) seen.removed.add(name.slice(1));
    else seen.counters.set(name, Number(n));
  }
  const [, signal] = (await exited) as [number | null, string | null];
  if (signal !== "SIGKILL") throw new Error(`The writer ended by itself in round ${round}`);
}

/** What is wrong with what the store holds, in words. */
async function check(file: string, seen: Acknowledged): Promise<string[]> {
  const store = await openStore<Counted>({ path: file, log: silentLog, clock: systemClock });
  const faults: string[] = [];
  const counters = store.collection("counters");
  for (const [key, n] of seen.counters) {
    const stored = counters.get(key)?.value.n ?? 0;
    // One write of each counter was under way: it may have been stored without having been acknowledged.
    if (stored < n) faults.push(`${key} was acknowledged at ${n} and is at ${stored}`);
    if (stored > n + 1) faults.push(`${key} was acknowledged at ${n} and is at ${stored}: something was written twice`);
    seen.counters.set(key, stored);
  }
  const once = store.collection("once");
  for (const key of seen.made) {
    const gone = Number(key.split("-").at(-1)) % 7 === 0;
    if (once.get(key) === undefined && !gone) faults.push(`${key} was acknowledged and isn't there`);
  }
  for (const key of seen.removed) if (once.get(key) !== undefined) faults.push(`${key} was deleted and is there`);
  const revisions = ["counters", "once"].flatMap((name) => {
    const collection = store.collection(name);
    return (collection.changesAfter(collection.forgotten, 1e9) ?? []).map(({ revision }) => revision);
  });
  if (new Set(revisions).size !== revisions.length) faults.push("a revision was given twice");
  if (Math.max(0, ...revisions) > store.revision) faults.push("a revision is ahead of the store's");
  await store.close();
  return faults;
}

/** Writes and kills, `rounds` times over the same file; gives what was wrong after any of them. `random` is in [0, 1). */
export async function killRounds(
  rounds: number,
  random: () => number,
): Promise<{ faults: string[]; acknowledged: number }> {
  const directory = await mkdtemp(path.join(tmpdir(), "elafros-kill-"));
  const file = path.join(directory, "store.db");
  const seen: Acknowledged = { counters: new Map(), made: new Set(), removed: new Set() };
  const faults: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await killedWriter(file, { round, after: Math.floor(random() * 300) }, seen);
    faults.push(...(await check(file, seen)).map((fault) => `round ${round}: ${fault}`));
  }
  await rm(directory, { recursive: true });
  return { faults, acknowledged: seen.made.size };
}
