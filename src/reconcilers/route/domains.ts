/**
 * Who has which domain: the first Route to claim one, in whatever namespace, until it gives it up or is gone. In memory; after a restart the
 * Routes' statuses say who had what.
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
  /** What it hasn't, and the Route (`namespace/name`) that has. */
  lost: readonly { domain: string; holder: string }[];
}

export interface DomainClaims {
  /** By `namespace/name`; nothing wanted where it never claimed. */
  get(route: string): DomainClaim;
  /** Declares all the domains that a Route wants; what isn't in the list any more is free for others. */
  claim(route: string, wanted: readonly string[]): void;
  /** Called with each Route whose claim is another than before. Returns the unsubscribing function. */
  subscribe(listener: (route: string) => void): () => void;
}

/** Restores the claims of Routes that are there: what a status says is held stays so; of the others the oldest Route comes first. */
export function createDomainClaims(routes: readonly Route[]): DomainClaims {
  const holders = new Map<string, string>();
  const wants = new Map<string, readonly string[]>();
  const listeners = new Set<(route: string) => void>();

  const get = (route: string): DomainClaim => {
    const wanted = wants.get(route) ?? [];
    const held = wanted.filter((domain) => holders.get(domain) === route);
    const lost = wanted.flatMap((domain) => {
      const holder = holders.get(domain);
      return holder === undefined || holder === route ? [] : [{ domain, holder }];
    });
    return { wanted, held, lost };
  };
  const claim = (route: string, wanted: readonly string[]): string[] => {
    if (isDeepStrictEqual(wants.get(route) ?? [], wanted)) return [];
    const freed = (wants.get(route) ?? []).filter(
      (domain) => !wanted.includes(domain) && holders.get(domain) === route,
    );
    if (wanted.length === 0) wants.delete(route);
    else wants.set(route, [...wanted]);
    for (const domain of wanted) if (!holders.has(domain)) holders.set(domain, route);
    const concerned = new Set([route]);
    for (const domain of freed) {
      holders.delete(domain);
      // Of those who wait, the one that asked first.
      const next = [...wants].find(([, list]) => list.includes(domain))?.[0];
      if (next !== undefined) holders.set(domain, next);
      for (const [other, list] of wants) if (list.includes(domain)) concerned.add(other);
    }
    return [...concerned];
  };

  const living = routes.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  for (const route of living) {
    const { domains = [] } = route.spec;
    for (const domain of route.status?.domains ?? []) {
      if (domains.includes(domain) && !holders.has(domain)) holders.set(domain, keyOf(route));
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
