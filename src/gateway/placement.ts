/**
 * The way of one request to an instance: look up, pick, take or wait, and again when an instance turns out unreachable or the table moves
 * on. It knows no protocol; a front tells it what happened and is told what to do.
 */
import type { Clock } from "../lib/clock.ts";
import { type Answer, answers, problemAnswer } from "./answers.ts";
import { matched, type RequestFields, RequestReader, stickyCookie, stuckTo } from "./choice.ts";
import type { Core } from "./core.ts";
import type { GatewayLimits } from "./options.ts";
import type { Tally } from "./outcomes.ts";
import type { Sighting } from "./seen/sighting.ts";
import type { HostState, Instance, RevisionState, Waiter } from "./state.ts";

/** `field` is only asked where the Route has a `match` or an `affinity`. */
export interface PlacementOptions extends RequestFields {
  core: Core;
  clock: Clock;
  limits: GatewayLimits;
  /** In the table's form. */
  host: string;
  /** The request came over HTTPS; absent: it didn't. */
  secure?: boolean;
  /** Memory that the request holds while it waits: its fields, and what of its body is read. */
  bytes: number;
  /** Where something of it is to be seen in the access log or a trace. */
  sighting: Sighting | undefined;
  /** Forward to this instance. Its slot is taken; the front gives it back with `core.release` or `core.lose`. */
  placed(instance: Instance): void;
  /** Answer so: the request gets no instance, or (504) its instance was too slow. Called at most once. */
  failed(answer: Answer): void;
}

