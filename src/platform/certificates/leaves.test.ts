import { beforeAll, describe, expect, it } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { makeCertificate } from "../../apiserver/pki-certificates.ts";
import type { KeyPair } from "../../apiserver/pki.ts";
import type { CertificateStore, KeptLeaf } from "../../lib/certificates/store.ts";
import { silentLog } from "../../lib/log.ts";
import { openLeaves } from "./leaves.ts";

const now = Date.UTC(2026, 0, 1);
let first: KeyPair;
let second: KeyPair;

beforeAll(async () => {
  const make = () => makeCertificate({ make: "authority", name: "a.org", days: 1, now });
  [first, second] = await Promise.all([make(), make()]);
});

/** A store that fails as often as `failures` says. */
function bench(kept: KeptLeaf[] = []) {
  const there = new Map(kept.map((leaf) => [leaf.id, leaf]));
  const state = { failures: 0, writes: 0 };
  const store: CertificateStore["leaves"] = {
    all: () => Promise.resolve([...there.values()]),
    put(leaf) {
      state.writes += 1;
      if (state.failures > 0) {
        state.failures -= 1;
        return Promise.reject(new Error("The store is away"));
      }
      there.set(leaf.id, leaf);
      return Promise.resolve();
    },
    remove: (id) => Promise.resolve(void there.delete(id)),
  };
  const clock = manualClock(now);
  return { there, state, clock, open: () => openLeaves(store, { clock, log: silentLog }) };
}

describe("openLeaves()", () => {
  it("uses what can't be kept, and keeps it once that is possible", async () => {
    const { there, state, clock, open } = bench();
    const leaves = await open();
    state.failures = 2;
    await leaves.put("ns/web hosts", "local", first);
    expect(leaves.get("ns/web hosts")).toMatchObject({ issuer: "local", cert: first.cert });
    expect(there.size).toBe(0);
    await clock.advance(60_000);
    expect([state.writes, there.size]).toEqual([2, 0]);
    await clock.advance(60_000);
    expect(there.get("ns/web hosts")).toEqual({ id: "ns/web hosts", issuer: "local", ...first });
    await clock.advance(600_000);
    expect(state.writes).toBe(3);
  });

  it("doesn't bring back what has gone or was replaced meanwhile", async () => {
    const { there, state, clock, open } = bench();
    const leaves = await open();
    state.failures = 2;
    await leaves.put("gone", "local", first);
    await leaves.put("renewed", "local", first);
    await leaves.remove("gone");
    await leaves.put("renewed", "local", second);
    await clock.advance(60_000);
    expect([...there]).toEqual([["renewed", { id: "renewed", issuer: "local", ...second }]]);
    expect(state.writes).toBe(3);
  });

  it("does without what is kept and isn't usable, and removes it", async () => {
    const { there, open } = bench([
      { id: "good", issuer: "local", ...first },
      { id: "another's key", issuer: "local", cert: first.cert, key: second.key },
      { id: "nonsense", issuer: "local", cert: "c", key: "k" },
    ]);
    expect((await open()).ids()).toEqual(["good"]);
    expect([...there.keys()]).toEqual(["good"]);
  });
});
