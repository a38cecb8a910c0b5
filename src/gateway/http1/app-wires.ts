/** Raw connections to apps that speak HTTP/1.1, and what is needed to write to them: of one listener in one thread, for all kinds of clients. */
import type { Clock } from "../../lib/clock.ts";
import type { GatewayLimits } from "../options.ts";
import { AnswerHead } from "./answer-head.ts";
import type { ConnectContext } from "./connect.ts";
import { Out } from "./out.ts";
import { Pool } from "./pool.ts";

export interface AppWires extends ConnectContext {
  readonly pool: Pool;
  readonly out: Out;
}

/** To be used only where `wiresSupported`. */
export function createAppWires({ clock, limits }: { clock: Clock; limits: GatewayLimits }): AppWires {
  const answerHead = new AnswerHead(limits.headerBytes);
  return { clock, limits, answerHead, pool: new Pool(), out: new Out() };
}
