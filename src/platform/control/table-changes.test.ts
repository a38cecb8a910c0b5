/** From what Routes say to what each thread decides by: the real publisher, link, hub and cores, with connections that break at any time. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import { hostNames, ownedNames, tableStep } from "../../../test/support/table-steps.ts";
import { Core } from "../../gateway/core.ts";
import { Hub } from "../../gateway/hub.ts";
import { LinkClient } from "../../gateway/link-client.ts";
import { Counters, createSharedMemory } from "../../gateway/memory.ts";
import type { NumberedChanges, TableUpdate, ToThread } from "../../gateway/messages.ts";
import { readTableFile, TableFile } from "../../gateway/table-file.ts";
import { silentLog } from "../../lib/log.ts";
import { compile, type RevisionInstances } from "../../routing/compile.ts";
import { createPublisher } from "../../routing/publisher.ts";
import { emptyTable, mapsOf, type RouteTable, type TableMaps } from "../../routing/table.ts";
import type { RevisionTraffic, RouteAssignment } from "../../routing/traffic.ts";
import { createLinkServer } from "./link-server.ts";

const threads = 2;
const nothing = (): void => {};
const heard = { onHung: nothing, onDemand: nothing, onLoad: nothing, onOutcomes: nothing, onSeen: nothing };

let dir: string;
let runs = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-changes-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** What a thread decides by, read through what requests ask. */
function seenBy(core: Core, { hosts, revisions }: TableMaps): TableMaps {
  const seenHosts = [...new Set([...hosts.keys(), ...hostNames])].flatMap((host) => {
    const found = core.match(host);
    return found === undefined ? [] : [[host, found.entry] as const];
  });
  const seenRevisions = [...new Set([...revisions.keys(), ...ownedNames])].flatMap((name) => {
    const found = core.revision(name);
    if (found === undefined) return [];
    const instances = found.instances.map(({ id, host, port }) => ({ id, host, port }));
    return [[name, { ...found.entry, instances }] as const];
  });
  return { version: core.version, hosts: new Map(seenHosts), revisions: new Map(seenRevisions) };
}

/** A gateway's first thread with its link, and its threads as far as tables go: they take what they are told when `answer` is called. */
function startGateway(path: string, file: string, takesChanges: boolean) {
  const clock = manualClock();
  const counters = new Counters(createSharedMemory(threads + 1));
  const waiting: ToThread[][] = Array.from({ length: threads }, () => []);
  const newCore = (thread: number) =>
    new Core({
      thread,
      counters,
      clock,
      queueLength: 1,
      queueBytes: 1,
      wake: nothing,
      demand: nothing,
      idle: (instance) => hub.fromThread({ type: "idle", instance }),
      hung: nothing,
      gone: nothing,
      ask: nothing,
      returned: nothing,
    });
  const cores = Array.from({ length: threads }, (_, thread) => newCore(thread));
  const tableFile = new TableFile(file, silentLog);
  const own = newCore(threads);
  const hub: Hub = new Hub({
    id: "gateway",
    threads,
    needsControl: false,
    counters,
    log: silentLog,
    toThread: (thread, message) => void waiting[thread]?.push(message),
    toControl: (message) => link.send(message),
    change: (version, changes) => own.change(version, changes),
    unserved: () => [],
    save: (change, table) => tableFile.save(change, table),
    loaded: nothing,
    serving: nothing,
    empty: nothing,
  });
  const link: LinkClient = new LinkClient({
    path,
    clock,
    log: silentLog,
    hello: () => ({ ...hub.hello(), changes: takesChanges }),
    connected: () => hub.connected(),
    away: nothing,
    received: (message) => {
      if (message.type !== "certificates" && message.type !== "shares") hub.fromControl(message);
    },
  });
  link.start();
  return {
    clock,
    cores,
    hub,
    link,
    own,
    tableFile,
    /** The thread takes the next message; says whether there was one. */
    answer(thread: number, check: (core: Core) => void): boolean {
      const message = waiting[thread]?.shift();
      const core = cores[thread];
      if (message === undefined || core === undefined) return false;
      if (message.type === "serve" || message.type === "table") {
        const { version, json }: TableUpdate = message.table;
        core.change(version, JSON.parse(json) as NumberedChanges);
        check(core);
        if (message.type === "table") hub.fromThread({ type: "swapped", version });
      }
      return true;
    },
  };
}

