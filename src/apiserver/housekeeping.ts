/**
 * What the API server does by itself: deletes what belonged to deleted objects, empties deleted namespaces, keeps the standing
 * namespaces and every namespace's ServiceAccount `default`, and lets Events go after an hour. All of it follows from what is
 * stored, so it goes on where it was after a crash.
 */
import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService, RequestContext } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Store } from "../store/store.ts";
import { followStore } from "./housekeeping-follow.ts";
import { NamespaceKeeper } from "./housekeeping-namespaces.ts";
import { OwnerCollector } from "./housekeeping-owners.ts";
import { resourceOf } from "./service-names.ts";
import { createApiService } from "./service.ts";

export interface HousekeepingOptions {
  store: Store;
  /** The stored kinds: those that aren't virtual. */
  kinds: readonly Kind[];
  clock: Clock;
  log: Log;
  /** What it acts through. Absent: a service of its own over the store. */
  service?: ApiService;
}

export interface Housekeeping {
  /** Ends it; resolves when nothing of it is under way. */
  stop(): Promise<void>;
}

/** How long an Event stays after it happened last. */
const eventLifetimeMs = 3_600_000;
const eventCheckMs = 60_000;
const housekeeper = { username: "system:elafros:housekeeping", groups: ["system:masters"] };

/** Starts it; resolves when the standing namespaces are there. Rejects where they can't be stored. */
export async function startHousekeeping(options: HousekeepingOptions): Promise<Housekeeping> {
  const { store, kinds, clock } = options;
  const log = options.log.child({ part: "housekeeping" });
  // Not a user's request: what it may do is decided here, not by roles that users could take away.
  const service = options.service ?? createApiService({ ...options, log, authorize: () => Promise.resolve() });
  const context = (): RequestContext => ({ user: housekeeper, warnings: [] });
  const owners = new OwnerCollector({ store, service, kinds, context, clock, log });
  const namespaces = new NamespaceKeeper({ store, service, kinds, context, clock, log });
  await namespaces.start();
  const ends = [
    followStore(store, kinds, owners),
    followStore(store, kinds, namespaces),
    expireEvents({ store, kinds, clock, log, service, context }),
  ];
  return {
    async stop() {
      for (const end of ends) end();
      await Promise.all([owners.stop(), namespaces.stop()]);
    },
  };
}

function expireEvents({
  store,
  kinds,
  clock,
  log,
  service,
  context,
}: Omit<HousekeepingOptions, "service"> & { service: ApiService; context: () => RequestContext }): () => void {
  const kind = kinds.find((one) => one.group === "" && one.kind === "Event");
  if (kind === undefined) return () => {};
  let cancel = (): void => {};
  const check = async (): Promise<void> => {
    const limit = clock.now() - eventLifetimeMs;
    for (const { value } of store.collection(resourceOf(kind)).range("")) {
      const { namespace, name, uid = "" } = value.metadata;
      if (happenedAt(value) > limit || namespace === undefined) continue;
      await service.delete(context(), { kind, namespace, name }, { preconditions: { uid } }).catch((error: unknown) => {
        if (!isReason(error, "NotFound", "Conflict")) throw error;
      });
    }
  };
  const arm = (): void => {
    cancel = clock.after(eventCheckMs, () => {
      check()
        .catch((error: unknown) => log.warn({ error }, "cannot remove old events"))
        .finally(arm);
    });
  };
  arm();
  return () => {
    cancel();
    cancel = () => {};
  };
}

/** When an Event happened last, in milliseconds since the epoch. */
function happenedAt(event: KubeObject): number {
  const { lastTimestamp, eventTime, metadata } = event as KubeObject & { lastTimestamp?: string; eventTime?: string };
  return Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? "");
}
