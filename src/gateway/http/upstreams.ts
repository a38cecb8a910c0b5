/** Connections to instances: kept alive per instance, and let go when the instance leaves the table. */
import type { Agent } from "node:http";
import { http } from "../../lib/node-http.ts";
import type { Instance } from "../state.ts";

/** Idle connections older than this aren't used again. Apps say theirs in `Keep-Alive`, which Node's agent obeys. */
const idleMs = 30_000;
/**
 * An app may close an idle connection just when a request is sent on it. What can't be repeated is only sent on a connection that was in
 * use a moment ago, which no app closes: the shortest idle limits of common servers are 2 s.
 */
const briefIdleMs = 1_000;
const mostIdle = 256;

interface Pools {
  /** For requests that may be repeated. */
  long: Agent;
  /** For those that may not. */
  brief: Agent;
}

export class Upstreams {
  readonly #pools = new Map<Instance, Pools>();
  readonly #gone = new WeakSet<Instance>();

  /** The pool to send a request with; `repeatable`: it may be sent twice. */
  agent(instance: Instance, repeatable: boolean): Agent {
    let pools = this.#pools.get(instance);
    if (pools === undefined) {
      pools = { long: makeAgent(idleMs), brief: makeAgent(briefIdleMs) };
      // A request that was placed just before the instance left the table: its connection isn't kept.
      if (this.#gone.has(instance)) closeIdle(pools);
      else this.#pools.set(instance, pools);
    }
    return repeatable ? pools.long : pools.brief;
  }

  /** The instance takes no new request. Connections in use end with their request. */
  drop(instance: Instance): void {
    this.#gone.add(instance);
    const pools = this.#pools.get(instance);
    if (pools === undefined) return;
    this.#pools.delete(instance);
    closeIdle(pools);
  }
}

function makeAgent(timeout: number): Agent {
  return new http.Agent({ keepAlive: true, maxFreeSockets: mostIdle, timeout, scheduling: "lifo" });
}

function closeIdle(pools: Pools): void {
  for (const agent of [pools.long, pools.brief]) {
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}
