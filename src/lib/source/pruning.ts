/** Which uploads nobody needs any more. Pure, and the same on one machine and in a cluster. */

/** What is pruned. Times in milliseconds, since an archive was last put or asked for. */
export interface PruneRules {
  /** Archives that Builds or Configurations name, `NAMESPACE/sha256:HEX`: they stay. */
  keep: ReadonlySet<string>;
  /** The namespaces that are there; of others nothing stays. */
  namespaces: ReadonlySet<string>;
  /** Nothing goes before that: whoever sent it is about to name it. */
  freshMs: number;
  /** How long an archive stays that nothing names. */
  keepMs: number;
  /** So many of these stay in each namespace, those that were put last. */
  most: number;
}

/** An upload of a namespace. */
export interface Upload {
  /** `sha256:HEX`. */
  digest: string;
  /** When it was last put or asked for, in milliseconds since the epoch. */
  at: number;
}

/** Those of a namespace's uploads that are to go. */
export function unneededUploads<T extends Upload>(
  { namespace, uploads }: { namespace: string; uploads: readonly T[] },
  rules: PruneRules,
  now: number,
): T[] {
  const { keep, namespaces, freshMs, keepMs, most } = rules;
  const unnamed = uploads.filter(({ digest }) => !keep.has(`${namespace}/${digest}`)).toSorted((a, b) => b.at - a.at);
  const isGone = !namespaces.has(namespace);
  return unnamed.filter(({ at }, index) => {
    const age = now - at;
    return age > freshMs && (isGone || age > keepMs || index >= most);
  });
}
