/** Durations as Go writes them (`time.ParseDuration`): `4s`, `1m30s`, `1.5h`, `100ms`. */

const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** The longest duration, as in Go: about 292 years. */
const maxMs = 2 ** 63 / 1e6;

/** What is wrong with a string that is no duration, and what one looks like. */
export const durationWords = "must be a duration such as 90s, 1m30s or 0s";

/** A duration in milliseconds; `undefined` where it is none. Negative ones are parsed; whether they make sense is the caller's matter. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 64) return undefined;
  const negative = text.startsWith("-");
  const rest = /^[-+]/.test(text) ? text.slice(1) : text;
  if (rest === "0") return 0;
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0;
  for (const [, number = "", unit = ""] of rest.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    total += Number(number) * (unitMs[unit] ?? Number.NaN);
  }
  if (!(total <= maxMs)) return undefined;
  return negative && total !== 0 ? -total : total;
}

/** Milliseconds as a duration in Go's own form: `0s`, `250ms`, `4s`, `1m30s`, `1h0m0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1000) return ms >= 1 ? `${ms}ms` : `${Math.round(ms * 1e6) / 1e3}µs`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${Math.round((ms % 60_000) * 1e6) / 1e9}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
