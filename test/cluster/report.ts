/** What a check of a cluster tells: a line for each step, and at the end how many went well. */

/** As many faults of one step as are printed. */
const shown = 30;

/** Counts steps, and prints them as they end. */
export class Report {
  private good = 0;
  private readonly bad: string[] = [];
  private readonly write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.write = write;
  }

  /** Runs a step; whether it went well: it did unless it throws, or gives faults. */
  async step(title: string, work: () => Promise<readonly string[] | void>): Promise<boolean> {
    const begin = Date.now();
    let faults: readonly string[];
    try {
      faults = (await work()) ?? [];
    } catch (error) {
      const { message, cause } = error as Error;
      faults = [message, ...(cause instanceof Error ? [cause.message] : [])];
    }
    const took = `${((Date.now() - begin) / 1000).toFixed(1)} s`;
    if (faults.length === 0) {
      this.good += 1;
      this.write(`✓ ${title} (${took})`);
      return true;
    }
    this.bad.push(title);
    this.write(`✗ ${title} (${took})`);
    for (const fault of faults.slice(0, shown)) this.write(`    ${fault}`);
    if (faults.length > shown) this.write(`    and ${faults.length - shown} more`);
    return false;
  }

  /** The closing line; whether all went well. */
  end(): boolean {
    this.write(`${this.good} passed, ${this.bad.length} failed`);
    return this.bad.length === 0;
  }
}
