/**
 * Publishes route tables to the member gateways and knows what they have confirmed.
 *
 * It keeps what each Route was assigned, each Revision's limits and ready instances; compiles all changes of one tick into the
 * table's next version; sends every member what changed; and counts acknowledgements. Nothing is sent before `start()`: after a
 * restart of control the gateways keep their last table until every Route was reconciled and every instance adopted.
 *
 * A member is a gateway whose lease lives. One that joins counts from its hello on, and confirms nothing until it serves a table
 * of this run of control: versions of earlier runs never count, whatever their number. So an instance is only given up
 * (`drained`) when no gateway can send it anything: every member acknowledged a table without it, and none has a request there.
 */
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type Changes, isSameEntry as same } from "./changes.ts";
import type { RevisionInstances } from "./compile.ts";
import { Compiler } from "./compiler.ts";
import { createDrains } from "./drains.ts";
import { leaseMs, reconnectMs } from "./link.ts";
import { type RouteTable, type TableMaps, tableOf } from "./table.ts";
import type { TrafficPort } from "./traffic.ts";

/** How long after the start no instance is given up: every gateway that runs has come back by then, and counts. */
const gatherMs = 2 * reconnectMs;

/** A gateway's end of the link. */
interface Member {
  id: string;
  /**
   * Hands it the newest table, whose maps change with the next one, and what changed since it was last called for any member; undefined where that
   * doesn't matter, since it joins. Must not throw; where the connection is down nothing happens: the next hello brings the table.
   */
  send(table: TableMaps, changes: Changes | undefined): void;
}

/** What a gateway says of itself: the version that all its threads serve, and instances that left its table but have requests. */
interface MemberReport {
  serving: number;
  draining: readonly string[];
}

export interface PublisherOptions {
  clock: Clock;
  log: Log;
  /**
   * At least the highest version that an earlier run of control may have published; the first table of this run gets the next.
   * Milliseconds since the epoch do, as versions grow by less than one a millisecond.
   */
  startVersion: number;
  /** Longest wait of `drained`, milliseconds. Default 61 minutes: over the gateway's own longest (`max-connection-age`, 1 h). */
  drainMaxMs?: number;
  /** Runs a callback once the present tick's changes are all in. Default `setImmediate`. */
  schedule?: (callback: () => void) => void;
  /**
   * Whether a gateway may run that hasn't come back since the start. As long as it says so, up to the length of a lease, nothing is confirmed and no instance given
   * up, as that gateway is a member by its lease of before. Absent: gateways come back within `2 * reconnectMs`.
   */
  awaited?: () => boolean;
}

export interface Publisher extends TrafficPort {
  /** From now on tables are published, the first one soon. */
  start(): void;
  /** Whether it was started: members get a table. */
  started(): boolean;
  /** A copy of the last published table. Takes as long as it is large. */
  table(): RouteTable;
  /** Called with each table that is published: what changed in it, and its version. Returns the unsubscribing function. */
  follow(listener: (changes: Changes, version: number) => void): () => void;
  /** Declares the instances of a Revision (`namespace/name`) that take requests, and why there is none; undefined forgets it. */
  setInstances(revision: string, state: RevisionInstances | undefined): void;
  /** A gateway said hello, for the first time or again. */
  addMember(member: Member, report: MemberReport): void;
  /** The gateway has ended. */
  removeMember(id: string): void;
  /** The gateway's lease is over: it may serve on with an old table, but nobody waits for it. */
  leaseExpired(id: string): void;
  /** All threads of a gateway serve this version. */
  ack(id: string, version: number, draining: readonly string[]): void;
  /** A gateway has no request at an instance any more that had left its table. */
  instanceDrained(id: string, instance: string): void;
  /** `awaited` says otherwise from now on. */
  gathered(): void;
  /**
   * Resolves once no member sends the instance anything: every member acknowledged a table without it and has no request there;
   * or after `maxMs`. Just after the start it waits for gateways to come back: for all of them 2 s, for one at least as long as a lease lives.
   */
  drained(instance: string, maxMs?: number): Promise<void>;
  members(): { id: string; serving: number; draining: string[] }[];
}

