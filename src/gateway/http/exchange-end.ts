/**
 * What an exchange has, and how it ends: answered by the app, answered by the gateway, given up by its client. What it had taken is given back then,
 * and what became of it is told. The rest of it is in exchange.ts: the two are one object, since there is one for each request.
 */
import { type Answer, answers } from "../answers.ts";
import type { Core } from "../core.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Target } from "../match.ts";
import type { GatewayLimits } from "../options.ts";
import type { Placement } from "../placement.ts";
import type { Sighting } from "../seen/sighting.ts";
import type { Instance } from "../state.ts";
import { Body } from "./body.ts";
import type { AppCall } from "./call.ts";
import type { FrontContext } from "./context.ts";
import { isSaneRequestId } from "./headers.ts";
import type { Incoming } from "./incoming.ts";
import { outlast } from "./outlast.ts";

export abstract class ExchangeEnd {
  readonly began: number;
  readonly core: Core;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
  sighting: Sighting | undefined;
  protected readonly context: FrontContext;
  protected readonly incoming: Incoming;
  protected readonly requestId: string;
  protected readonly body: Body | undefined;
  protected target: Target | undefined;
  protected placement: Placement | undefined;
  /** Its slot is taken. */
  protected instance: Instance | undefined;
  /** The newest; what others tell is of no interest any more. */
  protected call: AppCall | undefined;
  protected connected = false;
  protected continued = false;
  /** The app's answer has begun. */
  protected answered = false;
  /** Nobody takes the answer any more. */
  protected abandoned = false;
  protected recorded = false;
  /** Of the answer's body, for the client. */
  protected answerBytes = 0;
  #stopOutlasting: (() => void) | undefined;

  constructor(context: FrontContext, incoming: Incoming) {
    this.context = context;
    this.incoming = incoming;
    this.core = context.core;
    this.clock = context.clock;
    this.limits = context.limits;
    this.began = context.clock.now();
    this.body = incoming.hasBody ? new Body(incoming, context.clock) : undefined;
    this.requestId = isSaneRequestId(incoming.givenId) ? incoming.givenId : context.newId();
  }

  /** Ends an answer that began before `time`, if it has begun. */
  shed(time: number): void {
    if (this.began < time && this.answered) this.incoming.breakOff(answers.tooOld);
  }

  /** The gateway answers, or breaks off what has begun. */
  failed(answer: Answer): void {
    const { incoming } = this;
    this.placement?.end();
    this.abandon();
    if (incoming.begun || incoming.gone) return incoming.breakOff(answer);
    this.endKeepAlive();
    this.answerBytes = incoming.reply(answer, { requestId: this.requestId, verbose: this.context.verboseErrors });
    this.body?.drop();
  }

  /** As `failed`, for a request of which the app gets nothing though it has a slot. */
  protected unsent(answer: Answer): void {
    this.call = undefined;
    this.free();
    this.failed(answer);
  }

  /** As `failed`, for a request that the gateway doesn't want to read on from. */
  protected refuse(answer: Answer): void {
    this.incoming.isLast();
    this.failed(answer);
  }

  /** The client may or may not send the body that it was not told to send: only a new connection is clear again. */
  protected endKeepAlive(): void {
    if (this.context.draining() || (this.incoming.expects && !this.continued)) this.incoming.isLast();
  }

  /** Nobody takes the answer any more; see outlast.ts. */
  protected abandon(): void {
    if (this.abandoned) return;
    this.abandoned = true;
    const { call, instance } = this;
    if (call === undefined || instance === undefined) return;
    if (instance.revision.entry.concurrency === 0 || !this.connected) {
      call.destroy();
      return;
    }
    this.#stopOutlasting = outlast(this.context, {
      upstream: { socket: { end: () => call.tell() }, destroy: () => call.destroy() },
      answer: this.answered ? call : undefined,
      whole: this.body?.sent !== false,
      lost: () => {
        this.instance = undefined;
        this.core.lose(instance);
      },
    });
  }

  /** What became of the request; of an upgraded one, that it was. */
  protected record(status: number): void {
    if (this.recorded) return;
    this.recorded = true;
    if (this.sighting !== undefined) this.sighting.callStatus = this.incoming.callStatus;
    const ms = this.clock.now() - this.began;
    if (this.placement !== undefined) {
      this.placement.ended(status, ms, this.answerBytes);
      return;
    }
    this.core.outcomes.refused(status);
    this.sighting?.ended({ status, ms, bytes: this.answerBytes, route: "", revision: "" });
  }

  /** Gives the instance's slot back. */
  protected free(): void {
    const { instance } = this;
    if (instance === undefined) return;
    this.instance = undefined;
    this.#stopOutlasting?.();
    this.core.release(instance);
  }
}
