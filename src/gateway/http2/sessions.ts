/** HTTP/2 connections to instances: as few as carry the requests, kept until they have been idle for long or the instance leaves the table. */
import type { Clock } from "../../lib/clock.ts";
import type { GatewayLimits } from "../options.ts";
import type { Instance } from "../state.ts";
import { AppSession } from "./app-session.ts";

const longestIdleMs = 60_000;

export class AppSessions {
  readonly #clock: Clock;
  readonly #limits: GatewayLimits;
  readonly #open = new Map<Instance, AppSession[]>();
  readonly #gone = new WeakSet<Instance>();

  constructor({ clock, limits }: { clock: Clock; limits: GatewayLimits }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** One to send a request on. `fresh`: not one that was there before. */
  take(instance: Instance, fresh: boolean): AppSession {
    const open = this.#open.get(instance) ?? [];
    const found = open.find((one) => one.hasRoom && !(fresh && one.ready));
    if (found !== undefined) return found;
    const session = new AppSession({
      instance,
      clock: this.#clock,
      limits: this.#limits,
      ended: (ended) => this.#remove(instance, ended),
    });
    open.push(session);
    this.#open.set(instance, open);
    return session;
  }

  /** To be called when a request's stream on it has ended: one of an instance that has gone isn't kept. */
  settle(session: AppSession, instance: Instance): void {
    if (this.#gone.has(instance)) session.close();
  }

  /** The instance takes no new request. Streams that there are go on. */
  drop(instance: Instance): void {
    this.#gone.add(instance);
    for (const session of this.#open.get(instance) ?? []) session.close();
    this.#open.delete(instance);
  }

  /** Lets go of what was idle for too long; called now and then. */
  sweep(now: number): void {
    for (const sessions of this.#open.values()) {
      for (const session of sessions) if (session.isIdle && now - session.idleSince > longestIdleMs) session.close();
    }
  }

  close(): void {
    for (const sessions of this.#open.values()) for (const { session } of sessions) session.destroy();
    this.#open.clear();
  }

  #remove(instance: Instance, session: AppSession): void {
    const left = (this.#open.get(instance) ?? []).filter((one) => one !== session);
    if (left.length > 0) this.#open.set(instance, left);
    else this.#open.delete(instance);
  }
}
