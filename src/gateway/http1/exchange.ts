/**
 * One request and its answer. The client's connection (client.ts) gives the request and takes the answer; the instance's (upstream.ts) the other
 * way round. Where it goes is decided by placement.ts and core.ts.
 */
import type { Clock } from "../../lib/clock.ts";
import { type Answer, answers } from "../answers.ts";
import type { Core } from "../core.ts";
import { outlast } from "../http/outlast.ts";
import { processing, sound } from "../http/sounding.ts";
import type { GatewayLimits } from "../options.ts";
import { clientLeft } from "../outcomes.ts";
import { Placement, type PlacementOptions } from "../placement.ts";
import type { Sighting } from "../seen/sighting.ts";
import type { Instance } from "../state.ts";
import type { AnswerHead, Ending } from "./answer-head.ts";
import { answerStart, bodyBytes, type BodyMode, informationText, ownAnswer, withCookie } from "./answering.ts";
import type { AppText } from "./app-head.ts";
import { AppRequest, passingTrailers } from "./app-request.ts";
import type { Client } from "./client.ts";
import { connectTo } from "./connect.ts";
import type { Context } from "./context.ts";
import { fieldIn } from "./text-fields.ts";
import type { Upstream, UpstreamUser } from "./upstream.ts";

const repeatable = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** A request as it was read. */
export interface Request {
  method: string;
  /** 0: the client speaks HTTP/1.0. */
  minor: number;
  /** In the table's form. */
  host: string;
  requestId: string;
  /** The head for the app. */
  appHead: AppText;
  body: "none" | "length" | "chunked";
  /** Most of the body that is held while the request waits. */
  bodyBytes: number;
  /** The client waits for `100 Continue` before it sends the body. */
  expects: boolean;
  sighting: Sighting | undefined;
}

export class Exchange implements PlacementOptions, UpstreamUser {
  readonly method: string;
  readonly host: string;
  readonly secure: boolean;
  readonly bytes: number;
  readonly core: Core;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  readonly began: number;
  readonly sighting: Sighting | undefined;
  /** The client has its whole answer, or is gone. */
  over = false;
  /** The answer has begun. */
  answered = false;
  readonly #context: Context;
  readonly #client: Client;
  readonly #request: Request;
  readonly #placement: Placement;
  #instance: Instance | undefined;
  #upstream: Upstream | undefined;
  #stopConnecting: (() => void) | undefined;
  #connected = false;
  readonly #toApp: AppRequest;
  #continued = false;
  /** Nobody takes the answer any more. */
  #abandoned = false;
  /** Sent on a connection that the app may have been about to close. */
  #stale = false;
  #mode: BodyMode = "none";
  /** Of the answer that has begun; bytes of its body for the client. */
  #status = 0;
  #bytes = 0;
  #stopOutlasting: (() => void) | undefined;
  #stopSounding: (() => void) | undefined;
  /** When the client said that it sends nothing more, or something last happened since. */
  #halfClosedAt: number | undefined;

  constructor(context: Context, client: Client, request: Request) {
    this.#context = context;
    this.#client = client;
    this.#request = request;
    this.method = request.method;
    this.host = request.host;
    this.secure = context.scheme === "https";
    this.bytes = request.appHead.length + request.bodyBytes;
    this.core = context.core;
    this.clock = context.clock;
    this.limits = context.limits;
    this.began = context.clock.now();
    this.sighting = request.sighting;
    this.#toApp = new AppRequest(context.out, request.appHead, request.body);
    this.#placement = new Placement(this);
  }

  start(): void {
    this.#placement.start();
  }

