/**
 * What to do about a Route: resolve its targets, tell the gateways the split, and say in the status what every gateway has confirmed.
 * Traffic never leaves a Revision that works for one that doesn't. Pure.
 */
import { isDeepStrictEqual } from "node:util";
import { findCondition, isTrue } from "../../api/meta/conditions.ts";
import type { Condition } from "../../api/meta/types.ts";
import type { CertificateWanted } from "../../routing/certificates.ts";
import {
  markCertificate,
  markDomains,
  markGuardTripped,
  markPublishing,
  markRolledOut,
  markRollingOut,
  markRouteStuck,
  markTargetMissing,
  markTrafficAssigned,
  routeReasons,
} from "../../api/route.conditions.ts";
import type { Route, RouteStatus, ServedTarget } from "../../api/route.ts";
import type { Plan, PlannedEvent } from "../../controller/plan.ts";
import type { DomainClaim } from "./domains.ts";
import { certificateFinding, type HttpsView, renewalEvents, wantedCertificates } from "./https.ts";
import type { GuardCount } from "../../routing/traffic.ts";
import { planGuard } from "./guard.ts";
import type { Serving, Split } from "./ledger.ts";
import { hostOf, makeAssignment } from "./make-assignment.ts";
import { requestRules } from "./requests.ts";
import type { RouteNeighbours } from "./resolve.ts";
import { type Owners, ownersIn, ownersOf, sharesOf } from "./slots.ts";
import { type SplitDecision, decideSplit } from "./split.ts";

export interface RouteObserved extends RouteNeighbours {
  readonly route: Route;
  /** What it has told the gateways in this run of control. */
  readonly serving: Serving | undefined;
  readonly domain: string;
  /** The domains that it has claimed; absent: none. */
  readonly domains?: DomainClaim;
  /** Absent: the platform serves no HTTPS. */
  readonly https?: HttpsView;
  /** The URL that clients call for a host. Pure. */
  urlOf: (host: string) => string;
  readonly progressDeadlineMs: number;
  /** Requests of the Route that ended at a Revision, by name, after that time. Pure. */
  counted: (revision: string, at: number) => GuardCount;
}

export type RouteAction =
  | { do: "assign"; split: Split; wanted: string[] }
  /** `namespace/name` of a Revision that is to have an instance before its first request. */
  | { do: "wake"; revision: string }
  /** Declares the domains that the Route wants. */
  | { do: "claim"; domains: string[] }
  /** Declares the certificates that it wants. */
  | { do: "certify"; wanted: CertificateWanted[] }
  | { do: "unassign" };

/** What is left to do about a Route that is gone. */
export const absentRoute: readonly RouteAction[] = [{ do: "unassign" }];

