/** Proves that a value from outside (the socket) says shares of slots before anything uses it. */
import type { SharesMessage } from "../routing/link.ts";
import { checksOf } from "./checks.ts";

const { list, text, wrong } = checksOf("the shares of slots");

/** The value as the message. Throws an Error that names the first member at fault. */
export function checkShares(message: Record<string, unknown>): SharesMessage {
  return {
    type: "shares",
    version: count(message["version"], "version"),
    more: list(message["more"], "more").map((item, i) => {
      const [instance, slots] = list(item, `more[${i}]`);
      return [text(instance, `more[${i}][0]`), count(slots, `more[${i}][1]`)];
    }),
    keep: list(message["keep"], "keep").map((item, i) => {
      const [revision, most] = list(item, `keep[${i}]`);
      return [text(revision, `keep[${i}][0]`), most === null ? null : count(most, `keep[${i}][1]`)];
    }),
  };
}

function count(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw wrong(at, "a whole number from 0 on");
  return value;
}
