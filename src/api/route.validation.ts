/** Faults of a Route beyond its schema. */
import { durationWords, parseDuration } from "./meta/duration.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, duplicate, index, invalid, required } from "./meta/faults.ts";
import { type Check, dns1035Label, dns1123Label, dns1123Subdomain } from "./meta/names.ts";
import { guardFaults } from "./route-guard.validation.ts";
import { affinityFaults, matchFaults } from "./route-match.validation.ts";
import type { Route, RouteTarget, RouteTls } from "./route.ts";

/** The longest shift: a week. */
const maxDurationMs = 7 * 24 * 3_600_000;

/** Faults beyond the schema. */
export function validateRoute(route: Route): Cause[] {
  const path = "spec.rollout.traffic";
  const { traffic, duration, affinity, guard } = route.spec.rollout;
  return [
    ...traffic.flatMap((target, position) => targetFaults(target, index(path, position))),
    ...nameFaults(traffic, path),
    ...sumFaults(traffic, path),
    ...durationFaults(duration, "spec.rollout.duration"),
    ...affinityFaults(affinity, "spec.rollout.affinity"),
    ...hostFaults(route.spec.domains ?? [], "spec.domains"),
    ...tlsFaults(route.spec.tls ?? [], "spec.tls"),
    ...guardFaults(guard, "spec.rollout.guard"),
  ];
}

/** A host that is no address: clients ask for those without a name, and no authority signs for them. */
const domain: Check = (value) => {
  const plain = value.startsWith("*.") ? value.slice(2) : value;
  const faults = dns1123Subdomain(plain);
  if (faults.length > 0 || value.length > 253)
    return faults.length > 0 ? faults : ["must be no more than 253 characters"];
  const labels = plain.split(".");
  if (labels.some((label) => label.length > 63)) return ["each label must be no more than 63 characters"];
  if (labels.length < 2) return ["must have at least two labels, as www.example.com; after *. as well"];
  return /^\d+$/.test(labels.at(-1) ?? "") ? ["must be a DNS name, not an address"] : [];
};

function hostFaults(hosts: readonly string[], path: string): Cause[] {
  return hosts.flatMap((host, position) => {
    const field = index(path, position);
    if (host === "") return [required(field)];
    return hosts.indexOf(host) < position ? [duplicate(field, host)] : checked(domain, host, field);
  });
}

/** A host has one certificate. */
function tlsFaults(entries: readonly RouteTls[], path: string): Cause[] {
  const seen = new Set<string>();
  return entries.flatMap(({ secretName, hosts }, position) => {
    const entry = index(path, position);
    const field = at(entry, "hosts");
    const again = hosts.flatMap((host, i) => (seen.has(host) ? [duplicate(index(field, i), host)] : []));
    for (const host of hosts) seen.add(host);
    const name = at(entry, "secretName");
    return [
      ...(secretName === "" ? [required(name)] : checked(dns1123Subdomain, secretName, name)),
      ...hostFaults(hosts, field),
      ...again,
    ];
  });
}

function targetFaults(target: RouteTarget, path: string): Cause[] {
  const { configurationName = "", revisionName = "" } = target;
  const faults: Cause[] = [];
  if ((configurationName === "") === (revisionName === "")) {
    const words = configurationName === "" ? "neither is set" : "both are set";
    faults.push(invalid(path, target, `must have exactly one of configurationName and revisionName: ${words}`));
  }
  return [
    ...faults,
    ...checked(dns1035Label(50), configurationName, at(path, "configurationName")),
    ...checked(dns1035Label(63), revisionName, at(path, "revisionName")),
    ...checked(dns1123Label, target.name, at(path, "name")),
    ...matchFaults(target.match, at(path, "match")),
  ];
}

/** A name is one address, so it can't lead to two targets. */
function nameFaults(traffic: readonly RouteTarget[], path: string): Cause[] {
  const targets = new Map<string, string>();
  return traffic.flatMap((target, position) => {
    const { name = "", configurationName = "", revisionName = "" } = target;
    if (name === "") return [];
    const identity = `${configurationName}/${revisionName}`;
    const known = targets.get(name);
    targets.set(name, known ?? identity);
    return known === undefined || known === identity ? [] : [duplicate(at(index(path, position), "name"), name)];
  });
}

function sumFaults(traffic: readonly RouteTarget[], path: string): Cause[] {
  const sum = traffic.reduce((total, { percent }) => total + percent, 0);
  // NaN: a percent is missing or no number, which the schema has told. An empty list is a fault of its own, too.
  if (sum === 100 || Number.isNaN(sum) || traffic.length === 0) return [];
  return [invalid(path, sum, "percentages must total 100")];
}

function durationFaults(duration: string | undefined, field: string): Cause[] {
  if (duration === undefined) return [];
  const ms = parseDuration(duration);
  if (ms === undefined) return [invalid(field, duration, durationWords)];
  if (ms < 0) return [invalid(field, duration, "must be greater than or equal to 0s")];
  return ms > maxDurationMs ? [invalid(field, duration, "must be less than or equal to 168h")] : [];
}
