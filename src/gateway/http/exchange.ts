/**
 * One request and its answer: from the client's connection to the instance's and back, both ways as streams with back-pressure.
 */
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Answer, answers, renderAnswer } from "../answers.ts";
import { cookieName } from "../choice.ts";
import { readTarget, type Target } from "../match.ts";
import { Placement } from "../placement.ts";
import { clientLeft } from "../outcomes.ts";
import { fieldInList, traceList } from "../seen/fields.ts";
import type { Sighting } from "../seen/sighting.ts";
import type { Instance } from "../state.ts";
import { Body } from "./body.ts";
import type { FrontContext } from "./context.ts";
import {
  answerFields,
  fieldFault,
  fieldOf,
  isSaneRequestId,
  requestFields,
  setsCookie,
  trailerFields,
} from "./headers.ts";
import { joinSockets } from "./join.ts";
import { outlast } from "./outlast.ts";

const repeatable = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export interface Incoming {
  req: IncomingMessage;
  res: ServerResponse;
  /** The client waits for `100 Continue` before it sends the body. */
  expects: boolean;
  /** The client asks for another protocol on its connection; `early` collects what it has sent already. */
  upgrade?: { socket: Socket; early: Buffer[] };
}

export class Exchange {
  readonly began: number;
  readonly #context: FrontContext;
  readonly #in: Incoming;
  readonly #requestId: string;
  readonly #hasBody: boolean;
  readonly #body: Body;
  readonly #address: string;
  #sighting: Sighting | undefined;
  #target: Target | undefined;
  #placement: Placement | undefined;
  #instance: Instance | undefined;
  #upstream: ClientRequest | undefined;
  #answer: IncomingMessage | undefined;
  /** Nobody takes the answer any more. */
  #abandoned = false;
  #connected = false;
  #continued = false;
  #recorded = false;
  /** Of the answer's body, for the client. */
  #bytes = 0;
  #stopOutlasting: (() => void) | undefined;
  /** Since when the client has been taking nothing of the answer. */
  #stalledAt: number | undefined;

