/**
 * What becomes of an app's work when the client was answered by the gateway (504) or has gone. On a Revision without a concurrency limit
 * the app's connection is closed at once. With a limit, the slot stays taken until the work has ended: the rest of the answer is read
 * and dropped, without telling the app, since many servers close at the first sign of a closed client while their handler works on, and that would
 * look like the end of it. What doesn't end within `hungMs` is lost, and control replaces the instance. Only an app that may be waiting for the client
 * is told, by half-closing its connection: one that lacks a part of the request, and one that has begun an answer, which could go on for ever.
 */
import type { Clock } from "../../lib/clock.ts";
import type { GatewayLimits } from "../options.ts";

/** How long an answer that has begun may go on for a client that has gone, before the app is told. */
const quietAfterBeginMs = 1_000;

export interface Work {
  /** The connection to the app: `end` half-closes it. */
  upstream: { readonly socket: { end(): unknown } | null; destroy(): unknown };
  /** The answer, if it has begun; `resume` reads on. */
  answer: { resume(): unknown } | undefined;
  /** The app has the whole request. Without, it waits for what never comes, and is told at once. */
  whole: boolean;
  /** Called if the work doesn't end; its connection is closed then. */
  lost(): void;
}

/** Lets work on a limited instance end; the returned function says that it has. */
export function outlast({ clock, limits }: { clock: Clock; limits: GatewayLimits }, work: Work): () => void {
  const { upstream, answer } = work;
  let cancel = (): void => {};
  const giveUp = (): void => {
    work.lost();
    upstream.destroy();
  };
  const tell = (): void => {
    upstream.socket?.end();
    cancel = clock.after(limits.hungMs, giveUp);
  };
  answer?.resume();
  if (!work.whole) tell();
  else if (answer !== undefined) cancel = clock.after(quietAfterBeginMs, tell);
  else cancel = clock.after(limits.hungMs, giveUp);
  return () => cancel();
}
