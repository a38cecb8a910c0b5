/** What the benchmarks share: medians, and tables of what was measured. */

/** The value at a fraction of the sorted values: 0.5 is the median. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

/** `p50 12.3 ms, p95 20.1 ms, n 40`. */
export function summary(values: readonly number[], unit = "ms"): string {
  const [middle, high] = [quantile(values, 0.5), quantile(values, 0.95)];
  return `p50 ${middle.toFixed(1)} ${unit}, p95 ${high.toFixed(1)} ${unit}, n ${values.length}`;
}
