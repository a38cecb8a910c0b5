/**
 * Who has which domain: the first Route to claim one, in whatever namespace, until it gives it up or is gone; who has a wildcard has the hosts
 * that it stands for, as far as other namespaces go. In memory; after a restart the Routes' statuses say who had what.
 */
import { isDeepStrictEqual } from "node:util";
import type { Route } from "../../api/route.ts";
import { keyOf } from "../../controller/index.ts";

/** What a Route has claimed. */
export interface DomainClaim {
  /** What it asked for last. */
  wanted: readonly string[];
  /** What it has of that. */
  held: readonly string[];
  /** What it hasn't, and the Route (`namespace/name`) that has; undefined where it is the platform's. */
  lost: readonly { domain: string; holder: string | undefined }[];
}

export interface DomainClaims {
  /** By `namespace/name`; nothing wanted where it never claimed. */
  get(route: string): DomainClaim;
  /** Declares all the domains that a Route wants; what isn't in the list any more is free for others. */
  claim(route: string, wanted: readonly string[]): void;
  /** Called with each Route whose claim is another than before. Returns the unsubscribing function. */
  subscribe(listener: (route: string) => void): () => void;
}

/**
 * Restores the claims of Routes that are there: what a status says is held stays so; of the others the oldest Route comes first.
 * @param platform hosts are `{route}.{namespace}.{platform}`: what is under it is for nobody to claim. One machine's API server refuses it when it is
 *   written, a cluster's doesn't know
 */
export function createDomainClaims(routes: readonly Route[], platform: string): DomainClaims {
  const holders = new Map<string, string>();
  const wants = new Map<string, readonly string[]>();
  const listeners = new Set<(route: string) => void>();

  /** The Route that has the domain, or as a part of a wildcard of another namespace, which nobody may take a host out of. */
  const blocker = (domain: string, route: string): string | undefined => {
    const exact = holders.get(domain);
    if (exact !== undefined) return exact === route ? undefined : exact;
    const above = holders.get(wildcardAbove(domain));
    return above === undefined || namespaceOf(above) === namespaceOf(route) ? undefined : above;
  };
  const isReserved = (domain: string) => `.${domain.replace(/^\*\./, "")}`.endsWith(`.${platform}`);
  const get = (route: string): DomainClaim => {
    const wanted = wants.get(route) ?? [];
    const held = wanted.filter((domain) => holders.get(domain) === route);
    const lost = wanted.flatMap((domain): DomainClaim["lost"] => {
      if (isReserved(domain)) return [{ domain, holder: undefined }];
      const holder = blocker(domain, route);
      return holder === undefined ? [] : [{ domain, holder }];
    });
    return { wanted, held, lost };
  };
  const take = (route: string, domain: string): void => {
    if (!isReserved(domain) && blocker(domain, route) === undefined) holders.set(domain, route);
  };
  const claim = (route: string, wanted: readonly string[]): string[] => {
    if (isDeepStrictEqual(wants.get(route) ?? [], wanted)) return [];
    const before = wants.get(route) ?? [];
    const freed = new Set(before.filter((domain) => !wanted.includes(domain) && holders.get(domain) === route));
    if (wanted.length === 0) wants.delete(route);
    else wants.set(route, [...wanted]);
    for (const domain of freed) holders.delete(domain);
    for (const domain of wanted) take(route, domain);
    const concerned = new Set([route]);
    if (freed.size === 0) return [...concerned];
    // Of those who wait, the one that asked first.
    for (const [other, list] of wants) {
      for (const domain of list) {
        if (!freed.has(domain) && !freed.has(wildcardAbove(domain))) continue;
        take(other, domain);
        concerned.add(other);
      }
    }
    return [...concerned];
  };

  const living = routes.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  for (const route of living) {
    const { domains = [] } = route.spec;
    for (const domain of route.status?.domains ?? []) {
      if (domains.includes(domain) && !isReserved(domain) && !holders.has(domain)) holders.set(domain, keyOf(route));
    }
  }
  for (const route of living.toSorted(byAge)) claim(keyOf(route), route.spec.domains ?? []);

  return {
    get,
    claim(route, wanted) {
      for (const concerned of claim(route, wanted)) for (const listener of listeners) listener(concerned);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function byAge(a: Route, b: Route): number {
  const [first = "", second = ""] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  return first === second ? (keyOf(a) < keyOf(b) ? -1 : 1) : first < second ? -1 : 1;
}

/** The wildcard that stands for a host; of a wildcard, none that anybody could hold. */
function wildcardAbove(domain: string): string {
  return domain.startsWith("*.") ? "" : `*${domain.slice(domain.indexOf("."))}`;
}

function namespaceOf(route: string): string {
  return route.slice(0, route.indexOf("/"));
}
