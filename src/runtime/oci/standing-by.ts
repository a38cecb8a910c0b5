/** Whether an instance is to stand by, and whoever waits for that to change. */
export class StandingBy {
  #wanted: boolean;
  #turn = Promise.withResolvers<"turned">();

  constructor(wanted: boolean) {
    this.#wanted = wanted;
  }

  /** Whether it is to stand by. */
  get wanted(): boolean {
    return this.#wanted;
  }

  set wanted(value: boolean) {
    if (value === this.#wanted) return;
    this.#wanted = value;
    const turn = this.#turn;
    this.#turn = Promise.withResolvers();
    turn.resolve("turned");
  }

  /** Resolves with the next change. */
  get turned(): Promise<"turned"> {
    return this.#turn.promise;
  }
}
