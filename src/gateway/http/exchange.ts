/**
 * One request and its answer: from the client's connection to the instance's and back, both ways as streams with back-pressure. It knows
 * neither version of HTTP: incoming.ts has the client's side of it, call.ts the app's. How it ends is in exchange-end.ts.
 */
import { type Answer, answers } from "../answers.ts";
import { cookieName } from "../choice.ts";
import { divert } from "../divert.ts";
import { readTarget } from "../match.ts";
import { clientLeft } from "../outcomes.ts";
import { Placement, type PlacementOptions } from "../placement.ts";
import { fieldInList } from "../seen/fields.ts";
import type { Sighting } from "../seen/sighting.ts";
import type { Instance } from "../state.ts";
import { fieldsForApp, isRepeatable, newCall } from "./asking.ts";
import type { AppAnswer, AppCall, CallOptions, CallUser, Failure } from "./call.ts";
import type { FrontContext } from "./context.ts";
import { ExchangeEnd } from "./exchange-end.ts";
import { answerFields, fieldFault, fieldOf, setsCookie, trailerFields } from "./headers.ts";
import type { ClientEvents, Incoming } from "./incoming.ts";
import { join } from "./join.ts";
import { processing, sound } from "./sounding.ts";
import type { AppEnd, ClientEnd } from "./upgrade.ts";

/**
 * Of an app's interim answers so many bytes pass on for one request; what follows is left out, as nothing but its answer matters. There is no end to them, and no
 * pressure back: Node keeps those that the client doesn't take.
 */
const mostInterimBytes = 64 * 1024;
/** What each takes besides its fields. */
const interimBytes = 64;

export class Exchange extends ExchangeEnd implements PlacementOptions, ClientEvents, CallUser {
  /** An app has said that it did nothing for the request. */
  #returned = false;
  /** Of interim answers. */
  #interimBytes = 0;
  #stopSounding: (() => void) | undefined;
  /** When the client said that it sends nothing more, or the request got its instance since. */
  #halfClosedAt: number | undefined;
  /** Since when the client has been taking nothing of the answer. */
  #stalledAt: number | undefined;

  constructor(context: FrontContext, incoming: Incoming) {
    super(context, incoming);
    incoming.watch(this);
  }

  /** @param refusal the answer for a request that its front doesn't let pass, whatever it asks for */
  start(refusal?: Answer): void {
    const { raw, url, authority } = this.incoming;
    this.target = readTarget(url, authority, this.context.names);
    this.sighting = this.#see();
    if (refusal !== undefined) return this.refuse(refusal);
    const fault = fieldFault(raw, this.limits.headerCount);
    if (fault !== undefined)
      return this.refuse(fault === "TooManyFields" ? answers.fieldsTooLarge : answers.badRequest);
    if (this.target === undefined) return this.refuse(answers.badHost);
    const diverting = this.context.divert;
    const diverted = diverting === undefined ? undefined : divert(diverting, this.target);
    if (diverted !== undefined) return this.failed(diverted);
    this.placement = new Placement(this);
    this.placement.start();
  }

  get host(): string {
    return this.target?.host ?? "";
  }

  get secure(): boolean {
    return this.incoming.protocol === "https";
  }

  /** What the request holds in memory while it waits: of what follows it as much as is read ahead. */
  get bytes(): number {
    const { raw, url, hasBody, upgrade, readAhead } = this.incoming;
    const fields = raw.reduce((sum, text) => sum + text.length, url.length);
    return hasBody || upgrade !== undefined ? fields + readAhead : fields;
  }

  field(name: string): string | undefined {
    return fieldOf(this.incoming.raw, name);
  }

