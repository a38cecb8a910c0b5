/** Whether one set of rules grants no more than another: what keeps users from giving away rights that they don't have. */
import { type PolicyRule, pathMatches } from "./rbac.ts";

/** The parts of `wanted`, broken down to one verb, group and resource (or path) each, that no rule of `owned` covers. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !owned.some((rule) => covers(rule, part)));
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) parts.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const part: PolicyRule = { verbs: [verb], apiGroups: [group], resources: [resource] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) parts.push(part);
        else for (const name of names) parts.push({ ...part, resourceNames: [name] });
      }
    }
  }
  return parts;
}

function hasAll(owned: readonly string[] | undefined, wanted: readonly string[] | undefined): boolean {
  const list = owned ?? [];
  return list.includes("*") || (wanted ?? []).every((item) => list.includes(item));
}

function covers(owner: PolicyRule, part: PolicyRule): boolean {
  if (!hasAll(owner.verbs, part.verbs)) return false;
  const [url] = part.nonResourceURLs ?? [];
  if (url !== undefined) return (owner.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, url));
  if (!hasAll(owner.apiGroups, part.apiGroups)) return false;
  const [resource = ""] = part.resources ?? [];
  const [, subresource] = resource.split("/", 2);
  const resources = owner.resources ?? [];
  const covered =
    resources.includes("*") ||
    resources.includes(resource) ||
    (subresource !== undefined && resources.includes(`*/${subresource}`));
  if (!covered) return false;
  const names = owner.resourceNames ?? [];
  const wantedNames = part.resourceNames ?? [];
  return names.length === 0 || (wantedNames.length > 0 && wantedNames.every((name) => names.includes(name)));
}

/** A rule as Kubernetes shows it in refusals: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`. */
export function describeRule(rule: PolicyRule): string {
  const fields: [string, string[] | undefined][] = [
    ["NonResourceURLs", rule.nonResourceURLs],
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ];
  const shown = fields.filter(([, list]) => list !== undefined && list.length > 0);
  return `{${shown.map(([name, list]) => `${name}:[${(list ?? []).map((item) => JSON.stringify(item)).join(" ")}]`).join(", ")}}`;
}
