/** The soak of `test/long` in a short form: a few services, and some seconds. */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { soak } from "../support/soak/run.ts";

test("everything comes about again after trouble, with few calls, and nothing is left", async () => {
  const seed = randomInt(2 ** 31);
  const figures = await soak({
    seed,
    nodes: 3,
    services: 12,
    namespaces: 3,
    troubleMs: 5_000,
    changeMs: 150,
    faultMs: 400,
    ends: [{ atMs: 2_000, signal: "SIGTERM" }],
    drainsAtMs: [4_000],
    // That they come to rest at all is asked for each time.
    idleMs: 0,
    calmMs: 1_500,
    counted: { revise: 1, evict: 1 },
    patienceMs: 180_000,
    say: () => {},
  });
  const { left, restart, perChange } = figures;
  expect({ seed, left, writes: Object.keys(restart.writes).toSorted() }).toEqual({
    seed,
    left: [],
    // The certificate of the gateways' link.
    writes: ["PATCH configmaps", "PATCH secrets"],
  });
  // Nothing grows with what isn't concerned: a change of one service is told of it and its instances.
  expect(perChange["revise"]?.calls).toBeLessThan(60);
  expect(perChange["evict"]?.calls).toBeLessThan(10);
}, 900_000);