  constructor(context: FrontContext, incoming: Incoming) {
    this.#context = context;
    this.#in = incoming;
    this.began = context.clock.now();
    const { req, res } = incoming;
    this.#body = new Body(req, context.clock);
    const id = req.headers["x-request-id"];
    this.#requestId = isSaneRequestId(id) ? id : context.newId();
    this.#address = req.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown";
    const length = req.headers["content-length"];
    this.#hasBody = req.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
    // Errors of the client's side all show as `close`; without a listener they would end the thread.
    req.on("error", () => {});
    res.on("error", () => {});
    res.on("close", () => this.#closed());
  }

  start(): void {
    const { req } = this.#in;
    this.#target = readTarget(req.url ?? "/", req.headers.host);
    this.#sighting = this.#see();
    const fault = fieldFault(req.rawHeaders, this.#context.limits.headerCount);
    if (fault !== undefined)
      return this.#refuse(fault === "TooManyFields" ? answers.fieldsTooLarge : answers.badRequest);
    if (this.#target === undefined) return this.#refuse(answers.badHost);
    this.#placement = new Placement({
      core: this.#context.core,
      clock: this.#context.clock,
      limits: this.#context.limits,
      host: this.#target.host,
      bytes: this.#held(),
      field: (name) => fieldOf(req.rawHeaders, name),
      sighting: this.#sighting,
      placed: (instance) => this.#send(instance, true),
      failed: (answer) => this.#fail(answer),
    });
    this.#placement.start();
  }

  /** Ends what goes on for too long without the client doing its part; called now and then. */
  check(now: number): void {
    const { stallMs } = this.#context.limits;
    const { req, res } = this.#in;
    if (this.#stalledAt !== undefined && now - this.#stalledAt > stallMs) res.destroy();
    if (this.#body.stalledFor(now) <= stallMs) return;
    if (res.headersSent) req.destroy();
    else this.#refuse(answers.slowRequest);
  }

  /** Ends an answer that began before `time`, if it has begun. */
  shed(time: number): void {
    if (this.began < time && this.#answer !== undefined) this.#in.res.destroy();
  }

  #see(): Sighting | undefined {
    const { req } = this.#in;
    return this.#context.observer?.see({
      at: this.began,
      method: req.method ?? "",
      target: this.#target?.path ?? "",
      host: this.#target?.host ?? "",
      protocol: req.httpVersionMinor === 0 ? "HTTP/1.0" : "HTTP/1.1",
      scheme: "http",
      address: this.#address,
      requestId: this.#requestId,
      header: (name) => fieldInList(req.rawHeaders, name),
    });
  }

  #send(instance: Instance, pooled: boolean): void {
    const { req } = this.#in;
    const method = req.method ?? "GET";
    const canRepeat = !this.#hasBody && repeatable.has(method);
    const special = !pooled || this.#in.upgrade !== undefined;
    this.#instance = instance;
    this.#connected = false;
    if (instance.revision.entry.protocol === "h2c") return this.#unsent(answers.unsupported);
    let upstream: ClientRequest;
    try {
      upstream = request({
        agent: special ? false : this.#context.upstreams.agent(instance, canRepeat),
        host: instance.host,
        port: instance.port,
        method,
        path: this.#target?.path ?? "/",
        headers: this.#fields(),
        setHost: false,
        maxHeaderSize: this.#context.limits.headerBytes,
      });
    } catch {
      // A field or path that Node's parser lets in but its writer doesn't let out.
      return this.#unsent(answers.badRequest);
    }
    upstream.maxHeadersCount = 0;
    this.#upstream = upstream;
    upstream.on("socket", (socket) => this.#onSocket(upstream, socket));
    upstream.on("response", (answer) => this.#onAnswer(answer));
    upstream.on("continue", () => this.#onContinue());
    upstream.on("information", (info) => this.#onInformation(info.statusCode, info.rawHeaders));
    upstream.on("upgrade", (answer, socket, head) => this.#onUpgrade(answer, socket, head));
    upstream.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#upstream === upstream) this.#onError(error, { stale: upstream.reusedSocket && canRepeat });
    });
    upstream.on("close", () => {
      if (this.#upstream === upstream) this.#free();
    });
    if (!this.#hasBody) upstream.end();
  }

  /** What the request holds in memory while it waits: Node reads ahead of a body as much as fits into its buffer. */
  #held(): number {
    const { req } = this.#in;
    const fields = req.rawHeaders.reduce((sum, text) => sum + text.length, req.url?.length ?? 0);
    return this.#hasBody ? fields + req.readableHighWaterMark : fields;
  }

  #fields(): string[] {
    const { req, expects, upgrade } = this.#in;
    const fields = requestFields(req.rawHeaders, {
      address: this.#address,
      authority: this.#target?.authority ?? "",
      protocol: "http",
      requestId: this.#requestId,
    });
    if (this.#sighting !== undefined) traceList(fields, this.#sighting);
    const length = req.headers["content-length"];
    if (req.headers["transfer-encoding"] !== undefined) fields.push("Transfer-Encoding", "chunked");
    else if (length !== undefined) fields.push("Content-Length", length);
    else if (req.method === "POST" || req.method === "PUT" || req.method === "PATCH")
      fields.push("Content-Length", "0");
    if (!expects) dropField(fields, "expect");
    if (upgrade !== undefined) fields.push("Connection", "Upgrade", "Upgrade", req.headers.upgrade ?? "");
    return fields;
  }

  #onSocket(upstream: ClientRequest, socket: Socket): void {
    const ready = (): void => {
      if (this.#upstream !== upstream) return;
      this.#connected = true;
      if (this.#instance !== undefined) this.#context.core.reached(this.#instance);
      // The body only begins to flow now, so a connection that can't be made costs none of it.
      if (this.#hasBody && !this.#abandoned) this.#body.sendTo(upstream);
    };
    if (!socket.connecting) return ready();
    const { clock, limits } = this.#context;
    const cancel = clock.after(limits.connectMs, () =>
      socket.destroy(new Error("Connection to the instance timed out")),
    );
    socket.once("connect", ready);
    socket.once("connect", cancel);
    socket.once("close", cancel);
  }

  #onContinue(): void {
    const { res, expects } = this.#in;
    if (!expects || this.#abandoned || res.headersSent || this.#continued) return;
    this.#continued = true;
    res.writeContinue();
  }

  #onInformation(status: number, raw: readonly string[]): void {
    const { res, req } = this.#in;
    if (status === 100 || status === 101 || this.#abandoned || res.headersSent || req.httpVersionMinor === 0) return;
    // Node 24 has no `writeInformation`; there, these optional answers are left out.
    if (typeof res.writeInformation === "function") res.writeInformation(status, answerFields(raw, this.#requestId));
  }

  #onAnswer(answer: IncomingMessage): void {
    const { req, res } = this.#in;
    this.#answer = answer;
    this.#placement?.end();
    answer.on("error", () => {});
    answer.on("close", () => {
      // Broken off in the middle: so is the client's copy, or it would look whole.
      if (!answer.complete && !this.#abandoned) res.destroy();
    });
    answer.on("end", () => this.#onAnswerEnd(answer));
    if (this.#abandoned) {
      answer.resume();
      return;
    }
    // The client may or may not send the body that it was not told to send: only a new connection is clear again.
    if (this.#context.draining() || (this.#in.expects && !this.#continued)) res.shouldKeepAlive = false;
    try {
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, this.#answerFields(answer));
    } catch {
      return this.#fail(answers.badAnswer);
    }
    let sent = false;
    answer.on("data", (piece: Buffer) => {
      sent = true;
      this.#bytes += piece.length;
      if (this.#abandoned || res.write(piece)) return;
      answer.pause();
      this.#stalledAt = this.#context.clock.now();
    });
    res.on("drain", () => {
      this.#stalledAt = undefined;
      answer.resume();
    });
    // Fields go out with the first piece where it came along, else now: a stream may have nothing to say for long.
    if (req.method !== "HEAD") setImmediate(() => !sent && !res.writableEnded && res.flushHeaders());
  }

  /** The final answer's fields, with the cookie by which the client stays with its Revision. */
  #answerFields(answer: IncomingMessage): string[] {
    const fields = answerFields(answer.rawHeaders, this.#requestId);
    const cookie = this.#placement?.setCookie;
    if (cookie !== undefined && !setsCookie(fields, cookieName(cookie))) fields.push("Set-Cookie", cookie);
    return fields;
  }

  #onAnswerEnd(answer: IncomingMessage): void {
    const { req, res } = this.#in;
    this.#free();
    if (!this.#abandoned) {
      const trailers = trailerFields(answer.rawTrailers);
      if (trailers.length > 0) res.addTrailers(trailers);
      res.end();
    }
    // The app answered without the whole body: it gets no more of it, and the client's connection is read on to the next request.
    if (this.#hasBody && !req.complete) {
      this.#upstream?.destroy();
      this.#body.drop();
    }
  }

  #onUpgrade(answer: IncomingMessage, socket: Socket, head: Buffer): void {
    const { upgrade, res } = this.#in;
    this.#placement?.end();
    const instance = this.#instance;
    if (upgrade === undefined || this.#abandoned || instance === undefined) {
      socket.destroy();
      return;
    }
    this.#upstream = undefined;
    this.#instance = undefined;
    res.detachSocket(upgrade.socket);
    const fields = this.#answerFields(answer);
    fields.push("Connection", "Upgrade", "Upgrade", answer.headers.upgrade ?? "");
    this.#context.done(this);
    this.#record(101);
    joinSockets(this.#context, { client: upgrade.socket, early: upgrade.early, app: socket, head, fields, instance });
  }

  #onError(error: NodeJS.ErrnoException, { stale }: { stale: boolean }): void {
    const instance = this.#instance;
    if (instance === undefined || this.#answer !== undefined) return;
    if (!this.#connected) {
      this.#upstream = undefined;
      this.#free();
      this.#placement?.refused(instance);
      return;
    }
    if (this.#abandoned) return;
    if (stale && isReset(error)) {
      // The app closed the idle connection as the request was on its way: it keeps its slot and goes on a new one.
      this.#send(instance, false);
      return;
    }
    this.#fail(error.code?.startsWith("HPE_") === true ? answers.badAnswer : answers.broken);
  }

  /** The client's side is over: answered, or gone. */
  #closed(): void {
    const { req, res } = this.#in;
    this.#stalledAt = undefined;
    this.#placement?.end();
    if (!res.writableFinished) this.#abandon();
    this.#record(res.headersSent ? res.statusCode : clientLeft);
    if (req.complete || req.destroyed) this.#context.done(this);
    else req.once("close", () => this.#context.done(this));
  }

  #fail(answer: Answer): void {
    const { req, res } = this.#in;
    this.#placement?.end();
    this.#abandon();
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    const { verboseErrors: verbose } = this.#context;
    const { fields, body } = renderAnswer(answer, { accept: req.headers.accept, requestId: this.#requestId, verbose });
    if (this.#context.draining() || (this.#in.expects && !this.#continued)) res.shouldKeepAlive = false;
    if (req.method !== "HEAD") this.#bytes = Buffer.byteLength(body);
    res.writeHead(answer.status, fields);
    res.end(req.method === "HEAD" ? undefined : body);
    if (this.#hasBody) this.#body.drop();
  }

  /** As `#fail`, for a request of which the app gets nothing though it has a slot. */
  #unsent(answer: Answer): void {
    this.#upstream = undefined;
    this.#free();
    this.#fail(answer);
  }

  /** As `#fail`, for a request that the gateway doesn't want to read on from. */
  #refuse(answer: Answer): void {
    this.#in.res.shouldKeepAlive = false;
    this.#fail(answer);
  }

  /** Nobody takes the answer any more; see outlast.ts. */
  #abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    const upstream = this.#upstream;
    const instance = this.#instance;
    if (upstream === undefined || instance === undefined) return;
    if (instance.revision.entry.concurrency === 0 || !this.#connected) {
      upstream.destroy();
      return;
    }
    this.#stopOutlasting = outlast(this.#context, {
      upstream,
      answer: this.#answer,
      whole: !this.#hasBody || this.#in.req.complete,
      lost: () => {
        this.#instance = undefined;
        this.#context.core.lose(instance);
      },
    });
  }

  /** What became of the request; of an upgraded one, that it was. */
  #record(status: number): void {
    if (this.#recorded) return;
    this.#recorded = true;
    const ms = this.#context.clock.now() - this.began;
    if (this.#placement !== undefined) {
      this.#placement.ended(status, ms, this.#bytes);
      return;
    }
    this.#context.core.outcomes.refused(status);
    this.#sighting?.ended({ status, ms, bytes: this.#bytes, route: "", revision: "" });
  }

  #free(): void {
    const instance = this.#instance;
    if (instance === undefined) return;
    this.#instance = undefined;
    this.#stopOutlasting?.();
    this.#context.core.release(instance);
  }
}

function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code === "ECONNRESET" || error.code === "EPIPE";
}

function dropField(fields: string[], name: string): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) if (fields[i]?.toLowerCase() === name) fields.splice(i, 2);
}