export class Placement {
  readonly #options: PlacementOptions;
  /** What the answer is to say in `Set-Cookie`, unless the app sets that cookie itself: the client stays with its Revision by it. */
  setCookie: string | undefined;
  /** What the host's guard asks; undefined without one. The rest is only there for it: when the request came, how long its answer took to begin. */
  #guard: { slowMs: number } | undefined;
  #startedAt = 0;
  #waitedMs = 0;
  #broke = false;
  #revision: RevisionState | undefined;
  #tally: Tally | undefined;
  /** Its end was counted. */
  #counted = false;
  #waiter: Waiter | undefined;
  #ticket = 0;
  #cancelDeadline: (() => void) | undefined;
  #firstRefusal: number | undefined;
  #over = false;

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** Looks the host up and finds an instance, now or later. */
  start(): void {
    const { core, host } = this.#options;
    const entry = core.match(host);
    const revision = entry === undefined ? undefined : this.#choose(entry);
    this.#count(entry?.entry.route ?? "", revision?.name ?? "");
    if (entry === undefined) return this.#fail(answers.hostUnknown);
    this.#guard = entry.entry.guard;
    if (this.#guard !== undefined && this.#startedAt === 0) this.#startedAt = this.#options.clock.now();
    if (entry.entry.targets.length === 0) return this.#fail(answers.routeNotReady);
    if (revision === undefined) return this.#fail(answers.revisionMissing);
    const { problem, timeoutMs } = revision.entry;
    this.#revision = revision;
    if (problem !== undefined && revision.instances.length === 0) return this.#fail(problemAnswer(problem));
    const { clock, limits } = this.#options;
    this.#cancelDeadline ??= clock.after(timeoutMs > 0 ? timeoutMs : limits.queueMs, () => this.#late());
    this.#take(revision);
  }

  /**
   * The client has its answer, or is gone: for metrics, access log and traces. Called once, by every front, for every request that it made a
   * Placement for.
   * @param status of the answer, or `clientLeft`
   * @param ms from the request's arrival
   * @param bytes of the answer's body that went to the client
   */
  ended(status: number, ms: number, bytes: number): void {
    if (this.#counted) return;
    this.#counted = true;
    const tally = this.#tally ?? this.#options.core.outcomes.begin("", "");
    tally.end(status, ms);
    if (this.#guard !== undefined) {
      const { slowMs } = this.#guard;
      tally.judge(this.#broke ? answers.broken.status : status, slowMs > 0 && this.#waitedMs > slowMs);
    }
    const { route, revision } = tally;
    this.#options.sighting?.ended({ status, ms, bytes, route, revision });
  }

  /** The app broke off its answer, which had begun: for guards it failed, whatever the status was. Called before `ended`. */
  broke(): void {
    this.#broke = true;
  }

  /** The instance could not be reached, so it saw nothing of the request: the front has given the slot back. Tries again. */
  refused(instance: Instance): void {
    const { core, clock, limits } = this.#options;
    core.eject(instance);
    if (this.#over) return;
    const now = clock.now();
    this.#firstRefusal ??= now;
    if (now - this.#firstRefusal >= limits.patienceMs) return this.#fail(answers.unreachable);
    // The table may have moved on: what was picked first stays, as long as it is there.
    if (this.#revision?.present === true) this.#take(this.#revision);
    else this.start();
  }

  /** The answer has begun, or the client has gone: no deadline and no place in a queue any more. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#guard !== undefined) this.#waitedMs = this.#options.clock.now() - this.#startedAt;
    this.#cancelDeadline?.();
    this.#leaveQueue();
  }

  /** The Revision by what the request says; by the split where it says nothing. */
  #choose(host: HostState): RevisionState | undefined {
    const { core } = this.#options;
    const { entry } = host;
    if (entry.match === undefined && entry.affinity === undefined) return core.pick(host);
    this.setCookie = undefined;
    const request = new RequestReader(this.#options);
    const match = matched(entry, request);
    if (match !== undefined) return core.revision(match);
    const { affinity, targets } = entry;
    if (affinity === undefined) return core.pick(host);
    const stuck = stuckTo(affinity, request);
    if (stuck !== undefined) return core.revision(targets[stuck]?.revision ?? "");
    const revision = core.pick(host);
    const target = targets.findIndex((one) => one.revision === revision?.name && one.percent > 0);
    if (target >= 0) this.setCookie = stickyCookie(affinity, target, this.#options.secure === true);
    return revision;
  }

  #take(revision: RevisionState): void {
    const { core } = this.#options;
    const instance = core.take(revision);
    if (instance !== undefined) return this.#place(instance);
    if (this.#ticket === 0) this.#ticket = core.ticket();
    const waiter: Waiter = {
      ticket: this.#ticket,
      bytes: this.#options.bytes,
      trace: this.#options.sighting?.traceparent ?? undefined,
      granted: (granted) => {
        this.#waits(undefined);
        this.#place(granted);
      },
      dismissed: () => {
        this.#waits(undefined);
        this.start();
      },
    };
    this.#waits(waiter);
    this.#options.sighting?.waits(this.#options.clock.now());
    if (core.wait(revision, waiter)) return;
    this.#waits(undefined);
    this.#fail(answers.overloaded);
  }

  #waits(waiter: Waiter | undefined): void {
    this.#waiter = waiter;
    if (this.#tally !== undefined) this.#tally.waiting += waiter === undefined ? -1 : 1;
  }

  #place(instance: Instance): void {
    const { clock, sighting } = this.#options;
    sighting?.placed(instance.id, clock.now());
    if (instance.revision.entry.timeoutMs === 0) this.#cancelDeadline?.();
    this.#options.placed(instance);
  }

  /** Counts it as under way there, and no longer where it was before. */
  #count(route: string, revision: string): void {
    if (this.#tally !== undefined) this.#tally.running -= 1;
    this.#tally = this.#options.core.outcomes.begin(route, revision);
  }

  #late(): void {
    if (this.#waiter === undefined) return this.#fail(answers.timeout);
    if (this.#firstRefusal !== undefined) return this.#fail(answers.unreachable);
    this.#fail(this.#revision?.instances.length === 0 ? answers.starting : answers.overloaded);
  }

  #fail(answer: Answer): void {
    if (this.#over) return;
    this.end();
    this.#options.failed(answer);
  }

  #leaveQueue(): void {
    const waiter = this.#waiter;
    if (waiter === undefined || this.#revision === undefined) return;
    this.#waits(undefined);
    this.#options.core.giveUp(this.#revision, waiter);
  }
}