/** Creates a publisher that has published nothing yet. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { clock, log } = options;
  const schedule = options.schedule ?? ((callback) => void setImmediate(callback));
  const compiler = new Compiler();
  const assignedIn = new Map<string, number>();
  const members = new Map<string, { member: Member; serving: number; draining: Set<string> }>();
  const listeners = new Set<() => void>();
  const followers = new Set<(changes: Changes, version: number) => void>();
  const published = { version: options.startVersion, hosts: compiler.hosts, revisions: compiler.revisions };
  /** The first version that a table of this run can have. */
  let firstVersion = options.startVersion + 1;
  let startedAt: number | undefined;
  let dirty = true;
  let scheduled = false;

  const nextVersion = () => (dirty ? published.version + 1 : published.version);
  const awaits = () => options.awaited?.() === true && (startedAt === undefined || clock.now() - startedAt < leaseMs);
  const confirmed = (version: number) => {
    if (awaits()) return false;
    const wanted = Math.max(version, firstVersion);
    return members.size > 0 && [...members.values()].every(({ serving }) => serving >= wanted);
  };
  const drains = createDrains({
    clock,
    maxMs: options.drainMaxMs ?? 3_660_000,
    isPresent: (instance) => compiler.has(instance),
    isDrained(instance, goneIn) {
      if (startedAt === undefined || dirty || goneIn === undefined || awaits()) return false;
      if (clock.now() - startedAt < (members.size === 0 ? leaseMs : gatherMs)) return false;
      if (members.size === 0) return true;
      return confirmed(goneIn) && [...members.values()].every(({ draining }) => !draining.has(instance));
    },
  });
  const changed = () => {
    for (const listener of listeners) listener();
    drains.check();
  };
  const flush = () => {
    scheduled = false;
    if (startedAt === undefined || !dirty) return;
    published.version += 1;
    const changes = compiler.take();
    dirty = false;
    drains.published(published.version);
    for (const { member } of members.values()) member.send(published, changes);
    log.debug({ version: published.version, hosts: published.hosts.size }, "Published a route table");
    for (const follower of followers) follower(changes, published.version);
    changed();
  };
  const touch = () => {
    dirty = true;
    if (scheduled || startedAt === undefined) return;
    scheduled = true;
    schedule(flush);
  };
  const forget = (id: string) => {
    if (members.delete(id)) changed();
  };

  return {
    start() {
      if (startedAt !== undefined) return;
      startedAt = clock.now();
      clock.after(gatherMs, () => drains.check());
      clock.after(leaseMs, changed);
      touch();
    },
    started: () => startedAt !== undefined,
    table: () => tableOf(published),
    follow(listener) {
      followers.add(listener);
      return () => followers.delete(listener);
    },
    assign(assignment) {
      const known = compiler.assignment(assignment.route);
      const version = assignedIn.get(assignment.route);
      if (version !== undefined && same(known, assignment)) return version;
      touch();
      compiler.setAssignment(assignment.route, structuredClone(assignment));
      assignedIn.set(assignment.route, nextVersion());
      return nextVersion();
    },
    unassign(route) {
      assignedIn.delete(route);
      if (compiler.assignment(route) !== undefined) {
        compiler.setAssignment(route, undefined);
        touch();
      }
      return nextVersion();
    },
    setRevision(revision) {
      if (same(compiler.limits(revision.revision), revision)) return;
      compiler.setLimits(revision.revision, { ...revision });
      touch();
    },
    removeRevision(revision) {
      compiler.setInstances(revision, undefined);
      if (compiler.limits(revision) === undefined) return;
      compiler.setLimits(revision, undefined);
      touch();
    },
    setInstances(revision, state) {
      const known = compiler.instances(revision);
      if (state === known || same(known, state)) return;
      compiler.setInstances(revision, structuredClone(state));
      touch();
    },
    confirmed,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    addMember(member, report) {
      if (report.serving >= firstVersion && report.serving > published.version) {
        // A gateway with a later table than this run has made: the number of an earlier run was lost. Go on after it.
        log.warn(
          { member: member.id, serving: report.serving },
          "A gateway is ahead of this control; skipping versions",
        );
        published.version = report.serving;
        firstVersion = report.serving + 1;
        touch();
      }
      members.set(member.id, { member, serving: report.serving, draining: new Set(report.draining) });
      log.info({ member: member.id, serving: report.serving }, "A gateway joined");
      if (startedAt !== undefined && !dirty) member.send(published, undefined);
      changed();
    },
    removeMember: forget,
    leaseExpired(id) {
      if (members.has(id)) log.warn({ member: id }, "A gateway's lease expired");
      forget(id);
    },
    ack(id, version, draining) {
      const known = members.get(id);
      if (known === undefined) return;
      known.serving = version;
      known.draining = new Set(draining);
      changed();
    },
    instanceDrained(id, instance) {
      if (members.get(id)?.draining.delete(instance) === true) changed();
    },
    gathered: changed,
    drained: (instance, maxMs) => drains.wait(instance, published.version, maxMs),
    members: () =>
      [...members.values()].map(({ member, serving, draining }) => ({
        id: member.id,
        serving,
        draining: [...draining],
      })),
  };
}
