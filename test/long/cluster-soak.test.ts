/**
 * Ten minutes of trouble on a simulated cluster of 20 nodes with 1,000 services and 5,000 Pods: users, nodes and the API server give the controllers no
 * rest. The seed of what happens is printed; ELAFROS_SOAK_SEED plays one again.
 */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { soak } from "../support/soak/run.ts";

/** Watches end by themselves now and then, and are asked for again. */
const watchesMeanwhile = 5;
/** Calls for one change, at most: twice what was measured, which chance in the order of events doesn't reach. */
const mostCalls = { revise: 50, evict: 10, recreate: 50, tamper: 15 };
/** For one change in the midst of faults, drained nodes and other leaders. */
const mostInTrouble = 40;

test("1,000 services come about again after ten minutes of trouble, with few calls, flat memory and nothing left", async () => {
  const seed = Number(process.env["ELAFROS_SOAK_SEED"] ?? randomInt(2 ** 31));
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  say(`seed ${seed}`);
  const figures = await soak({
    seed,
    nodes: 20,
    services: 1_000,
    namespaces: 50,
    troubleMs: 600_000,
    changeMs: 250,
    faultMs: 2_000,
    ends: [
      { atMs: 60_000, signal: "SIGTERM" },
      { atMs: 120_000, signal: "SIGKILL" },
      { atMs: 180_000, signal: "SIGTERM" },
      { atMs: 240_000, signal: "SIGKILL" },
    ],
    drainsAtMs: [90_000, 200_000, 330_000, 450_000],
    silentAtMs: 280_000,
    idleMs: 30_000,
    calmMs: 3_000,
    counted: { revise: 5, evict: 5, recreate: 5, tamper: 5 },
    patienceMs: 1_200_000,
    say,
  });
  say(JSON.stringify(figures));
  expect(figures.left).toEqual([]);
  expect(figures.idle.total).toBeLessThanOrEqual(watchesMeanwhile);
  expect(figures.idleAfter.total).toBeLessThanOrEqual(watchesMeanwhile);
  const tooMany = Object.entries(mostCalls).filter(
    ([name, most]) => (figures.perChange[name]?.calls ?? Infinity) > most,
  );
  expect(tooMany).toEqual([]);
  expect(figures.trouble.calls.total / figures.trouble.changes).toBeLessThan(mostInTrouble);
  // The certificate of the gateways' link.
  expect(figures.restart.writes).toEqual({ "PATCH secrets": 1, "PATCH configmaps": 1 });
  // Nothing is held besides what a controller holds that begins with the same cluster.
  expect(figures.held.old.heap / figures.held.fresh.heap).toBeLessThan(1.1);
});
