/** Gives the instances' DNS server the names that instances call Routes by, as they come and go. */
import type { Log } from "../../lib/log.ts";
import type { Publisher } from "../../routing/publisher.ts";
import { isInternalName } from "./addresses.ts";

export interface DnsNamesOptions {
  publisher: Pick<Publisher, "follow">;
  /** Makes these the names. Takes as long as there are many. */
  publish: (names: string[]) => Promise<void>;
  log: Log;
}

/**
 * From now on, with the first table that is published whole and later by what changes; where names change while others are being published, once
 * more after that. Returns the function that ends it. To be called before the first table is published.
 */
export function followDnsNames({ publisher, publish, log }: DnsNamesOptions): () => void {
  const names = new Set<string>();
  /** The names that the server has are of an earlier run, or older than these. */
  let stale = true;
  let publishing = false;
  const go = (): void => {
    if (publishing || !stale) return;
    publishing = true;
    stale = false;
    publish([...names]).then(
      () => {
        publishing = false;
        go();
      },
      (error: unknown) => {
        log.warn({ error }, "names for the instances' DNS server can't be published");
        // Again with the next table: at once, it would fail again.
        publishing = false;
        stale = true;
      },
    );
  };
  return publisher.follow(({ hosts }) => {
    for (const [host, entry] of hosts) {
      const before = names.has(host);
      if (entry !== undefined && isInternalName(host, entry)) names.add(host);
      else names.delete(host);
      stale ||= names.has(host) !== before;
    }
    go();
  });
}