  placed(instance: Instance): void {
    if (this.#halfClosedAt !== undefined) this.#halfClosedAt = this.clock.now();
    this.#send(instance, this.#returned);
  }

  /** Ends what goes on for too long without the client doing its part; called now and then. */
  check(now: number): void {
    const { stallMs } = this.limits;
    if (this.#stalledAt !== undefined && now - this.#stalledAt > stallMs) this.incoming.breakOff();
    this.incoming.check?.(now);
    const forlorn = this.#halfClosedAt !== undefined && this.instance !== undefined && !this.answered;
    if (forlorn && now - (this.#halfClosedAt ?? now) > this.limits.hungMs) return this.incoming.breakOff();
    if (this.body === undefined || this.body.stalledFor(now) <= stallMs) return;
    if (this.incoming.begun) this.incoming.breakOff();
    else this.refuse(answers.slowRequest);
  }

  /** The client sends nothing more, but may wait for its answer. False if that can't be told from leaving, and it has no instance. */
  clientEnded(): boolean {
    const { incoming } = this;
    if (this.recorded || incoming.begun) return true;
    if (this.instance === undefined && !incoming.takesInterim) return false;
    this.#halfClosedAt = this.clock.now();
    if (!incoming.takesInterim) return true;
    this.#stopSounding = sound(this.clock, this.instance === undefined, () => {
      if (!incoming.begun && !incoming.gone) incoming.inform(processing.status, []);
    });
    return true;
  }

  #see(): Sighting | undefined {
    const { method, version, protocol, address, raw } = this.incoming;
    return this.context.observer?.see({
      at: this.began,
      method,
      target: this.target?.path ?? "",
      host: this.target?.host ?? "",
      protocol: version,
      scheme: protocol,
      address,
      requestId: this.requestId,
      header: (name) => fieldInList(raw, name),
    });
  }

  #send(instance: Instance, fresh: boolean): void {
    const { method, hasBody, length, upgrade } = this.incoming;
    this.instance = instance;
    this.connected = false;
    const http2 = instance.revision.entry.protocol === "h2c";
    const refusal = http2 ? upgrade?.streamRefusal : undefined;
    if (refusal !== undefined) return this.unsent(refusal);
    const options: CallOptions = {
      instance,
      method: upgrade?.method ?? method,
      path: this.target?.path ?? "/",
      fields: fieldsForApp(this.incoming, this.target?.authority ?? "", this.sighting, http2),
      requestId: this.requestId,
      hasBody,
      length,
      repeatable: isRepeatable(this.incoming),
      fresh,
      upgrade: upgrade?.protocol,
    };
    let call: AppCall;
    try {
      call = newCall(this.context, options, this);
    } catch {
      return this.unsent(answers.badRequest);
    }
    this.call = call;
    call.start();
  }

  appConnected(call: AppCall): void {
    if (call !== this.call) return;
    this.connected = true;
    if (this.instance !== undefined) this.core.reached(this.instance);
    // The body only begins to flow now, so a connection that can't be made costs none of it.
    if (!this.abandoned) this.body?.sendTo(call);
  }

  appContinued(call: AppCall): void {
    const { incoming } = this;
    if (call !== this.call || !incoming.expects || this.abandoned || incoming.begun || this.continued) return;
    this.continued = true;
    incoming.continue();
  }

