/** Admission by ResourceQuota: how many objects a namespace may have, and what CPU its Pods may ask for together. */
import { cpuMilli, formatCpu } from "../../../src/api/meta/quantity.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import type { KubeObject } from "../../../src/api/meta/types.ts";
import { forbidden } from "../../../src/apiserver/service-errors.ts";
import { resourceOf } from "../../../src/apiserver/service-names.ts";
import type { Admission } from "../../../src/apiserver/service-types.ts";
import type { Store } from "../../../src/store/store.ts";

interface Quota extends KubeObject {
  spec?: { hard?: Record<string, string> };
}

interface Containers {
  spec?: { containers?: { name: string; resources?: { requests?: { cpu?: string } } }[] };
  status?: { phase?: string };
}

/** One thing that a quota counts. */
interface Counted {
  /** As the quota names it. */
  name: string;
  asked: number;
  used: number;
  hard: number;
  /** A number as quotas write it. */
  text(value: number): string;
}

const cpuNames = ["requests.cpu", "cpu"];

/** Refuses what a quota of the namespace has no room for. */
export function checkQuota(store: Store, { operation, kind, object }: Admission): void {
  const { namespace, name } = object.metadata;
  if (operation !== "create" || namespace === undefined) return;
  for (const { value } of store.collection("resourcequotas").range(`${namespace}/`)) {
    const quota = value as Quota;
    const counted = Object.entries(quota.spec?.hard ?? {}).flatMap(([what, hard]) =>
      countedOf({ store, kind, object, namespace, quota: quota.metadata.name }, what, hard),
    );
    const over = counted.filter(({ asked, used, hard }) => used + asked > hard);
    if (over.length === 0) continue;
    const list = (field: "asked" | "used" | "hard"): string =>
      over.map((one) => `${one.name}=${one.text(one[field])}`).join(",");
    const why = `exceeded quota: ${quota.metadata.name}, requested: ${list("asked")}, used: ${list("used")}, limited: ${list("hard")}`;
    throw forbidden(kind, name, { why });
  }
}

interface About {
  store: Store;
  kind: Kind;
  object: KubeObject;
  namespace: string;
  quota: string;
}

function countedOf({ store, kind, object, namespace, quota }: About, what: string, hard: string): Counted[] {
  const resource = resourceOf(kind);
  const there = store.collection(resource).range(`${namespace}/`);
  const isPod = resource === "pods";
  // Pods that have ended count no more.
  const live = isPod ? there.filter(({ value }) => !ended(value as Containers)) : there;
  if (what === resource || what === `count/${resource}`) {
    return [{ name: what, asked: 1, used: live.length, hard: Number(hard), text: String }];
  }
  if (!isPod || !cpuNames.includes(what)) return [];
  const missing = (object as Containers).spec?.containers?.filter(
    ({ resources }) => resources?.requests?.cpu === undefined,
  );
  if (missing !== undefined && missing.length > 0) {
    const names = missing.map((container) => container.name).join(",");
    throw forbidden(kind, object.metadata.name, { why: `failed quota: ${quota}: must specify ${what} for: ${names}` });
  }
  const used = live.reduce((sum, { value }) => sum + cpuOf(value as Containers), 0);
  return [{ name: what, asked: cpuOf(object as Containers), used, hard: cpuMilli(hard) ?? 0, text: formatCpu }];
}

function ended({ status }: Containers): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

function cpuOf({ spec }: Containers): number {
  return (spec?.containers ?? []).reduce(
    (sum, { resources }) => sum + (cpuMilli(resources?.requests?.cpu ?? "0") ?? 0),
    0,
  );
}
