/** Takes a gateway's messages apart; nothing that comes over the socket is believed to have its type. */
import type { GatewayMessage } from "../../routing/link.ts";

/** The message of one line; undefined for a type that a newer gateway may know. Throws an Error that names the member at fault. */
export function parseGatewayMessage(line: string): GatewayMessage | undefined {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new Error("Cannot read a gateway's message: not an object");
  const m = value as Record<string, unknown>;
  switch (m["type"]) {
    case "hello":
      return {
        type: "hello",
        gateway: text(m, "gateway"),
        pid: count(m, "pid"),
        serving: count(m, "serving"),
        draining: texts(m, "draining"),
      };
    case "ack":
      return { type: "ack", version: count(m, "version"), draining: texts(m, "draining") };
    case "drained":
      return { type: "drained", instance: text(m, "instance") };
    case "alive":
      return { type: "alive" };
    case "hung":
      return { type: "hung", revision: text(m, "revision"), instance: text(m, "instance") };
    default:
      return undefined;
  }
}

function text(from: Record<string, unknown>, name: string): string {
  const value = from[name];
  if (typeof value !== "string" || value === "" || value.length > 1024) throw wrong(name, "a text");
  return value;
}

function texts(from: Record<string, unknown>, name: string): string[] {
  const value = from[name];
  if (!Array.isArray(value)) throw wrong(name, "a list of texts");
  return value.map((item: unknown) => {
    if (typeof item !== "string") throw wrong(name, "a list of texts");
    return item;
  });
}

function count(from: Record<string, unknown>, name: string): number {
  const value = from[name];
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(name, "a whole number");
  return value as number;
}

function wrong(name: string, should: string): Error {
  return new Error(`Cannot read a gateway's message: ${name} must be ${should}`);
}
