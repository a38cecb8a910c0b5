/** How long ago a time was, in its largest unit: `12s`, `5m`, `3h`, `20d`; empty where there is no time. */
export function age(time: string | undefined, now: number): string {
  const then = Date.parse(time ?? "");
  if (Number.isNaN(then)) return "";
  return span(Math.max(0, Math.floor((now - then) / 1000)));
}

/** Seconds in their largest unit. */
export function span(seconds: number): string {
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
