/** Work that waits, in turns of groups: who has much to do waits behind himself, not others behind him. */
export class FairQueue<Item> {
  readonly #groups = new Map<string, Item[]>();
  readonly #working = new Map<string, number>();
  readonly #limits: { atOnce: number; perGroup: number };
  #total = 0;

  /** @param limits how many may be worked on at once, over all groups and of one */
  constructor(limits: { atOnce: number; perGroup: number }) {
    this.#limits = limits;
  }

  add(group: string, item: Item): void {
    const waiting = this.#groups.get(group);
    if (waiting === undefined) this.#groups.set(group, [item]);
    else waiting.push(item);
  }

  /** The next to work on, of the group whose turn it is; undefined where there is none, or too much is worked on. Say `done` when it is. */
  next(): { group: string; item: Item } | undefined {
    if (this.#total >= this.#limits.atOnce) return undefined;
    for (const [group, waiting] of this.#groups) {
      const working = this.#working.get(group) ?? 0;
      if (working >= this.#limits.perGroup) continue;
      const item = waiting.shift();
      // The last of those that wait, from now on.
      this.#groups.delete(group);
      if (waiting.length > 0) this.#groups.set(group, waiting);
      if (item === undefined) continue;
      this.#working.set(group, working + 1);
      this.#total += 1;
      return { group, item };
    }
    return undefined;
  }

  /** One of the group isn't worked on any more. */
  done(group: string): void {
    const working = (this.#working.get(group) ?? 0) - 1;
    if (working > 0) this.#working.set(group, working);
    else this.#working.delete(group);
    this.#total -= 1;
  }
}
