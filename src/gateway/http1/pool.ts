/** Connections to instances that wait for their next request. */
import type { Instance } from "../state.ts";
import type { Upstream } from "./upstream.ts";

/**
 * An app may close an idle connection just when a request is sent on it. What can't be repeated is only sent on a connection that was in
 * use a moment ago, which no app closes: the shortest idle limits of common servers are 2 s.
 */
const briefIdleMs = 1_000;
const mostIdle = 256;

export class Pool {
  readonly #idle = new Map<Instance, Upstream[]>();
  readonly #gone = new WeakSet<Instance>();

  /** The connection that was used last; `repeatable`: the request may be sent twice. */
  take(instance: Instance, now: number, repeatable: boolean): Upstream | undefined {
    const idle = this.#idle.get(instance);
    if (idle === undefined) return undefined;
    for (let upstream = idle.pop(); upstream !== undefined; upstream = idle.pop()) {
      if (upstream.wire.closed) continue;
      const age = now - upstream.idleSince;
      if (age > upstream.idleMs) {
        upstream.destroy();
      } else if (!repeatable && age > briefIdleMs) {
        idle.push(upstream);
        return undefined;
      } else return upstream;
    }
    return undefined;
  }

  /** Keeps a connection whose answer has ended. */
  put(upstream: Upstream, now: number): void {
    const { instance } = upstream;
    let idle = this.#idle.get(instance);
    if (idle === undefined) {
      // Of a request that was placed before the instance left the table.
      if (this.#gone.has(instance)) return upstream.destroy();
      this.#idle.set(instance, (idle = []));
    }
    if (idle.length >= mostIdle || upstream.idleMs <= 0) return upstream.destroy();
    upstream.idleSince = now;
    idle.push(upstream);
  }

  /** The instance takes no new request. Connections in use end with their request. */
  drop(instance: Instance): void {
    this.#gone.add(instance);
    for (const upstream of this.#idle.get(instance) ?? []) upstream.destroy();
    this.#idle.delete(instance);
  }

  /** Lets go of what waited for too long, or was closed by its app. */
  sweep(now: number): void {
    for (const [instance, idle] of this.#idle) {
      const kept = idle.filter(({ wire, idleSince, idleMs }) => !wire.closed && now - idleSince <= idleMs);
      if (kept.length === idle.length) continue;
      for (const upstream of idle) if (!kept.includes(upstream)) upstream.destroy();
      this.#idle.set(instance, kept);
    }
  }

  close(): void {
    for (const idle of this.#idle.values()) for (const upstream of idle) upstream.destroy();
    this.#idle.clear();
  }
}
