/**
 * Records core/v1 Events. The same thing said again about the same object raises the first Event's `count` instead of making
 * another, also after a restart: its name is made from what it says. What an object may say is limited, as in Kubernetes (25 at
 * once, then one each five minutes), so that a crash loop can't fill the store. Writing never delays or fails a reconcile.
 */
import { createHash } from "node:crypto";
import { apiVersionOf } from "../api/meta/kind.ts";
import { isReason } from "../api/meta/errors.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { Event } from "../api/event.ts";
import type { Client } from "../client/client.ts";
import { type Clock, rfc3339 } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { PlannedEvent } from "./plan.ts";

export interface EventRecorder {
  /** Records an Event about an object; returns at once. */
  record(object: KubeObject, event: PlannedEvent): void;
  /** Resolves when everything recorded so far is written or given up. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  log: Log;
  /** `source.component`: who says so. */
  component: string;
}

const burst = 25;
const refillMs = 300_000;
/** Objects whose budget is remembered; the oldest are forgotten first. */
const rememberedObjects = 4096;

/** Creates a recorder that writes through `client`, one Event at a time. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, log, component } = options;
  const budgets = new Map<string, { left: number; at: number }>();
  const told = new Set<string>();
  let tail: Promise<void> = Promise.resolve();

  const allowed = (id: string): boolean => {
    const now = clock.now();
    const budget = budgets.get(id) ?? { left: burst, at: now };
    const refilled = Math.floor((now - budget.at) / refillMs);
    budget.left = Math.min(burst, budget.left + refilled);
    budget.at += refilled * refillMs;
    budgets.delete(id);
    budgets.set(id, budget);
    if (budgets.size > rememberedObjects) budgets.delete(budgets.keys().next().value ?? "");
    if (budget.left === 0) return false;
    budget.left -= 1;
    return true;
  };
  const first = (name: string): boolean => {
    if (told.has(name)) return false;
    told.add(name);
    if (told.size > rememberedObjects) told.delete(told.values().next().value ?? "");
    return true;
  };
  const write = async (event: Event) => {
    try {
      await client.create(Event, event);
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
      const key = { namespace: event.metadata.namespace ?? "default", name: event.metadata.name };
      const known = await client.get(Event, key);
      await client.patch(Event, key, {
        type: "merge",
        body: { count: (known.count ?? 1) + 1, lastTimestamp: event.lastTimestamp },
      });
    }
  };

  return {
    record(object, planned) {
      const event = makeEvent(object, planned, { at: rfc3339(clock.now()), component });
      if (planned.once === true && !first(event.metadata.name)) return;
      if (!allowed(`${event.involvedObject.uid ?? ""} ${planned.budget ?? ""}`)) return;
      tail = tail
        .then(() => write(event))
        .catch((error: unknown) => {
          // A namespace that is going takes no new objects; nobody will look for this Event.
          if (isReason(error, "Forbidden", "NotFound")) return;
          log.warn({ event: event.metadata.name, error }, "Cannot record an event");
        });
    },
    flush: () => tail,
  };
}

/** The Event that says `planned` about `object`. Its name depends on the object, the reason and the message alone. */
function makeEvent(object: KubeObject, planned: PlannedEvent, by: { at: string; component: string }): Event {
  const { metadata } = object;
  const identity = [object.kind, metadata.uid ?? "", planned.type, planned.reason, planned.message].join("\n");
  const hash = createHash("sha256").update(identity).digest("hex").slice(0, 16);
  return {
    apiVersion: apiVersionOf(Event),
    kind: Event.kind,
    metadata: { name: `${metadata.name}.${hash}`, namespace: metadata.namespace ?? "default" },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
      ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
    },
    type: planned.type,
    reason: planned.reason,
    message: planned.message.slice(0, 1024),
    source: { component: by.component },
    reportingComponent: by.component,
    reportingInstance: "",
    firstTimestamp: by.at,
    lastTimestamp: by.at,
    count: 1,
  };
}
