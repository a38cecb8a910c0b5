/** Counts what the controllers ask of the API server: each request by its method and what it is about. */
import type { IncomingMessage } from "node:http";

export type Calls = ReadonlyMap<string, number>;

export interface CallCounter {
  count: (request: Pick<IncomingMessage, "method" | "url">) => void;
  /** What was counted since the start. */
  now: () => Calls;
}

const resource = /^\/apis?(?:\/[^/]+\.[^/]+|\/apps)?\/v[^/]+(?:\/namespaces\/[^/]+)?\/([^/?]+)(?:\/[^/?]+\/([^/?]+))?/u;

export function countCalls(): CallCounter {
  const counts = new Map<string, number>();
  return {
    count({ method = "", url = "" }) {
      const [, plural = url, subresource] = resource.exec(url) ?? [];
      const verb = /[?&]watch=true/u.test(url) ? "WATCH" : method;
      const name = `${verb} ${plural}${subresource === undefined ? "" : `/${subresource}`}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    now: () => new Map(counts),
  };
}

/** What came between two counts, the most first; leases are apart, as they are asked for whatever happens. */
export function between(before: Calls, after: Calls): { total: number; leases: number; by: Record<string, number> } {
  const grown = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  const some = grown.filter(([, count]) => count > 0).toSorted(([, a], [, b]) => b - a);
  const sum = (list: typeof some) => list.reduce((total, [, count]) => total + count, 0);
  const leases = some.filter(([name]) => name.endsWith(" leases"));
  const others = some.filter((one) => !leases.includes(one));
  return { total: sum(others), leases: sum(leases), by: Object.fromEntries(others) };
}
