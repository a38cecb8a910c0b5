/**
 * The load of one Revision as one thread sees it, for the autoscaler: how long requests were in flight and waited between two reports, and
 * how many came. Plain numbers of the thread's own: counting costs a multiplication per request, and no other thread.
 */
export interface Load {
  /** Requests that wait or are in flight. */
  running: number;
  /** Their number times milliseconds, since the last report. */
  area: number;
  requests: number;
  /** When the area was brought up to date. */
  at: number;
}

export function newLoad(): Load {
  return { running: 0, area: 0, requests: 0, at: 0 };
}

function advance(load: Load, now: number): void {
  // The machine's clock may be set back.
  if (now > load.at) load.area += load.running * (now - load.at);
  load.at = now;
}

/** A request came. */
export function enter(load: Load, now: number): void {
  advance(load, now);
  load.running += 1;
  load.requests += 1;
}

/** A request has ended, or its client gave up. */
export function leave(load: Load, now: number): void {
  advance(load, now);
  load.running -= 1;
}

/** What was seen since the last report; counting begins anew. */
export function takeReport(load: Load, now: number): { area: number; requests: number } {
  advance(load, now);
  const { area } = load;
  const requests = Math.max(0, load.requests);
  load.area = 0;
  load.requests = 0;
  return { area, requests };
}
