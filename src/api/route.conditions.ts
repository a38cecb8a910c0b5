/**
 * The conditions of a Route.
 *
 * `AllTrafficAssigned`: every target of the spec can take its share. `RolloutComplete`: every gateway serves what the spec
 * asks for, and no shift is under way. `Ready`: some split is served, and AllTrafficAssigned; a shift doesn't lower it, and neither do
 * the two that are there where they say something: `DomainsClaimed`, the Route has all the domains of its spec, and `CertificateReady`,
 * every gateway has a certificate for each of its hosts.
 */
import { conditionSet } from "./meta/conditions.ts";
import type { Condition } from "./meta/types.ts";

/** Every condition type of a Route. */
type RouteConditionType = "Ready" | "RolloutComplete" | "AllTrafficAssigned" | "DomainsClaimed" | "CertificateReady";

/**
 * The reasons of a Route's conditions.
 * @public
 */
export const routeReasons = {
  /** A Revision that a target names, directly or by its Configuration, does not exist or was never ready. */
  RevisionMissing: "RevisionMissing",
  /** A Configuration that a target names does not exist. */
  ConfigurationMissing: "ConfigurationMissing",
  /** Traffic is being shifted to a new Revision, step by step. */
  RollingOut: "RollingOut",
  /** Not every gateway has confirmed the split yet. */
  Publishing: "Publishing",
  /** The guard has taken traffic back from a new Revision. */
  GuardTripped: "GuardTripped",
  /** The split has not become what the spec asks for in time. */
  ProgressDeadlineExceeded: "ProgressDeadlineExceeded",
  /** Another Route has claimed a domain before. */
  DomainConflict: "DomainConflict",
  /** A certificate is being made or fetched, or brought to the gateways. */
  Issuing: "Issuing",
  /** The spec names certificates, and the platform has no listener for HTTPS. */
  HttpsOff: "HttpsOff",
  /** A Secret with a certificate does not exist, or has another type. */
  SecretMissing: "SecretMissing",
  /** What a Secret holds is no certificate, or not the key to it. */
  CertificateInvalid: "CertificateInvalid",
  /** A certificate isn't for the host that is to have it. */
  CertificateMismatch: "CertificateMismatch",
  /** A certificate has ended. */
  CertificateExpired: "CertificateExpired",
  /** The local authority could not make a certificate. */
  CertificateAuthorityFailed: "CertificateAuthorityFailed",
  /** The ACME server can't be reached. */
  AcmeUnreachable: "AcmeUnreachable",
  /** It didn't find at a host what it looked for. */
  AcmeChallengeFailed: "AcmeChallengeFailed",
  /** It refuses an account or an order. */
  AcmeRefused: "AcmeRefused",
  /** It has been asked too often. */
  AcmeRateLimited: "AcmeRateLimited",
  /** It didn't finish in time. */
  AcmeTimeout: "AcmeTimeout",
  /** A wildcard, for which an ACME server would want proof by DNS. */
  WildcardNeedsSecret: "WildcardNeedsSecret",
} as const;

/** A target that can't take its share. */
export interface MissingTarget {
  kind: "Revision" | "Configuration";
  name: string;
  /** Whether it exists and has no Revision that was ever ready. */
  exists: boolean;
}

type Conditions = readonly Condition[] | undefined;

const set = conditionSet<RouteConditionType>({ happy: "Ready", dependents: ["AllTrafficAssigned"] });
/** The same without deriving `Ready`. */
const alone = conditionSet<RouteConditionType>({ happy: "Ready", dependents: [] });

/**
 * Every target can take its share. `served` says whether some split of the Route is served by every gateway: until then
 * `Ready` is Unknown.
 */
export function markTrafficAssigned(conditions: Conditions, served: boolean, now: number): Condition[] {
  if (served) return set.mark(conditions, "AllTrafficAssigned", { status: "True" }, now);
  const assigned = alone.mark(conditions, "AllTrafficAssigned", { status: "True" }, now);
  return alone.mark(assigned, "Ready", { status: "Unknown", reason: routeReasons.Publishing }, now);
}

