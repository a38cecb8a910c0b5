/** Takes a gateway's messages apart; nothing that comes over the socket is believed to have its type. */
import {
  type GatewayMessage,
  type HeldShares,
  type InstanceSlots,
  latencySteps,
  type Outcome,
  type RevisionLoad,
} from "../../routing/link.ts";

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
        changes: m["changes"] === true,
        ...(m["shares"] === undefined ? {} : { shares: shares(m) }),
      };
    case "ack":
      return { type: "ack", version: count(m, "version"), draining: texts(m, "draining") };
    case "certified":
      return { type: "certified", version: count(m, "version") };
    case "drained":
      return { type: "drained", instance: text(m, "instance") };
    case "alive":
      return { type: "alive" };
    case "ended":
      return { type: "ended" };
    case "hung":
      return { type: "hung", revision: text(m, "revision"), instance: text(m, "instance") };
    case "demand":
      return {
        type: "demand",
        revision: text(m, "revision"),
        ...(m["trace"] === undefined ? {} : { trace: text(m, "trace") }),
      };
    case "gave":
      return { type: "gave", slots: instanceSlots(m) };
    case "wants":
      return { type: "wants", revisions: wants(m) };
    case "load":
      return { type: "load", ms: amount(m["ms"], "ms"), revisions: loads(m) };
    case "outcomes":
      return { type: "outcomes", outcomes: outcomes(m) };
    case "seen":
      return {
        type: "seen",
        linesDropped: count(m, "linesDropped"),
        spansSent: count(m, "spansSent"),
        spansDropped: count(m, "spansDropped"),
      };
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

/** No sum of a day's worth of these is near what a number can hold. */
const mostAmount = 1e9;

function amount(value: unknown, name: string): number {
  if (typeof value !== "number" || !(value >= 0 && value <= mostAmount)) throw wrong(name, "a number from 0 on");
  return value;
}

function shares(from: Record<string, unknown>): HeldShares {
  const value = from["shares"];
  if (typeof value !== "object" || value === null) throw wrong("shares", "an object");
  const held = value as Record<string, unknown>;
  return { place: text(held, "place"), slots: instanceSlots(held) };
}

function instanceSlots(from: Record<string, unknown>): InstanceSlots[] {
  const value = from["slots"];
  if (!Array.isArray(value)) throw wrong("slots", "a list");
  const seen = new Set<string>();
  return value.map((item: unknown) => {
    const [instance, slots] = Array.isArray(item) ? (item as unknown[]) : [];
    const isCount = typeof slots === "number" && Number.isSafeInteger(slots) && slots > 0;
    if (typeof instance !== "string" || !isCount || seen.has(instance)) {
      throw wrong("slots", "a list of an instance, once, and a whole number from 1 on each");
    }
    seen.add(instance);
    return [instance, slots];
  });
}

function wants(from: Record<string, unknown>): [string, number, number][] {
  const value = from["revisions"];
  if (!Array.isArray(value)) throw wrong("revisions", "a list");
  return value.map((item: unknown) => {
    const [revision, ...amounts] = Array.isArray(item) ? (item as unknown[]) : [];
    const [waiting, busy] = amounts.map((one) => amount(one, "revisions"));
    if (typeof revision !== "string" || waiting === undefined || busy === undefined) {
      throw wrong("revisions", "a list of a name and two numbers each");
    }
    return [revision, waiting, busy];
  });
}

function loads(from: Record<string, unknown>): RevisionLoad[] {
  const value = from["revisions"];
  if (!Array.isArray(value)) throw wrong("revisions", "a list");
  return value.map((item: unknown) => {
    if (!Array.isArray(item)) throw wrong("revisions", "a list of lists");
    const [revision, ...amounts] = item as unknown[];
    const [concurrency, requests, waiting] = amounts.map((one) => amount(one, "revisions"));
    if (typeof revision !== "string" || concurrency === undefined || requests === undefined || waiting === undefined) {
      throw wrong("revisions", "a list of a name and three numbers each");
    }
    return [revision, concurrency, requests, waiting];
  });
}

function outcomes(from: Record<string, unknown>): Outcome[] {
  const value = from["outcomes"];
  if (!Array.isArray(value)) throw wrong("outcomes", "a list");
  return value.map((item: unknown) => {
    // A gateway of an earlier version doesn't say what is under way.
    const {
      route,
      revision,
      codes,
      steps,
      ms,
      running = 0,
      waiting = 0,
      guard,
    } = (item ?? {}) as Record<string, unknown>;
    if (typeof route !== "string" || typeof revision !== "string") throw wrong("outcomes", "named by two texts each");
    if (typeof codes !== "object" || codes === null) throw wrong("outcomes", "counted by status");
    for (const [code, count] of Object.entries(codes)) {
      if (!/^[1-9]\d\d$/.test(code)) throw wrong("outcomes", "counted by status");
      amount(count, "outcomes");
    }
    if (!Array.isArray(steps) || steps.length !== latencySteps.length + 1) throw wrong("outcomes", "counted by time");
    const counts = steps.map((count: unknown) => amount(count, "outcomes"));
    const outcome: Outcome = {
      route,
      revision,
      codes: codes as Record<string, number>,
      steps: counts,
      ms: amount(ms, "outcomes"),
      running: amount(running, "outcomes"),
      waiting: amount(waiting, "outcomes"),
    };
    return guard === undefined ? outcome : { ...outcome, guard: guarded(guard) };
  });
}

function guarded(value: unknown): [number, number, number] {
  const counts = Array.isArray(value) ? value.map((one: unknown) => amount(one, "outcomes")) : [];
  const [requests, errors, slow] = counts;
  if (requests === undefined || errors === undefined || slow === undefined) {
    throw wrong("outcomes", "counted for a guard by three numbers");
  }
  return [requests, errors, slow];
}

function wrong(name: string, should: string): Error {
  return new Error(`Cannot read a gateway's message: ${name} must be ${should}`);
}
