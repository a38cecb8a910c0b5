/**
 * The certificates that issuers made, as they are used: read once, kept in the store. One that can't be written is used all the same, and written
 * again and again: getting another from an ACME server would cost an order each time.
 */
import type { Clock } from "../../lib/clock.ts";
import type { CertificateStore, KeptLeaf, KeptPair } from "../../lib/certificates/store.ts";
import { type CertificateFacts, fits, inspectCertificate } from "../../lib/certificates/inspect.ts";
import type { Log } from "../../lib/log.ts";

const againMs = 60_000;

export interface Leaf extends KeptLeaf, CertificateFacts {}

export interface Leaves {
  get(id: string): Leaf | undefined;
  /** Has it from now on; resolves when it is kept, or couldn't be kept at first. */
  put(id: string, issuer: string, pair: KeptPair): Promise<void>;
  remove(id: string): Promise<void>;
  /** Ids of all there are. */
  ids(): string[];
}

/** Reads all that are kept; those whose key doesn't fit aren't used. Rejects with the store's error. */
export async function openLeaves(
  store: CertificateStore["leaves"],
  { clock, log }: { clock: Clock; log: Log },
): Promise<Leaves> {
  const leaves = new Map<string, Leaf>();
  for (const kept of await store.all()) {
    const leaf = usable(kept);
    if (leaf === undefined) await store.remove(kept.id);
    else leaves.set(kept.id, leaf);
  }
  const keep = async (leaf: Leaf): Promise<void> => {
    const { id, issuer, cert, key } = leaf;
    // Another has taken its place, or nobody wants it any more.
    if (leaves.get(id) !== leaf) return;
    try {
      await store.put({ id, issuer, cert, key });
      // It was removed meanwhile.
      if (!leaves.has(id)) await store.remove(id);
    } catch (error) {
      log.warn({ error, id }, "A certificate is used but couldn't be kept; trying again");
      clock.after(againMs, () => void keep(leaf));
    }
  };
  return {
    get: (id) => leaves.get(id),
    put(id, issuer, { cert, key }) {
      const leaf: Leaf = { id, issuer, cert, key, ...inspectCertificate(cert) };
      leaves.set(id, leaf);
      return keep(leaf);
    },
    async remove(id) {
      if (leaves.delete(id)) await store.remove(id);
    },
    ids: () => [...leaves.keys()],
  };
}

function usable(leaf: KeptLeaf): Leaf | undefined {
  try {
    return fits(leaf.cert, leaf.key) ? { ...leaf, ...inspectCertificate(leaf.cert) } : undefined;
  } catch {
    return undefined;
  }
}