const step = fc.oneof(
  { weight: 6, arbitrary: tableStep },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("answer" as const), thread: fc.nat(threads - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("come back" as const) }) },
);

it("any steps, losses and answers end, in every thread and in the file, in the table that compile() makes; each thread has only whole ones", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, takesChanges) => {
      const [path, file] = [join(dir, `${++runs}.sock`), join(dir, `${runs}.json`)];
      const input = {
        assignments: new Map<string, RouteAssignment>(),
        revisions: new Map<string, RevisionTraffic>(),
        instances: new Map<string, RevisionInstances>(),
      };
      const published = new Map<number, RouteTable>([[0, emptyTable]]);
      const publisher = createPublisher({ clock: manualClock(), log: silentLog, startVersion: 1 });
      publisher.follow(() => {
        const { version } = publisher.table();
        published.set(version, compile({ version, ...input }));
      });
      const server = await createLinkServer({ path, publisher, clock: manualClock(), log: silentLog, ...heard });
      const gateway = startGateway(path, file, takesChanges);
      const check = (core: Core): void => {
        const expected = mapsOf(published.get(core.version) ?? emptyTable);
        expect(published.has(core.version)).toBe(true);
        expect(seenBy(core, expected)).toEqual(expected);
      };
      try {
        publisher.start();
        await gateway.hub.heard();
        gateway.hub.begin(() => emptyTable);
        gateway.hub.serve(undefined);
        for (const one of steps) {
          if (one.do === "assign") {
            input.assignments.set(one.assignment.route, one.assignment);
            publisher.assign(one.assignment);
          } else if (one.do === "unassign") {
            input.assignments.delete(one.route);
            publisher.unassign(one.route);
          } else if (one.do === "limit") {
            const { revision } = one;
            if (one.limits === undefined) {
              input.revisions.delete(revision);
              input.instances.delete(revision);
              publisher.removeRevision(revision);
            } else {
              input.revisions.set(revision, { revision, ...one.limits });
              publisher.setRevision({ revision, ...one.limits });
            }
          } else if (one.do === "place") {
            // An instance is one Revision's.
            const instances = one.instances?.instances.map((each) => ({ ...each, id: `${one.revision}-${each.id}` }));
            const state = one.instances && { ...one.instances, instances: instances ?? [] };
            if (state === undefined) input.instances.delete(one.revision);
            else input.instances.set(one.revision, state);
            publisher.setInstances(one.revision, state);
          } else if (one.do === "take") await settle();
          else if (one.do === "answer") gateway.answer(one.thread, check);
          else if (one.do === "lose") gateway.link.drop();
          else await gateway.clock.advance(1_000);
        }
        // All that was said is published.
        await settle();
        await expect
          .poll(
            async () => {
              await gateway.clock.advance(1_000);
              for (let thread = 0; thread < threads; thread++) while (gateway.answer(thread, check));
              return publisher.members().map(({ serving }) => serving);
            },
            { interval: 1 },
          )
          .toEqual([publisher.table().version]);
        const { version } = publisher.table();
        const whole = compile({ version, ...input });
        expect(publisher.table()).toEqual(whole);
        for (const core of [...gateway.cores, gateway.own]) expect(seenBy(core, mapsOf(whole))).toEqual(mapsOf(whole));
        await gateway.tableFile.close();
        expect(readTableFile(file)).toEqual(whole);
      } finally {
        gateway.link.stop();
        await gateway.tableFile.close();
        await server.close();
      }
    }),
    { numRuns: 200 },
  );
});
