/** Prometheus' text format, version 0.0.4. */

/** The lines before a family's samples. */
export function family(name: string, type: "counter" | "gauge" | "histogram", help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

export function sample(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll(/[\\"\n]/g, escaped)}"`);
  return pairs.length === 0 ? `${name} ${value}` : `${name}{${pairs.join(",")}} ${value}`;
}

/** A histogram's samples. `counts`: how many were no more than each of `bounds`, but more than the one before; the last: more than all. */
export function histogram(
  name: string,
  labels: Readonly<Record<string, string>>,
  { bounds, counts, sum }: { bounds: readonly number[]; counts: readonly number[]; sum: number },
): string[] {
  let below = 0;
  const lines = counts.map((count, i) => {
    below += count;
    return sample(`${name}_bucket`, { ...labels, le: String(bounds[i] ?? "+Inf") }, below);
  });
  return [...lines, sample(`${name}_sum`, labels, sum), sample(`${name}_count`, labels, below)];
}

function escaped(char: string): string {
  return char === "\n" ? "\\n" : `\\${char}`;
}
