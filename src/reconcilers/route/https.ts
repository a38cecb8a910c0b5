/** Which certificates a Route wants, and what its condition says of them. Pure. */
import { isTrue } from "../../api/meta/conditions.ts";
import { type CertificateFinding, routeReasons } from "../../api/route.conditions.ts";
import type { Route } from "../../api/route.ts";
import type { PlannedEvent } from "../../controller/plan.ts";
import { checkGiven, type Fault } from "../../lib/certificates/given.ts";
import type { CertificateState, CertificateWanted } from "../../routing/certificates.ts";

/** What is known of HTTPS. */
export interface HttpsView {
  /** What was asked for last. */
  wanted: readonly CertificateWanted[];
  states: readonly CertificateState[];
  /** Those that `spec.tls` names, by name: what is in them, or why nothing is. */
  secrets: ReadonlyMap<string, TlsSecret>;
}

export type TlsSecret = { cert: string; key: string } | { fault: string };

/** What a Route is called by. */
export interface RouteHosts {
  /** Its host, and those of its named targets, which are below it. */
  own: readonly string[];
  /** The domains that it has. */
  domains: readonly string[];
}

/** Certificates to ask for, and what stands in the way of others. */
export interface WantedCertificates {
  wanted: CertificateWanted[];
  faults: Fault[];
}

/**
 * One for the Route's own hosts, one for each domain, and one for the hosts of each Secret. Where a Secret can't be used, what served before
 * serves on: what was in it last, else what the platform gets.
 */
export function wantedCertificates(
  route: Route,
  hosts: RouteHosts,
  { view, now }: { view: HttpsView; now: number },
): WantedCertificates {
  const wanted: CertificateWanted[] = [];
  const faults: WantedCertificates["faults"] = [];
  const given = new Set<string>();
  const all = [...hosts.own, ...hosts.domains];
  for (const { secretName, hosts: listed } of route.spec.tls ?? []) {
    for (const host of listed) {
      // A domain that another Route has is told by its own condition.
      if (all.includes(host) || route.spec.domains?.includes(host) === true) continue;
      const message = `"${host}" in spec.tls is no host of this Route: add it to spec.domains, or take it out`;
      faults.push({ reason: routeReasons.CertificateMismatch, message });
    }
    const names = listed.filter((host) => all.includes(host));
    if (names.length === 0) continue;
    const id = `secret ${secretName}`;
    const secret = view.secrets.get(secretName) ?? { fault: `Secret "${secretName}" not found` };
    const fault = faultOf(secret, names, now);
    const before = view.wanted.find((one) => one.id === id);
    if (fault !== undefined) faults.push(fault);
    const unit = "fault" in secret || fault !== undefined ? before : { id, names, given: secret };
    if (unit === undefined) continue;
    wanted.push(unit);
    for (const name of unit.names) given.add(name);
  }
  const own = hosts.own.filter((name) => !given.has(name));
  const [host] = hosts.own;
  if (own.length > 0) {
    const whole = host !== undefined && own.length === hosts.own.length;
    wanted.unshift({ id: "hosts", names: own, ...(whole ? { above: host } : {}) });
  }
  for (const domain of hosts.domains) if (!given.has(domain)) wanted.push({ id: `domain ${domain}`, names: [domain] });
  return { wanted, faults };
}

/** What is served is well, so no condition tells of it; but somebody should look before it ends. */
export function renewalEvents(states: readonly CertificateState[]): PlannedEvent[] {
  return states.flatMap(({ names, notAfter, renewal }) => {
    if (renewal === undefined || notAfter === undefined) return [];
    const until = new Date(notAfter).toISOString();
    const message = `The certificate for ${names.join(", ")} could not be renewed, and is served until ${until}: ${renewal}`;
    return [{ type: "Warning", reason: "RenewalFailed", message, once: true }];
  });
}

function faultOf(secret: TlsSecret, names: readonly string[], now: number): Fault | undefined {
  if ("fault" in secret) return { reason: routeReasons.SecretMissing, message: secret.fault };
  const found = checkGiven({ names, given: secret }, now);
  return "reason" in found ? found : undefined;
}

/** What the condition says: the first fault, else what is being worked on. */
export function certificateFinding(
  route: Route,
  { wanted, faults }: WantedCertificates,
  { states, current }: { states: readonly CertificateState[]; current: boolean },
): CertificateFinding {
  const [fault] = faults;
  if (fault !== undefined) return { status: "failed", ...fault };
  const failed = states.find(({ status }) => status === "failed");
  if (current && failed !== undefined) {
    const { reason = routeReasons.CertificateInvalid, message = "" } = failed;
    return { status: "failed", reason, message };
  }
  const ready = (id: string) => current && states.some((state) => state.id === id && state.status === "ready");
  const names = wanted.filter(({ id }) => !ready(id)).flatMap((one) => one.names);
  if (names.length === 0) return { status: "ready" };
  // After a restart of control the gateways are asked again; nothing of what was confirmed is taken back by that.
  const { metadata, status } = route;
  const known = names.every(
    (name) => route.spec.domains?.includes(name) !== true || status?.domains?.includes(name) === true,
  );
  const unchanged =
    known && status?.observedGeneration === metadata.generation && isTrue(status?.conditions, "CertificateReady");
  return unchanged ? { status: "ready" } : { status: "working", names };
}
