/** Who may lead: decided from the Lease as it was seen, and when. Pure. */
import { foreignKind } from "../api/meta/foreign-kind.ts";
import type { KubeObject } from "../api/meta/types.ts";

/** coordination.k8s.io/v1 Lease. */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds. */
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export const Lease = foreignKind<Lease>({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
});

/** A Lease, and when this process first saw it as it is now, milliseconds on its own steady clock: other machines' clocks don't count. */
export interface SeenLease {
  lease: Lease;
  at: number;
}

export type LeaseDecision = { do: "create" | "take" | "renew" } | { do: "wait"; ms: number };

/**
 * Another's Lease may be taken once it has stood unchanged before this process's eyes for as long as it says, or was given back.
 * @param identity who asks
 */
export function decideLease(seen: SeenLease | undefined, identity: string, now: number): LeaseDecision {
  if (seen === undefined) return { do: "create" };
  const { holderIdentity = "", leaseDurationSeconds = 0 } = seen.lease.spec ?? {};
  if (holderIdentity === identity) return { do: "renew" };
  if (holderIdentity === "") return { do: "take" };
  const left = seen.at + leaseDurationSeconds * 1_000 - now;
  return left > 0 ? { do: "wait", ms: left } : { do: "take" };
}

/** What this process has seen after it looked again. */
export function lookAgain(before: SeenLease | undefined, lease: Lease, now: number): SeenLease {
  return before !== undefined && isSame(before.lease, lease) ? { lease, at: before.at } : { lease, at: now };
}

function isSame(a: Lease, b: Lease): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.spec?.holderIdentity === b.spec?.holderIdentity &&
    a.spec?.renewTime === b.spec?.renewTime &&
    a.spec?.leaseTransitions === b.spec?.leaseTransitions
  );
}

/** The Lease as its holder writes it: taken anew where another had it, else renewed. `now` in milliseconds since the epoch. */
export function heldLease(
  before: Lease | undefined,
  holder: { namespace: string; name: string; identity: string; durationMs: number },
  now: number,
): Lease {
  const renewTime = microTime(now);
  const renewed = before?.spec?.holderIdentity === holder.identity;
  const transitions = before?.spec?.leaseTransitions ?? 0;
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: before?.metadata ?? { name: holder.name, namespace: holder.namespace },
    spec: {
      holderIdentity: holder.identity,
      leaseDurationSeconds: Math.ceil(holder.durationMs / 1_000),
      acquireTime: (renewed ? before.spec?.acquireTime : undefined) ?? renewTime,
      renewTime,
      leaseTransitions: before === undefined || renewed ? transitions : transitions + 1,
    },
  };
}

/** The Lease given back: whoever looks next may take it. */
export function freedLease(lease: Lease, now: number): Lease {
  const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime(now) };
  return { ...lease, spec };
}

/** As Kubernetes' MicroTime. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
