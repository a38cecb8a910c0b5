/**
 * A client that ends its side of the connection may have left, or only have said that it sends nothing more: the two look the same until it is
 * sent something. So it is sent an interim answer (RFC 9110 §15.2), twice: a client that is there takes both for what they are, and the
 * system of one that has left answers the first with a reset, on which the second fails.
 */
import type { Clock } from "../../lib/clock.ts";

/** A request at an instance is mostly answered sooner, and then nothing precedes its answer. */
const quietMs = 100;
/** Most ways to clients and back are shorter; where one isn't, a client that has left is taken for there until its answer or its deadline. */
const echoMs = 25;

export const processing = { status: 102, text: "HTTP/1.1 102 Processing\r\n\r\n" };

/**
 * @param waits the request has no instance: others wait behind it
 * @param say sends `processing`, if an answer hasn't begun; called twice, unless the returned function was
 */
export function sound(clock: Clock, waits: boolean, say: () => void): () => void {
  let cancel = (): void => {};
  const again = (): void => {
    say();
    cancel = clock.after(echoMs, say);
  };
  if (waits) again();
  else cancel = clock.after(quietMs, again);
  return () => cancel();
}