  field(name: string): string | undefined {
    return fieldIn(this.#request.appHead.text, name);
  }

  /** Whether pieces of the request's body can be taken now, be it to drop them. */
  get wantsBody(): boolean {
    return this.over || this.#abandoned || (this.#connected && this.#upstream?.wire.pending === false);
  }

  /** The app doesn't take the body as fast as it comes. */
  get isPressed(): boolean {
    return !this.over && !this.#abandoned && this.#connected && this.#upstream?.wire.pending === true;
  }

  /** Pieces of the body follow, up to `bodyPaused`. */
  bodyReadable(): void {
    if (this.#sendsBody && this.#upstream !== undefined) this.#toApp.begin(this.#upstream.wire);
  }

  bodyData(bytes: Buffer, start: number, end: number): void {
    if (this.#sendsBody) this.#toApp.data(bytes, start, end);
  }

  /** `end`: the body is whole. False if its trailers aren't ones. */
  bodyPaused(end: boolean, trailers: Buffer | undefined): boolean {
    const lines = passingTrailers(trailers);
    if (lines === undefined) return false;
    if (this.#sendsBody && end) this.#toApp.finish(lines);
    else if (this.#sendsBody) this.#toApp.pause();
    return true;
  }

  /** Whether the client may send on after the answer: it did as it was told. */
  get settled(): boolean {
    return !this.#request.expects || this.#continued;
  }

  /** The client has gone. */
  clientGone(): void {
    this.#placement.end();
    this.#finish(this.#status === 0 ? clientLeft : this.#status);
    this.#abandon();
  }

  /** The client sends nothing more, but may wait for its answer. False if that can't be told from leaving, and it has no instance. */
  clientEnded(): boolean {
    const canAsk = this.#request.minor === 1;
    if (this.#instance === undefined && !canAsk) return false;
    this.#halfClosedAt = this.clock.now();
    if (canAsk) this.#stopSounding = sound(this.clock, this.#instance === undefined, () => this.#sound());
    return true;
  }

  #sound(): void {
    if (this.answered || this.over) return;
    this.#context.out.begin(this.#client.wire);
    this.#context.out.text(processing.text);
    this.#context.out.send();
  }

  /** The client has taken all that was written. */
  clientDrained(): void {
    this.#upstream?.wire.resume();
  }

  /** Whether a client that sends nothing more is to be taken for gone: its answer doesn't come. */
  isForlorn(now: number): boolean {
    if (this.#halfClosedAt === undefined || this.#instance === undefined) return false;
    return now - this.#halfClosedAt > this.limits.hungMs;
  }

  placed(instance: Instance): void {
    this.#instance = instance;
    if (this.#halfClosedAt !== undefined) this.#halfClosedAt = this.clock.now();
    // Such requests are handed over before they come here; but the table may have changed while this one waited.
    if (instance.revision.entry.protocol === "h2c") {
      this.#free();
      return this.failed(answers.protocolChanged);
    }
    const canRepeat = this.#request.body === "none" && repeatable.has(this.method);
    const upstream = this.#context.pool.take(instance, this.clock.now(), canRepeat);
    this.#stale = canRepeat;
    if (upstream === undefined) return this.#connect(instance);
    upstream.user = this;
    this.#upstream = upstream;
    this.#send(instance);
  }

  failed(answer: Answer): void {
    this.#placement.end();
    this.#abandon();
    if (this.over) return;
    if (this.answered) {
      this.#placement.broke();
      this.#finish(this.#status);
      return this.#client.breakOff();
    }
    const { draining, verboseErrors: verbose } = this.#context;
    const persists = this.#client.persists && !draining && this.settled;
    const { method, minor, requestId } = this.#request;
    const to = { method, requestId, verbose, accept: this.field("accept") };
    const own = ownAnswer(answer, to, this.#connectionLines(persists && minor === 1));
    this.#bytes = bodyBytes(own);
    this.#finish(answer.status);
    this.#client.send(own);
    this.#client.answered(persists && minor === 1);
  }

  readable(): void {
    if (this.#halfClosedAt !== undefined) this.#halfClosedAt = this.clock.now();
    this.#context.out.begin(this.#client.wire);
  }

  informed(head: AnswerHead): void {
    if (this.#abandoned) return;
    if (head.status === 100) {
      if (!this.#request.expects || this.#continued) return;
      this.#continued = true;
      this.#context.out.text("HTTP/1.1 100 Continue\r\n\r\n");
    } else if (this.#request.minor === 1) {
      this.#context.out.text(informationText(head, this.#request.requestId));
    }
  }

  begun(head: AnswerHead, ending: Ending): void {
    this.answered = true;
    this.#placement.end();
    if (this.#abandoned) return;
    this.#status = head.status;
    const { minor, requestId } = this.#request;
    this.#mode = ending === "none" ? "none" : ending === "length" || minor === 0 ? "raw" : "chunks";
    const delimited = ending === "none" || ending === "length" || minor === 1;
    const client = this.#client;
    client.persists &&= delimited && this.settled && !this.#context.draining;
    const { dated } = head.framing;
    const end = this.#context.headEnd({ dated, persists: client.persists, chunks: this.#mode === "chunks" });
    const start = answerStart(head, ending);
    const { out } = this.#context;
    const { setCookie } = this.#placement;
    if (setCookie !== undefined) {
      const text = `${start.toString("latin1")}${requestId}${end.toString("latin1")}`;
      return out.text(withCookie(text, setCookie));
    }
    out.whole(start);
    out.text(requestId);
    out.whole(end);
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#abandoned) return;
    this.#bytes += end - start;
    if (this.#mode === "chunks") this.#context.out.chunk(bytes, start, end);
    else this.#context.out.bytes(bytes, start, end);
  }

  paused(): void {
    if (this.#abandoned) return;
    this.#context.out.send();
    if (this.#client.isFull()) this.#upstream?.wire.pause();
  }

  ended({ reusable, trailers }: { reusable: boolean; trailers: Buffer | undefined }): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    const lines = passingTrailers(trailers);
    if (!this.#abandoned && lines !== undefined) {
      if (this.#mode === "chunks") this.#context.out.text(`0\r\n${lines}\r\n`);
      this.#context.out.send();
    }
    if (reusable && this.#toApp.sent && !this.#abandoned) {
      if (upstream !== undefined) this.#context.pool.put(upstream, this.clock.now());
    } else upstream?.destroy();
    const { over } = this;
    if (lines === undefined) this.#placement.broke();
    this.#finish(this.#status);
    this.#free();
    if (over) return;
    if (lines === undefined) this.#client.breakOff();
    else this.#client.answered(this.#client.persists);
  }

  malformed(): void {
    this.#upstream = undefined;
    this.#free();
    if (!this.#abandoned) this.failed(answers.badAnswer);
  }

  broken(): void {
    const upstream = this.#upstream;
    const instance = this.#instance;
    this.#upstream = undefined;
    if (this.#stale && upstream?.touched === false && !this.#abandoned && instance !== undefined) {
      // The app closed the idle connection as the request was on its way: it keeps its slot and goes on a new one.
      return this.#connect(instance);
    }
    this.#free();
    if (!this.#abandoned) this.failed(answers.broken);
  }

  drained(): void {
    this.#client.bodyWanted();
  }

  /** The client has its answer, with that status, or is gone. */
  #finish(status: number): void {
    if (this.over) return;
    this.over = true;
    this.#stopSounding?.();
    this.#placement.ended(status, this.clock.now() - this.began, this.#bytes);
  }

  get #sendsBody(): boolean {
    return this.#upstream !== undefined && this.#connected && !this.#abandoned && !this.over;
  }

  #connect(instance: Instance): void {
    this.#stale = false;
    this.#connected = false;
    this.#stopConnecting = connectTo(this.#context, instance, (upstream) => {
      this.#stopConnecting = undefined;
      if (upstream === undefined) return this.#refused(instance);
      upstream.user = this;
      this.#upstream = upstream;
      this.#send(instance);
    });
  }

  #refused(instance: Instance): void {
    this.#upstream = undefined;
    this.#free();
    this.#placement.refused(instance);
  }

  #send(instance: Instance): void {
    this.#connected = true;
    this.core.reached(instance);
    // With a body, the head goes out with what there is of it.
    if (this.#request.body !== "none") return this.#client.bodyWanted();
    if (this.#upstream !== undefined) this.#toApp.sendWhole(this.#upstream.wire);
  }

  /** Nobody takes the answer any more; see outlast.ts. */
  #abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    const upstream = this.#upstream;
    const instance = this.#instance;
    if (instance === undefined) return;
    if (upstream === undefined || instance.revision.entry.concurrency === 0 || !this.#connected) {
      this.#upstream = undefined;
      this.#stopConnecting?.();
      upstream?.destroy();
      return this.#free();
    }
    // It may have been paused for the client.
    upstream.wire.resume();
    this.#stopOutlasting = outlast(this.#context, {
      upstream: { socket: { end: () => upstream.wire.end() }, destroy: () => upstream.destroy() },
      answer: this.answered ? { resume: () => upstream.wire.resume() } : undefined,
      whole: this.#toApp.sent,
      lost: () => {
        this.#instance = undefined;
        this.#upstream = undefined;
        this.core.lose(instance);
      },
    });
  }

  #free(): void {
    const instance = this.#instance;
    if (instance === undefined) return;
    this.#instance = undefined;
    this.#stopOutlasting?.();
    this.core.release(instance);
  }

  #connectionLines(persists: boolean): string {
    return persists ? this.#context.keepAliveLines : this.#context.closeLine;
  }
}
