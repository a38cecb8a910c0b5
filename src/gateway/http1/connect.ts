/** Makes a connection to an instance on which raw HTTP/1.1 is spoken. */
import { lookup } from "node:dns";
import { isIP } from "node:net";
import type { Clock } from "../../lib/clock.ts";
import type { GatewayLimits } from "../options.ts";
import type { Instance } from "../state.ts";
import type { AnswerHead } from "./answer-head.ts";
import { Upstream } from "./upstream.ts";

export interface ConnectContext {
  clock: Clock;
  limits: GatewayLimits;
  /** With which the connection's answers are read; one serves a whole thread. */
  answerHead: AnswerHead;
}

/**
 * Begins to connect, for at most `connectMs`.
 *
 * @param connected is told of the connection, which is the caller's then, or that there is none; once, later
 * @returns gives it up: nothing is told any more
 */
export function connectTo(
  { clock, limits, answerHead }: ConnectContext,
  instance: Instance,
  connected: (upstream: Upstream | undefined) => void,
): () => void {
  let over = false;
  let upstream: Upstream | undefined;
  let cancelLate = (): void => {};
  const end = (): boolean => {
    if (over) return false;
    over = true;
    cancelLate();
    return true;
  };
  const fail = (): void => {
    if (!end()) return;
    upstream?.destroy();
    connected(undefined);
  };
  const connect = (address: string): void => {
    upstream = new Upstream({ instance, address, head: answerHead }, (ok) => {
      if (!ok) fail();
      else if (end()) connected(upstream);
    });
    // After the sockets were looked at: it may have come while this thread was busy.
    cancelLate = clock.after(limits.connectMs, () => setImmediate(fail));
  };
  if (isIP(instance.host) !== 0) connect(instance.host);
  else {
    lookup(instance.host, (error, address) => {
      if (over) return;
      if (error === null) connect(address);
      else fail();
    });
  }
  return () => {
    if (end()) upstream?.destroy();
  };
}
