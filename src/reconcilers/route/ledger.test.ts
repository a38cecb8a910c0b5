import { describe, expect, it } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { TrafficPort } from "../../routing/traffic.ts";
import { type Split, createLedger } from "./ledger.ts";

/** A traffic port that gives each change the next version, and confirms when told. */
function bench() {
  const listeners = new Set<() => void>();
  let version = 0;
  let confirmedTo = 0;
  const traffic: TrafficPort = {
    assign: () => (version += 1),
    unassign: () => (version += 1),
    setRevision: () => {},
    removeRevision: () => {},
    confirmed: (wanted) => wanted <= confirmedTo,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const clock = manualClock();
  const ledger = createLedger(traffic, clock);
  const told: string[] = [];
  ledger.subscribe((route, revisions) => told.push(`${route}: ${revisions.join(" ")}`));
  return {
    ledger,
    clock,
    told,
    confirm: (to = version) => {
      confirmedTo = to;
      for (const listener of listeners) listener();
    },
  };
}

const split = (...revisions: string[]): Split => ({
  assignment: {
    route: "ns/web",
    hosts: ["web"],
    targets: revisions.map((revision) => ({ revision, percent: 100 / revisions.length })),
    named: [],
  },
  served: revisions.map((revisionName) => ({ revisionName, percent: 100 / revisions.length })),
});

describe("createLedger()", () => {
  it("holds what was assigned before until the gateways have confirmed an assignment without it", () => {
    const { ledger, confirm } = bench();
    ledger.assign("ns/web", split("a"), ["a"]);
    ledger.assign("ns/web", split("b"), ["b"]);
    ledger.assign("ns/web", split("c"), ["c"]);
    const held = () => ["ns/a", "ns/b", "ns/c"].filter((revision) => ledger.routesOf(revision).length > 0);
    expect(held()).toEqual(["ns/a", "ns/b", "ns/c"]);
    confirm(2);
    expect(held()).toEqual(["ns/a", "ns/b", "ns/c"]);
    expect(ledger.get("ns/web")?.confirmed).toBe(false);
    confirm(3);
    expect(held()).toEqual(["ns/c"]);
    expect(ledger.get("ns/web")?.confirmed).toBe(true);
  });

  it("holds what is wanted next, and tells whom it concerns", () => {
    const { ledger, told } = bench();
    ledger.assign("ns/web", split("a"), ["a", "b"]);
    expect(ledger.routesOf("ns/b")).toEqual(["ns/web"]);
    expect(told).toEqual(["ns/web: ns/a ns/b"]);
    ledger.assign("ns/web", split("a"), ["a"]);
    expect(ledger.routesOf("ns/b")).toEqual([]);
    expect(told.at(-1)).toBe("ns/web: ns/a ns/b");
  });

  it("keeps when an assignment was told, and its confirmation, while only what is wanted changes", async () => {
    const { ledger, clock, confirm } = bench();
    ledger.assign("ns/web", split("a"), ["a"]);
    const since = clock.now();
    confirm();
    await clock.advance(5_000);
    ledger.assign("ns/web", split("a"), ["a", "b"]);
    expect(ledger.get("ns/web")).toMatchObject({ since, confirmed: true, wanted: ["a", "b"] });
  });

  it("holds a deleted Route's Revisions until that is confirmed, however often it is said", () => {
    const { ledger, confirm, told } = bench();
    ledger.assign("ns/web", split("a"), ["a"]);
    confirm();
    ledger.unassign("ns/web");
    ledger.unassign("ns/web");
    expect(ledger.routesOf("ns/a")).toEqual(["ns/web"]);
    expect(ledger.get("ns/web")).toBeUndefined();
    confirm();
    expect(ledger.routesOf("ns/a")).toEqual([]);
    expect(told).toHaveLength(4);
  });
});
