/** How much of what costs the gateway something, and the client nothing, one connection may do: a bucket that fills again with time. */
export class Budget {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  /** @param now milliseconds */
  constructor({ most, perSecond }: { most: number; perSecond: number }, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  /** Takes one. False when nothing is left. */
  spend(now: number): boolean {
    // The machine's clock may be set back.
    const passed = Math.max(0, now - this.#at);
    this.#at = now;
    this.#left = Math.min(this.#most, this.#left + (passed * this.#perSecond) / 1_000);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Gives one back. */
  earn(): void {
    this.#left = Math.min(this.#most, this.#left + 1);
  }
}
