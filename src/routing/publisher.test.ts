import { describe, expect, it } from "vitest";
import { manualClock, settle } from "../../test/support/manual-clock.ts";
import { silentLog } from "../lib/log.ts";
import { leaseMs, reconnectMs } from "./link.ts";
import { createPublisher } from "./publisher.ts";
import { type RouteTable, type TableMaps, tableOf } from "./table.ts";

const revision = {
  revision: "ns/r1",
  configuration: "ns/c",
  protocol: "http1",
  concurrency: 0,
  timeoutMs: 1000,
} as const;
const assignment = (target = "r1") => ({
  route: "ns/route",
  hosts: ["route.ns.example"],
  targets: [{ revision: target, percent: 100 }],
  named: [],
});
const gatherMs = 2 * reconnectMs;
const instance = (id: string) => ({ id, host: "10.0.0.1", port: 8080 });

function bench(startVersion = 0, awaited?: () => boolean) {
  const clock = manualClock();
  const publisher = createPublisher({ clock, log: silentLog, startVersion, ...(awaited && { awaited }) });
  const member = (id: string) => {
    const tables: RouteTable[] = [];
    return { id, tables, send: (table: TableMaps) => void tables.push(tableOf(table)) };
  };
  return { clock, publisher, member };
}

/** Whether a promise has settled by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await settle();
  return done;
}

describe("createPublisher()", () => {
  it("publishes nothing before it is started, then everything at once", async () => {
    const { publisher, member } = bench(7);
    const gateway = member("g");
    publisher.addMember(gateway, { serving: 7, draining: [] });
    publisher.setRevision(revision);
    expect(publisher.assign(assignment())).toBe(8);
    await settle();
    expect(gateway.tables).toEqual([]);
    publisher.start();
    await settle();
    expect(gateway.tables.map(({ version }) => version)).toEqual([8]);
    expect(gateway.tables[0]?.hosts["route.ns.example"]?.targets).toEqual([{ revision: "ns/r1", percent: 100 }]);
  });

  it("keeps nothing of a Revision that the driver has forgotten", async () => {
    const { publisher } = bench();
    publisher.start();
    publisher.setRevision(revision);
    publisher.assign(assignment());
    publisher.setInstances("ns/r1", { instances: [instance("i1")], problem: { reason: "ExitCode1", message: "no" } });
    await settle();
    expect(publisher.table().revisions["ns/r1"]?.instances).toHaveLength(1);
    publisher.setInstances("ns/r1", undefined);
    await settle();
    const { version, revisions } = publisher.table();
    expect(revisions["ns/r1"]).toMatchObject({ instances: [] });
    expect(revisions["ns/r1"]?.problem).toBeUndefined();
    publisher.setInstances("ns/r1", undefined);
    await settle();
    expect(publisher.table().version).toBe(version);
  });

  it("puts all changes of one tick into one table", async () => {
    const { publisher, member } = bench();
    const gateway = member("g");
    publisher.start();
    await settle();
    publisher.addMember(gateway, { serving: 1, draining: [] });
    gateway.tables.length = 0;
    publisher.setRevision(revision);
    publisher.setInstances("ns/r1", { instances: [instance("i1")] });
    const version = publisher.assign(assignment());
    await settle();
    expect(gateway.tables.map((table) => table.version)).toEqual([version]);
    expect(gateway.tables[0]?.revisions["ns/r1"]?.instances).toEqual([instance("i1")]);
  });

  it("returns the version that already says so for an unchanged assignment", async () => {
    const { publisher } = bench();
    publisher.start();
    const version = publisher.assign(assignment());
    await settle();
    publisher.setRevision(revision);
    await settle();
    expect(publisher.assign(assignment())).toBe(version);
    expect(publisher.table().version).toBe(version + 1);
    expect(publisher.assign(assignment("r2"))).toBe(version + 2);
  });

  it("is confirmed once every member serves the version, and never without a member", async () => {
    const { publisher, member } = bench();
    publisher.start();
    const version = publisher.assign(assignment());
    await settle();
    expect(publisher.confirmed(version)).toBe(false);
    publisher.addMember(member("a"), { serving: 0, draining: [] });
    publisher.addMember(member("b"), { serving: 0, draining: [] });
    let told = 0;
    publisher.subscribe(() => (told += 1));
    publisher.ack("a", version, []);
    expect(publisher.confirmed(version)).toBe(false);
    publisher.ack("b", version + 5, []);
    expect(publisher.confirmed(version)).toBe(true);
    expect(told).toBe(2);
    publisher.removeMember("a");
    publisher.removeMember("b");
    expect(publisher.confirmed(version)).toBe(false);
  });

  it("waits for no member whose lease expired", async () => {
    const { publisher, member } = bench();
    publisher.start();
    publisher.addMember(member("a"), { serving: 0, draining: [] });
    publisher.addMember(member("dead"), { serving: 0, draining: [] });
    const version = publisher.assign(assignment());
    await settle();
    publisher.ack("a", version, []);
    expect(publisher.confirmed(version)).toBe(false);
    publisher.leaseExpired("dead");
    expect(publisher.confirmed(version)).toBe(true);
  });

  it("brings a member that joins late up to date, and waits for it", async () => {
    const { publisher, member } = bench();
    publisher.start();
    publisher.addMember(member("a"), { serving: 0, draining: [] });
    const version = publisher.assign(assignment());
    await settle();
    publisher.ack("a", version, []);
    const late = member("late");
    publisher.addMember(late, { serving: 0, draining: [] });
    expect(late.tables.map((table) => table.version)).toEqual([version]);
    expect(publisher.confirmed(version)).toBe(false);
    publisher.ack("late", version, []);
    expect(publisher.confirmed(version)).toBe(true);
  });

  it("takes no version of an earlier run for a confirmation, and goes on after the highest", async () => {
    const { publisher, member } = bench(3);
    publisher.start();
    const version = publisher.assign(assignment());
    await settle();
    const gateway = member("g");
    // The number of the earlier run was lost: the gateway serves a later table than this run has made.
    publisher.addMember(gateway, { serving: 57, draining: [] });
    await settle();
    expect(publisher.confirmed(version)).toBe(false);
    expect(gateway.tables.map((table) => table.version)).toEqual([58]);
    publisher.ack("g", 58, []);
    expect(publisher.confirmed(version)).toBe(true);
  });

  it("drained() resolves once every member serves without the instance and has no request there", async () => {
    const { clock, publisher, member } = bench();
    publisher.start();
    await clock.advance(gatherMs);
    publisher.setRevision(revision);
    publisher.setInstances("ns/r1", { instances: [instance("i1"), instance("i2")] });
    publisher.assign(assignment());
    await settle();
    for (const id of ["a", "b"]) publisher.addMember(member(id), { serving: publisher.table().version, draining: [] });
    const drained = publisher.drained("i1");
    expect(await isDone(drained)).toBe(false);

    publisher.setInstances("ns/r1", { instances: [instance("i2")] });
    await settle();
    const without = publisher.table().version;
    publisher.ack("a", without, []);
    publisher.ack("b", without, ["i1"]);
    expect(await isDone(drained)).toBe(false);
    publisher.instanceDrained("b", "i1");
    expect(await isDone(drained)).toBe(true);
  });

  it("drained() resolves after the given maximum", async () => {
    const { publisher, member, clock } = bench();
    publisher.start();
    publisher.setRevision(revision);
    publisher.setInstances("ns/r1", { instances: [instance("i1")] });
    publisher.assign(assignment());
    await settle();
    publisher.addMember(member("a"), { serving: publisher.table().version, draining: [] });
    const drained = publisher.drained("i1", 5_000);
    await clock.advance(4_999);
    expect(await isDone(drained)).toBe(false);
    await clock.advance(1);
    expect(await isDone(drained)).toBe(true);
  });

  it("drained() waits for a gateway to come back after a restart of control, for as long as a lease lives", async () => {
    const { publisher, clock } = bench();
    const drained = publisher.drained("i1");
    expect(await isDone(drained)).toBe(false);
    publisher.start();
    await clock.advance(leaseMs - 1);
    expect(await isDone(drained)).toBe(false);
    await clock.advance(1);
    expect(await isDone(drained)).toBe(true);
  });

  it("drained() waits after a restart of control until every gateway has had time to come back, and then for all", async () => {
    const { publisher, member, clock } = bench(4);
    publisher.start();
    await settle();
    const drained = publisher.drained("i1");
    publisher.addMember(member("a"), { serving: 5, draining: [] });
    await clock.advance(gatherMs - 1);
    expect(await isDone(drained)).toBe(false);
    publisher.addMember(member("late"), { serving: 4, draining: [] });
    await clock.advance(leaseMs);
    expect(await isDone(drained)).toBe(false);
    publisher.ack("late", 5, []);
    expect(await isDone(drained)).toBe(true);
  });

  it.each(["comes back", "has ended", "is silent for as long as a lease lives"])(
    "confirms nothing and gives up no instance until a gateway that may run %s",
    async (what) => {
      let awaited = true;
      const { clock, publisher, member } = bench(0, () => awaited);
      let told = 0;
      publisher.subscribe(() => (told += 1));
      publisher.start();
      publisher.assign(assignment());
      await settle();
      const { version } = publisher.table();
      publisher.addMember(member("quick"), { serving: 0, draining: [] });
      publisher.ack("quick", version, []);
      const drained = publisher.drained("i");
      await clock.advance(leaseMs - 1);
      expect([publisher.confirmed(version), await isDone(drained)]).toEqual([false, false]);
      told = 0;
      if (what === "is silent for as long as a lease lives") await clock.advance(1);
      else {
        awaited = false;
        if (what === "comes back") {
          publisher.addMember(member("late"), { serving: 0, draining: [] });
          publisher.gathered();
          expect([publisher.confirmed(version), await isDone(drained)]).toEqual([false, false]);
          publisher.ack("late", version, []);
        } else publisher.gathered();
      }
      expect([publisher.confirmed(version), await isDone(drained)]).toEqual([true, true]);
      expect(told).toBeGreaterThan(0);
    },
  );

  it("drained() counts a member that came back draining", async () => {
    const { clock, publisher, member } = bench(4);
    publisher.start();
    await clock.advance(gatherMs);
    const drained = publisher.drained("i1");
    publisher.addMember(member("a"), { serving: 4, draining: ["i1"] });
    publisher.ack("a", 5, ["i1"]);
    expect(await isDone(drained)).toBe(false);
    publisher.ack("a", 5, []);
    expect(await isDone(drained)).toBe(true);
  });

  it("holds no Revision that no host leads to", async () => {
    const { publisher } = bench();
    publisher.start();
    publisher.setRevision(revision);
    publisher.setInstances("ns/r1", { instances: [], problem: { reason: "ContainerMissing", message: "no" } });
    publisher.assign(assignment());
    await settle();
    expect(publisher.table().revisions["ns/r1"]?.problem).toEqual({ reason: "ContainerMissing", message: "no" });
    publisher.unassign("ns/route");
    await settle();
    expect(publisher.table()).toMatchObject({ hosts: {}, revisions: {} });
  });
});