/** A target can't take its share; what was served before goes on being served. */
export function markTargetMissing(conditions: Conditions, target: MissingTarget, now: number): Condition[] {
  const finding = { status: "False", reason: missingReason(target), message: missingMessage(target) } as const;
  return set.mark(set.mark(conditions, "AllTrafficAssigned", finding, now), "RolloutComplete", finding, now);
}

function missingReason(target: MissingTarget): string {
  return target.kind === "Configuration" && !target.exists
    ? routeReasons.ConfigurationMissing
    : routeReasons.RevisionMissing;
}

function missingMessage({ kind, name, exists }: MissingTarget): string {
  if (!exists) return `${kind} "${name}" referenced in rollout.traffic not found`;
  return kind === "Revision"
    ? `Revision "${name}" referenced in rollout.traffic was never ready`
    : `Configuration "${name}" referenced in rollout.traffic has no ready Revision`;
}

/** Every gateway serves what the spec asks for. */
export function markRolledOut(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "RolloutComplete", { status: "True" }, now);
}

/** Traffic is being shifted from one Revision to another. */
export function markRollingOut(conditions: Conditions, shift: { from: string; to: string }, now: number): Condition[] {
  const message = `Shifting traffic from ${shift.from} to ${shift.to}`;
  return set.mark(conditions, "RolloutComplete", { status: "False", reason: routeReasons.RollingOut, message }, now);
}

/** The guard has taken traffic back; the message says from which Revision and why. */
export function markGuardTripped(conditions: Conditions, message: string, now: number): Condition[] {
  return set.mark(conditions, "RolloutComplete", { status: "False", reason: routeReasons.GuardTripped, message }, now);
}

/** The gateways are being told the split. */
export function markPublishing(conditions: Conditions, now: number): Condition[] {
  return set.mark(conditions, "RolloutComplete", { status: "False", reason: routeReasons.Publishing }, now);
}

/** The split has not become what the spec asks for in time. */
export function markRouteStuck(conditions: Conditions, seconds: number, now: number): Condition[] {
  const message = `Unable to update traffic split for more than ${seconds} seconds.`;
  const finding = { status: "False", reason: routeReasons.ProgressDeadlineExceeded, message } as const;
  return set.mark(conditions, "RolloutComplete", finding, now);
}

/** The Route has all its domains, or says which it hasn't; without domains there is nothing to say. */
export function markDomains(
  conditions: Conditions,
  claim: { wanted: boolean; settled: boolean; conflict?: { domain: string; holder: string | undefined } },
  now: number,
): Condition[] {
  const { wanted, settled, conflict } = claim;
  if (!wanted) return without(conditions, "DomainsClaimed");
  if (conflict === undefined) {
    return set.mark(conditions, "DomainsClaimed", { status: settled ? "True" : "Unknown" }, now);
  }
  const { domain, holder } = conflict;
  const message =
    holder === undefined
      ? `Domain "${domain}" is under the platform's own: name the Route so, or choose another domain`
      : `Domain "${domain}" is claimed by ${holder}: take it out of spec.domains there, or here`;
  const finding = { status: "False", reason: routeReasons.DomainConflict, message } as const;
  return set.mark(conditions, "DomainsClaimed", finding, now);
}

/** What is said of a Route's certificates together. */
export type CertificateFinding =
  | { status: "ready" }
  | { status: "working"; names: readonly string[] }
  | { status: "failed"; reason: string; message: string };

/** Whether every host of the Route can be called over HTTPS; undefined where the platform serves none. */
export function markCertificate(
  conditions: Conditions,
  finding: CertificateFinding | undefined,
  now: number,
): Condition[] {
  if (finding === undefined) return without(conditions, "CertificateReady");
  if (finding.status === "ready") return set.mark(conditions, "CertificateReady", { status: "True" }, now);
  if (finding.status === "failed") {
    const { reason, message } = finding;
    return set.mark(conditions, "CertificateReady", { status: "False", reason, message }, now);
  }
  const message = `Getting a certificate for ${finding.names.join(", ")}`;
  const found = { status: "Unknown", reason: routeReasons.Issuing, message } as const;
  return set.mark(conditions, "CertificateReady", found, now);
}

function without(conditions: Conditions, type: RouteConditionType): Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}
