/**
 * Sends spans to a collector by OTLP over HTTP, as JSON: in batches, one request at a time, from a queue with a bound. Where the collector is
 * away or slow, spans are dropped and counted; nobody ever waits for it.
 */
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { type Resource, type Span, traceRequest } from "./span.ts";

/** Most spans of one request; most that wait. */
const batchSize = 512;
const mostWaiting = 4_096;
const flushMs = 1_000;
const answerMs = 10_000;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

export interface ExporterOptions {
  /** Base URL of the collector, such as `http://127.0.0.1:4318`; `/v1/traces` is added. */
  endpoint: string;
  resource: Resource;
  clock: Clock;
  log: Log;
}

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #url: string;
  #waiting: Span[] = [];
  #sending: Promise<void> | undefined;
  #timer: (() => void) | undefined;
  /** Milliseconds; 0 while the collector answers. */
  #pause = 0;
  #sent = 0;
  #dropped = 0;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#url = `${options.endpoint.replace(/\/+$/, "")}/v1/traces`;
  }

  /** Takes finished spans; drops what the queue has no place for. `dropped`: how many were dropped on their way here. */
  add(spans: readonly Span[], dropped = 0): void {
    const room = mostWaiting - this.#waiting.length;
    this.#dropped += dropped + Math.max(0, spans.length - room);
    for (const span of spans.slice(0, room)) this.#waiting.push(span);
    if (this.#pause === 0 && this.#waiting.length >= batchSize) this.#send();
    else this.#later(this.#pause === 0 ? flushMs : this.#pause);
  }

  /** Counts since the last call: spans that the collector took, and those that were dropped. */
  take(): { sent: number; dropped: number } {
    const taken = { sent: this.#sent, dropped: this.#dropped };
    this.#sent = 0;
    this.#dropped = 0;
    return taken;
  }

  /** Sends what waits once more. Resolves when that is answered, or after `ms` milliseconds. */
  async close(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(ms, late.resolve);
    const rest = (async () => {
      await this.#sending;
      this.#send();
      await this.#sending;
    })();
    await Promise.race([rest, late.promise]);
    cancel();
  }

  #later(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      this.#send();
    });
  }

  #send(): void {
    if (this.#sending !== undefined || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, batchSize);
    this.#sending = this.#post(batch).finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length >= batchSize && this.#pause === 0) this.#send();
      else if (this.#waiting.length > 0) this.#later(this.#pause === 0 ? flushMs : this.#pause);
    });
  }

  async #post(batch: readonly Span[]): Promise<void> {
    try {
      const answer = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: traceRequest(this.#options.resource, batch),
        redirect: "error",
        signal: AbortSignal.timeout(answerMs),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`it answered ${answer.status}`);
      this.#sent += batch.length;
      if (this.#pause > 0) this.#options.log.info({ collector: this.#url }, "Collector of traces takes spans again");
      this.#pause = 0;
    } catch (error) {
      this.#dropped += batch.length;
      // Said once, and not with each batch.
      if (this.#pause === 0) {
        this.#options.log.warn(
          { error, collector: this.#url },
          "Collector of traces doesn't take spans: they are dropped",
        );
      }
      this.#pause = Math.min(Math.max(this.#pause * 2, firstPauseMs), longestPauseMs);
    }
  }
}