export function planRoute(seen: RouteObserved, now: number): Plan<RouteStatus, RouteAction> {
  const { route, serving } = seen;
  const { metadata, status = {} } = route;
  const name = { namespace: metadata.namespace ?? "", name: metadata.name };
  const current = serving?.split.served ?? status.traffic ?? [];
  const decision = decideSplit(route, seen, current, now);

  const targets = decision.served.length > 0 ? decision.served : decision.candidates;
  const host = hostOf(name, seen.domain);
  const held = (seen.domains?.held ?? []).filter((domain) => route.spec.domains?.includes(domain) === true);
  const addresses = makeAssignment(name, seen.domain, targets, held);
  const rules = requestRules(route, { targets: addresses.targets, matches: decision.matches, before: ownersNow(seen) });
  const split: Split = { assignment: { ...addresses, ...rules }, served: decision.served };
  // What the status says was confirmed once: telling it again after a restart, or to one more gateway, takes nothing back.
  const known =
    decision.served.length > 0 &&
    isDeepStrictEqual(status.traffic, decision.served) &&
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 1) &&
    isTrue(status.conditions, "RolloutComplete");
  const confirmed = isDeepStrictEqual(serving?.split.assignment, split.assignment) && serving?.confirmed === true;
  const traffic = confirmed ? decision.served : (status.traffic ?? []);
  const affinity = confirmed ? ownersToTell(split) : status.affinity;

  const isCurrent = known || confirmed;
  const { counted } = seen;
  const guarded = planGuard({ route, decision, current, seen, confirmed: isCurrent, counted }, now);
  // What traffic may go back to is held as what it goes to.
  const wanted = [...new Set([...decision.wanted, ...guarded.watches.map(({ from }) => from)])];
  const told = isDeepStrictEqual(serving?.split, split) && isDeepStrictEqual(serving?.wanted, wanted);
  const outcome = { decision, tripped: guarded.tripped, current: isCurrent, served: traffic.length > 0 };
  const claimed = markClaims(seen, conditionsOf(seen, outcome, now), now);
  const named = route.spec.rollout.traffic.flatMap((target) => (target.name ? [`${target.name}.${host}`] : []));
  const secured = secure(seen, { own: [...new Set([host, ...named])], domains: held }, { before: claimed, now });
  const { conditions } = secured;
  const { rollout: _over, traffic: _old, domains: _had, affinity: _clients, guard: _watches, ...rest } = status;
  const waits = [decision.nextStepMs, guarded.nextMs, stuckIn(seen, conditions, now)].filter((ms) => ms !== undefined);
  return {
    actions: [
      ...(told ? [] : [{ do: "assign", split, wanted } as const]),
      ...(decision.waitingFor === undefined
        ? []
        : [{ do: "wake", revision: `${name.namespace}/${decision.waitingFor.to}` } as const]),
      ...claims(seen),
      ...secured.actions,
    ],
    status: {
      ...rest,
      domain: host,
      url: seen.urlOf(host),
      ...(held.length > 0 ? { domains: held } : {}),
      ...(traffic.length > 0 ? { traffic } : {}),
      ...(affinity === undefined ? {} : { affinity }),
      ...(guarded.watches.length === 0 ? {} : { guard: guarded.watches }),
      ...(decision.rollout === undefined ? {} : { rollout: decision.rollout }),
      conditions,
      observedGeneration: metadata.generation ?? 1,
    },
    events: [
      ...eventsOf(status.conditions, conditions, { traffic, waits: decision.missing?.exists === true }),
      ...renewalEvents(seen.https?.states ?? []),
    ],
    ...(waits.length === 0 ? {} : { requeueAfterMs: Math.min(...waits) }),
  };
}

/** Which Revision's clients each slot has now: by what was told last, or after a restart by the status. */
function ownersNow({ serving, route }: RouteObserved): Owners {
  const { affinity, targets } = serving?.split.assignment ?? {};
  return affinity === undefined || targets === undefined
    ? ownersOf(route.status?.affinity)
    : ownersIn(affinity, targets);
}

/** For the status; nothing while no good split is served. */
function ownersToTell({ assignment, served }: Split): RouteStatus["affinity"] {
  const { affinity, targets } = assignment;
  return affinity === undefined || served.length === 0 ? undefined : sharesOf(ownersIn(affinity, targets));
}

function claims({ route, domains }: RouteObserved): RouteAction[] {
  const wanted = route.spec.domains ?? [];
  return isDeepStrictEqual(domains?.wanted ?? [], wanted) ? [] : [{ do: "claim", domains: [...wanted] }];
}

/** Which other namespaces there are is not everybody's business. */
function markClaims(seen: RouteObserved, before: Condition[], now: number): Condition[] {
  const { route, domains } = seen;
  const lost = domains?.lost.find(({ domain }) => route.spec.domains?.includes(domain) === true);
  const wanted = (route.spec.domains ?? []).length > 0;
  if (lost === undefined) return markDomains(before, { wanted, settled: claims(seen).length === 0 }, now);
  if (lost.holder === undefined) return markDomains(before, { wanted, settled: true, conflict: lost }, now);
  const [namespace, name = ""] = lost.holder.split("/");
  const holder = namespace === route.metadata.namespace ? `Route "${name}"` : "a Route of another namespace";
  return markDomains(before, { wanted, settled: true, conflict: { domain: lost.domain, holder } }, now);
}

/** The certificates to ask for, and the condition that tells of them. */
function secure(
  seen: RouteObserved,
  hosts: { own: string[]; domains: string[] },
  { before, now }: { before: Condition[]; now: number },
): { actions: RouteAction[]; conditions: Condition[] } {
  const { route, https } = seen;
  if (https === undefined) {
    const off = {
      status: "failed",
      reason: routeReasons.HttpsOff,
      message: "spec.tls needs a platform that serves HTTPS: start it with elafros up --https HOST:PORT",
    } as const;
    return { actions: [], conditions: markCertificate(before, route.spec.tls?.length ? off : undefined, now) };
  }
  const certificates = wantedCertificates(route, hosts, { view: https, now });
  const asked = isDeepStrictEqual(https.wanted, certificates.wanted);
  // Domains that aren't claimed yet are wanted soon.
  const current = asked && claims(seen).length === 0;
  const finding = certificateFinding(route, certificates, { states: https.states, current });
  return {
    actions: asked ? [] : [{ do: "certify", wanted: certificates.wanted }],
    conditions: markCertificate(before, finding, now),
  };
}

