/**
 * What one thread sees of requests beyond their counts: lines of the access log and spans, each of a share of the requests. Where both are
 * off there is no observer, and a request costs one look at that.
 *
 * It stands where all protocols pass: a front tells it of a request by `see`, gives what it gets to the request's Placement, and that one
 * tells it the rest.
 */
import type { Clock } from "../../lib/clock.ts";
import type { Span } from "../../lib/otlp/span.ts";
import { nextContext, parseTraceparent, type TraceContext } from "../../lib/otlp/trace-context.ts";
import { type Arrival, type Ending, Sighting } from "./sighting.ts";

/** Most spans that wait for the hub, and how long they do. */
const mostSpans = 1_024;
const flushMs = 500;

export interface ObserverOptions {
  clock: Clock;
  /** Share of the requests that are logged; and what takes the lines, absent where there is no log. */
  logSampling: number;
  log: { write(line: string): void } | undefined;
  /** Share of the requests without `traceparent` of which a trace is begun; undefined: none is traced, and fields pass as they are. */
  traceSampling: number | undefined;
  /** Takes finished spans, and says how many were dropped. */
  spans(spans: Span[], dropped: number): void;
  /** From 0 to 1, below 1. */
  random: () => number;
}

export class Observer {
  readonly #options: ObserverOptions;
  #spans: Span[] = [];
  #dropped = 0;
  #timer: (() => void) | undefined;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** A request came. Undefined where nothing of it is to be seen. */
  see(arrival: Arrival): Sighting | undefined {
    const { log, logSampling, random } = this.#options;
    const logged = log !== undefined && chosen(logSampling, random);
    const { trace, parent, invalid } = this.#trace(arrival);
    if (!logged && trace === undefined && !invalid) return undefined;
    return new Sighting(arrival, { logged, trace, parent, invalid, done: (one, ending) => this.#done(one, ending) });
  }

  /** A request was refused before it could be told where it goes, or what it is: there is no trace of it. */
  refused(arrival: Arrival, ending: { status: number; bytes: number }): void {
    const { log, logSampling, random, clock } = this.#options;
    if (log === undefined || !chosen(logSampling, random)) return;
    const nothing = { logged: true, trace: undefined, parent: undefined, invalid: false, done: () => {} };
    const ms = clock.now() - arrival.at;
    log.write(new Sighting(arrival, nothing).line({ ...ending, ms, route: "", revision: "" }));
  }

  /** Hands on what waits. */
  flush(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (this.#spans.length === 0 && this.#dropped === 0) return;
    this.#options.spans(this.#spans, this.#dropped);
    this.#spans = [];
    this.#dropped = 0;
  }

  /**
   * A trace that the client began is gone on with if it is recorded there, and passes as it is if not. Without one, or with one that isn't
   * valid, a share of the requests begins one.
   */
  #trace({ header }: Arrival): { trace?: TraceContext; parent?: TraceContext; invalid: boolean } {
    const { traceSampling, random } = this.#options;
    const value = header("traceparent");
    const parent = value === undefined ? undefined : parseTraceparent(value);
    // Not taking part: whatever came passes, and what can be read of it is in the log.
    if (traceSampling === undefined) return { invalid: false, ...(parent === undefined ? {} : { parent }) };
    if (parent !== undefined)
      return { parent, invalid: false, ...(parent.sampled ? { trace: nextContext(parent) } : {}) };
    const invalid = value !== undefined;
    return chosen(traceSampling, random) ? { trace: nextContext(undefined), invalid } : { invalid };
  }

  #done(sighting: Sighting, ending: Ending): void {
    const { log, clock } = this.#options;
    if (sighting.logged) log?.write(sighting.line(ending));
    const span = sighting.span(ending);
    if (span === undefined) return;
    if (this.#spans.length >= mostSpans) this.#dropped += 1;
    else this.#spans.push(span);
    this.#timer ??= clock.after(flushMs, () => {
      this.#timer = undefined;
      this.flush();
    });
  }
}

function chosen(share: number, random: () => number): boolean {
  return share >= 1 || random() < share;
}
