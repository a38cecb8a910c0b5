/**
 * Averages of a load over the last seconds: areas (load times milliseconds) in a ring of buckets of one width. What is recorded is spread
 * over the buckets that its time covers, so an average over whole buckets is exact, and at the far edge off by less than a bucket.
 * Memory is fixed; nothing runs while nothing is recorded.
 */
const bucketsPerWindow = 60;

export class LoadWindow {
  readonly #bucketMs: number;
  readonly #areas: Float64Array;
  /** Number of the newest bucket, counted from the epoch. */
  #newest: number;
  /** Since when it is recorded. */
  readonly #since: number;

  /** For averages over up to `windowMs`, of what happens from `now` on. */
  constructor(windowMs: number, now: number) {
    this.#bucketMs = windowMs / bucketsPerWindow;
    // One more for the bucket that is being filled, and one for the window's far edge.
    this.#areas = new Float64Array(bucketsPerWindow + 2);
    this.#newest = Math.floor(now / this.#bucketMs);
    this.#since = now;
  }

  /** The load was `value` on average from `from` to `to`; what lies before the window, or its beginning, is dropped. */
  record(from: number, to: number, value: number): void {
    const begin = Math.max(from, this.#since);
    if (!(to > begin) || !(value > 0)) return;
    const width = this.#bucketMs;
    const last = Math.ceil(to / width) - 1;
    this.#advance(last);
    const oldest = Math.max(Math.floor(begin / width), this.#newest - this.#areas.length + 1);
    for (let bucket = oldest; bucket <= last; bucket++) {
      const overlap = Math.min(to, (bucket + 1) * width) - Math.max(begin, bucket * width);
      if (overlap > 0) this.#add(bucket, value * overlap);
    }
  }

  /** The average over the `windowMs` before `now`, or since the beginning where that is later; 0 at the beginning itself. */
  average(now: number, windowMs: number): number {
    const width = this.#bucketMs;
    const begin = Math.max(now - windowMs, this.#since);
    if (!(now > begin)) return 0;
    let area = 0;
    const oldest = Math.max(Math.floor(begin / width), this.#newest - this.#areas.length + 1);
    for (let bucket = oldest; bucket <= this.#newest; bucket++) {
      // Of the bucket at the edge its share, by the time that it has recorded.
      const start = Math.max(bucket * width, this.#since);
      const end = Math.min((bucket + 1) * width, now);
      const share = start < begin ? (end - begin) / (end - start) : 1;
      area += this.#at(bucket) * share;
    }
    return area / (now - begin);
  }

  #advance(bucket: number): void {
    if (bucket <= this.#newest) return;
    const first = Math.max(this.#newest + 1, bucket - this.#areas.length + 1);
    for (let fresh = first; fresh <= bucket; fresh++) this.#areas[fresh % this.#areas.length] = 0;
    this.#newest = bucket;
  }

  #add(bucket: number, area: number): void {
    const place = bucket % this.#areas.length;
    this.#areas[place] = (this.#areas[place] ?? 0) + area;
  }

  #at(bucket: number): number {
    return this.#areas[bucket % this.#areas.length] ?? 0;
  }
}