interface Outcome {
  decision: SplitDecision;
  /** Why the guard has taken traffic back. */
  tripped: string | undefined;
  /** Every gateway has confirmed the decided split. */
  current: boolean;
  /** Some split is served. */
  served: boolean;
}

function conditionsOf(seen: RouteObserved, outcome: Outcome, now: number): Condition[] {
  const before = seen.route.status?.conditions;
  const { decision } = outcome;
  return decision.missing === undefined
    ? rolloutCondition(seen, outcome, markTrafficAssigned(before, outcome.served, now), now)
    : markTargetMissing(before, decision.missing, now);
}

function rolloutCondition(seen: RouteObserved, outcome: Outcome, before: Condition[], now: number): Condition[] {
  const { decision } = outcome;
  if (outcome.tripped !== undefined) return markGuardTripped(before, outcome.tripped, now);
  const shifting = decision.rollout ?? decision.waitingFor;
  if (shifting === undefined && outcome.current) return markRolledOut(before, now);
  if (isStuck(seen, decision, now)) {
    return markRouteStuck(before, Math.round(seen.progressDeadlineMs / 1000), now);
  }
  return shifting === undefined ? markPublishing(before, now) : markRollingOut(before, shifting, now);
}

/** Since when the gateways, or the first instance of a Revision, are waited for; undefined while all goes its way. */
function waitingSince(seen: RouteObserved, decision: SplitDecision): number | undefined {
  if (seen.serving !== undefined && !seen.serving.confirmed) return seen.serving.since;
  if (decision.waitingFor === undefined) return undefined;
  const rollout = findCondition(seen.route.status?.conditions, "RolloutComplete");
  if (rollout?.status !== "False" || rollout.lastTransitionTime === undefined) return undefined;
  return Date.parse(rollout.lastTransitionTime);
}

function isStuck(seen: RouteObserved, decision: SplitDecision, now: number): boolean {
  const since = waitingSince(seen, decision);
  return since !== undefined && now - since >= seen.progressDeadlineMs;
}

/** When to look again whether it is stuck. */
function stuckIn(seen: RouteObserved, conditions: readonly Condition[], now: number): number | undefined {
  if (isTrue(conditions, "RolloutComplete")) return undefined;
  const since = seen.serving?.confirmed === false ? seen.serving.since : now;
  const left = since + seen.progressDeadlineMs - now;
  return left > 0 ? left : undefined;
}

/** @param state `waits`: what is missing is there and may yet become ready, as with every first deploy */
function eventsOf(
  before: readonly Condition[] | undefined,
  after: readonly Condition[],
  { traffic, waits }: { traffic: readonly ServedTarget[]; waits: boolean },
): PlannedEvent[] {
  const events: PlannedEvent[] = [];
  for (const type of ["AllTrafficAssigned", "RolloutComplete", "DomainsClaimed", "CertificateReady"] as const) {
    const old = findCondition(before, type);
    const now = findCondition(after, type);
    if (now === undefined || (old?.status === now.status && old.reason === now.reason && old.message === now.message))
      continue;
    if (type === "AllTrafficAssigned" && now.status === "False") {
      const kind = waits ? "Normal" : "Warning";
      events.push({ type: kind, reason: now.reason ?? "TargetMissing", message: now.message ?? "" });
    } else if ((type === "DomainsClaimed" || type === "CertificateReady") && now.status === "False") {
      events.push({ type: "Warning", reason: now.reason ?? type, message: now.message ?? "" });
    } else if (type === "CertificateReady" && now.status === "True" && old !== undefined) {
      events.push({ type: "Normal", reason: type, message: "Every gateway has a certificate for each host" });
    } else if (type === "RolloutComplete" && now.status === "True") {
      const split = traffic.map(({ revisionName, percent }) => `${percent}% ${revisionName}`).join(", ");
      events.push({ type: "Normal", reason: "RolloutComplete", message: `Every gateway serves ${split}` });
    } else if (now.reason === "ProgressDeadlineExceeded" || now.reason === "GuardTripped") {
      events.push({ type: "Warning", reason: now.reason, message: now.message ?? "" });
    } else if (type === "RolloutComplete" && now.reason === "RollingOut") {
      events.push({ type: "Normal", reason: now.reason, message: now.message ?? "" });
    }
  }
  return events;
}
