/** What the stand-ins of Kubernetes' controllers share: they see the store change, and write through the API. */
import { createHash } from "node:crypto";
import { Event } from "../../../../src/api/event.ts";
import { apiVersionOf, type Kind } from "../../../../src/api/meta/kind.ts";
import { isReason } from "../../../../src/api/meta/errors.ts";
import type { ApiService, RequestContext } from "../../../../src/api/meta/service.ts";
import type { KubeObject, OwnerReference } from "../../../../src/api/meta/types.ts";
import { copyJson, equalJson } from "../../../../src/apiserver/json.ts";
import { followStore } from "../../../../src/apiserver/housekeeping-follow.ts";
import { KeyQueue } from "../../../../src/apiserver/housekeeping-queue.ts";
import { keyOf, resourceOf } from "../../../../src/apiserver/service-names.ts";
import { type Clock, rfc3339 } from "../../../../src/lib/clock.ts";
import type { Log } from "../../../../src/lib/log.ts";
import type { Store } from "../../../../src/store/store.ts";

export interface ControllerParts {
  store: Store;
  service: ApiService;
  clock: Clock;
  log: Log;
}

/** Who the cluster's own parts are. */
export const systemContext = (): RequestContext => ({
  user: { username: "system:kube-controller-manager", groups: ["system:masters"] },
  warnings: [],
});

/** A stand-in: what it follows, which keys a change touches, and what is to be done about a key. */
export interface ControllerSpec {
  name: string;
  follows: readonly Kind[];
  keys: (kind: Kind, object: KubeObject) => readonly string[];
  work: (key: string) => Promise<void>;
}

export interface Controller {
  /** Looks at a key again after a time. */
  again(key: string, ms: number): void;
  stop(): Promise<void>;
}

/** Runs a stand-in. Another writer's haste is no failure: it looks again at once. */
export function runController({ store, clock, log }: ControllerParts, spec: ControllerSpec): Controller {
  const timers = new Set<() => void>();
  const work = async (key: string): Promise<void> => {
    try {
      await spec.work(key);
    } catch (error) {
      if (!isReason(error, "Conflict", "NotFound", "AlreadyExists")) throw error;
      queue.add(key);
    }
  };
  const queue = new KeyQueue({ name: spec.name, clock, log, work });
  const add = (kind: Kind, object: KubeObject): void => {
    for (const key of spec.keys(kind, object)) queue.add(key);
  };
  const end = followStore(store, spec.follows, { seen: add, gone: add });
  return {
    again(key, ms) {
      const cancel = clock.after(ms, () => {
        timers.delete(cancel);
        queue.add(key);
      });
      timers.add(cancel);
    },
    async stop() {
      end();
      for (const cancel of timers) cancel();
      await queue.stop();
    },
  };
}

/** An object as the store has it; undefined where it is gone. Not to be changed. */
export function read({ store }: ControllerParts, kind: Kind, key: string): KubeObject | undefined {
  return store.collection(resourceOf(kind)).get(key)?.value;
}

/** The objects of a namespace, or all. Not to be changed. */
export function all<T extends KubeObject>({ store }: ControllerParts, kind: Kind, namespace?: string): T[] {
  const prefix = namespace === undefined ? "" : `${namespace}/`;
  return store
    .collection(resourceOf(kind))
    .range(prefix)
    .map(({ value }) => value as T);
}

/** `namespace/name`, or the name. */
export function keyOfObject(kind: Kind, { metadata }: KubeObject): string {
  return keyOf(kind, metadata.namespace, metadata.name);
}

/** The key of the controller that owns an object, where it is of a kind. */
export function ownerKeys(kind: Kind, { metadata }: KubeObject): string[] {
  const owner = metadata.ownerReferences?.find((one) => one.controller === true && one.kind === kind.kind);
  return owner === undefined ? [] : [`${metadata.namespace ?? ""}/${owner.name}`];
}

export function isOwnedBy({ metadata }: KubeObject, owner: KubeObject): boolean {
  return (
    metadata.ownerReferences?.some(({ uid, controller }) => controller === true && uid === owner.metadata.uid) === true
  );
}

export function ownerReference(kind: Kind, { metadata }: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name: metadata.name,
    uid: metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Writes the whole status of an object as it was read, where it is another one. */
export async function writeStatus(
  { service }: ControllerParts,
  kind: Kind,
  { object, status }: { object: KubeObject & { status?: unknown }; status: unknown },
): Promise<void> {
  if (equalJson(object.status, status)) return;
  const { namespace = "", name } = object.metadata;
  const target = { kind, namespace, name, subresource: "status" } as const;
  await service.update(systemContext(), target, { ...copyJson(object), status });
}

interface Happening {
  type?: "Normal" | "Warning";
  reason: string;
  message: string;
  component: string;
  fieldPath?: string;
}

/** Tells of something that happened to an object; the same again counts up. */
export async function tell(
  { service, clock, store }: ControllerParts,
  kind: Kind,
  { object, what }: { object: KubeObject; what: Happening },
): Promise<void> {
  const { namespace = "default", name, uid = "" } = object.metadata;
  const { type = "Normal", reason, message, component, fieldPath } = what;
  const id = createHash("sha256").update([uid, type, reason, message, fieldPath].join("\0")).digest("hex").slice(0, 16);
  const now = rfc3339(clock.now());
  const target = { kind: Event, namespace, name: `${name}.${id}` };
  const before = store.collection(resourceOf(Event)).get(`${namespace}/${target.name}`)?.value as Event | undefined;
  const involvedObject = { kind: kind.kind, apiVersion: apiVersionOf(kind), namespace, name, uid };
  try {
    if (before !== undefined) {
      const body = { count: (before.count ?? 1) + 1, lastTimestamp: now };
      await service.patch(systemContext(), target, { type: "merge", body });
      return;
    }
    await service.create(
      systemContext(),
      { kind: Event, namespace },
      {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: target.name, namespace },
        involvedObject: fieldPath === undefined ? involvedObject : { ...involvedObject, fieldPath },
        reason,
        message,
        type,
        source: { component },
        reportingComponent: component,
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
      },
    );
  } catch (error) {
    // The namespace goes, or another one told it at the same time.
    if (!isReason(error, "NotFound", "Forbidden", "AlreadyExists", "Conflict")) throw error;
  }
}
