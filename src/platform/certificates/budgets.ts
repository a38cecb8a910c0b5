/** How often something was done for each group in the last while. */
export class Budgets {
  readonly #times = new Map<string, number[]>();

  /**
   * Notes that it is done for the group now, unless it was as often as it may be.
   * @returns milliseconds until it may be again; undefined where it was noted
   */
  take(group: string, budget: { times: number; perMs: number }, now: number): number | undefined {
    const recent = (this.#times.get(group) ?? []).filter((at) => now - at < budget.perMs);
    const [first = now] = recent;
    if (recent.length >= budget.times) {
      this.#times.set(group, recent);
      return first + budget.perMs - now;
    }
    this.#times.set(group, [...recent, now]);
    return undefined;
  }
}