  appInformed(call: AppCall, status: number, fields: readonly string[]): void {
    const { incoming } = this;
    if (call !== this.call || status === 100 || status === 101) return;
    if (this.abandoned || incoming.begun || !incoming.takesInterim) return;
    for (const text of fields) this.#interimBytes += text.length;
    this.#interimBytes += interimBytes;
    if (this.#interimBytes > mostInterimBytes) return;
    incoming.inform(status, [...fields, "X-Request-Id", this.requestId]);
  }

  appAnswered(call: AppCall, { status, message, fields, empty, trailing }: AppAnswer): void {
    if (call !== this.call) return;
    const { incoming } = this;
    this.answered = true;
    if (incoming.upgrade?.isTakenFor(status) === true && !this.abandoned) return this.failed(answers.badHandshake);
    this.placement?.end();
    this.body?.settle();
    if (this.abandoned) return;
    this.endKeepAlive();
    try {
      incoming.begin({ status, message, fields: this.#answerFields(fields), empty, trailing });
    } catch {
      this.failed(answers.badAnswer);
    }
  }

  appData(call: AppCall, piece: Buffer): void {
    if (this.abandoned || call !== this.call) return;
    this.answerBytes += piece.length;
    if (this.incoming.write(piece)) return;
    call.pause();
    this.#stalledAt = this.clock.now();
  }

  appEnded(call: AppCall, trailers: readonly string[]): void {
    if (call !== this.call) return;
    this.free();
    if (!this.abandoned) this.incoming.end(trailerFields(trailers));
    // The app answered without the whole body: it gets no more of it, and the client's connection is read on to the next request.
    if (this.body !== undefined && !this.incoming.complete) {
      call.destroy();
      this.body.drop();
    }
  }

  appBroke(call: AppCall): void {
    if (call !== this.call || this.abandoned) return;
    // Broken off in the middle: so is the client's copy, or it would look whole.
    this.placement?.broke();
    this.incoming.breakOff(answers.broken);
  }

  appDrained(call: AppCall): void {
    if (call === this.call) this.body?.drained();
  }

  appClosed(call: AppCall): void {
    if (call === this.call) this.free();
  }

  clientDrained(): void {
    this.#stalledAt = undefined;
    this.call?.resume();
  }

  /** The final answer's fields, with the cookie by which the client stays with its Revision. */
  #answerFields(passing: readonly string[]): string[] {
    const fields = [...passing, "X-Request-Id", this.requestId];
    const cookie = this.placement?.setCookie;
    if (cookie !== undefined && !setsCookie(fields, cookieName(cookie))) fields.push("Set-Cookie", cookie);
    return fields;
  }

  appUpgraded(_call: AppCall, app: AppEnd): void {
    this.placement?.end();
    const { incoming, instance } = this;
    const { upgrade } = incoming;
    if (upgrade === undefined || incoming.gone || this.abandoned || instance === undefined) {
      app.cut();
      return this.free();
    }
    if (!upgrade.isAgreed(app)) {
      app.cut();
      return this.unsent(answers.badHandshake);
    }
    let client: ClientEnd;
    try {
      client = upgrade.accept(this.#answerFields(answerFields(app.raw)), app);
    } catch {
      app.cut();
      return this.unsent(answers.badAnswer);
    }
    this.call = undefined;
    this.instance = undefined;
    this.context.done(this);
    this.record(upgrade.status);
    join(this.context, { client, app, instance });
  }

  appFailed(call: AppCall, why: Failure): void {
    const { instance } = this;
    if (call !== this.call || instance === undefined) return;
    if (why === "refused") {
      this.call = undefined;
      this.free();
      this.placement?.refused(instance);
      return;
    }
    if (this.abandoned) return;
    // It keeps its slot and goes on a new connection.
    if (why === "stale") return this.#send(instance, true);
    if (why === "untouched") return this.#again(instance);
    if (why === "foreign") return this.unsent(answers.wrongProtocol);
    if (why === "fixed") return this.unsent(answers.noUpgrade);
    if (why === "unsendable") return this.unsent(answers.badRequest);
    this.failed(why === "malformed" ? answers.badAnswer : answers.broken);
  }

  /** The app did nothing for the request: it may be sent again, whatever it is, if its body is still there. */
  #again(instance: Instance): void {
    if (this.body?.isRepeatable === false) return this.unsent(answers.unreachable);
    this.body?.hold();
    // An app that closes its connections in turn takes it on the next; one that refuses twice is left alone for a moment.
    if (!this.#returned) {
      this.#returned = true;
      return this.#send(instance, true);
    }
    this.call = undefined;
    this.free();
    this.placement?.refused(instance);
  }

  clientOver(): void {
    this.context.done(this);
  }

  /** The client's side is over: answered, or gone. */
  clientClosed(): void {
    this.#stopSounding?.();
    this.#stalledAt = undefined;
    this.placement?.end();
    if (!this.incoming.finished) this.abandon();
    this.record(this.incoming.begun ? this.incoming.status : clientLeft);
  }
}
