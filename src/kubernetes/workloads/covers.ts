/**
 * Whether everything that `wanted` says is so in `live`, which may say more: what the server has filled in, and what others manage. Lists have
 * the same length and order.
 */
export function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) && live.length === wanted.length && wanted.every((one, index) => covers(live[index], one))
    );
  }
  if (typeof wanted === "object" && wanted !== null) {
    if (typeof live !== "object" || live === null) return false;
    const has = live as Record<string, unknown>;
    return Object.entries(wanted).every(([name, value]) => covers(has[name], value));
  }
  return live === wanted;
}
