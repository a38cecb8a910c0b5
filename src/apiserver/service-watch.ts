/**
 * Watches. A watch holds no queue: it has a cursor into the collection's history and reads on from there whenever it is asked
 * for the next event, so events are neither lost nor doubled, a slow reader costs no memory, and one that falls too far behind
 * is told `Expired`, as when it resumes too late.
 */
import { apiVersionOf } from "../api/meta/kind.ts";
import type { RequestContext, Target, WatchOptions } from "../api/meta/service.ts";
import type { KubeObject, WatchEvent } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Change } from "../store/store.ts";
import { expiredWatch, parseRevision } from "./service-errors.ts";
import { prefixOf } from "./service-names.ts";
import { authorize, parseSelectors } from "./service-read.ts";
import type { ServiceCore } from "./service-types.ts";

/** As the Kubernetes API server: a bookmark each minute, and one shortly before the announced end. */
const bookmarkIntervalMs = 60_000;
const bookmarkBeforeEndMs = 2_000;
/** Timers of the platform overflow after 24.8 days; a client may ask for any end. */
const maxTimerMs = 86_400_000;
/** How many changes are looked at before the next look at the clock. */
const chunk = 256;

/** Wakes a waiting watch: for changes, the time of a bookmark, the end. */
class Alarm {
  #wake: () => void = () => {};
  #rung = false;

  readonly ring = (): void => {
    this.#rung = true;
    this.#wake();
  };

  /** Resolves at the next ring, at once where one came since the last wait. */
  async wait(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#rung = false;
  }
}

/** The times at which a watch does something by itself. */
class Timetable {
  readonly #clock: Clock;
  readonly #end: number | undefined;
  readonly #alarm: Alarm;
  #bookmarks: number[];
  #cancel: () => void = () => {};

  constructor(
    clock: Clock,
    alarm: Alarm,
    { timeoutSeconds, bookmarks }: { timeoutSeconds: number; bookmarks: boolean },
  ) {
    const now = clock.now();
    this.#clock = clock;
    this.#alarm = alarm;
    this.#end = timeoutSeconds > 0 ? now + timeoutSeconds * 1000 : undefined;
    this.#bookmarks = bookmarks ? [now + bookmarkIntervalMs] : [];
    if (bookmarks && this.#end !== undefined) this.#bookmarks.push(this.#end - bookmarkBeforeEndMs);
    this.#arm();
  }

  get over(): boolean {
    return this.#end !== undefined && this.#clock.now() >= this.#end;
  }

  /** Whether a bookmark is due; says so once for each. */
  takeBookmark(): boolean {
    const now = this.#clock.now();
    const due = this.#bookmarks.filter((at) => at <= now);
    if (due.length === 0) return false;
    const later = this.#bookmarks.filter((at) => at > now);
    const regular = due.some((at) => this.#end === undefined || at !== this.#end - bookmarkBeforeEndMs);
    this.#bookmarks = regular ? [...later, now + bookmarkIntervalMs] : later;
    this.#arm();
    return true;
  }

  stop(): void {
    this.#cancel();
  }

  #arm(): void {
    this.#cancel();
    const now = this.#clock.now();
    const times = this.#end === undefined ? this.#bookmarks : [...this.#bookmarks, this.#end];
    const later = times.filter((at) => at > now);
    if (later.length === 0) return;
    this.#cancel = this.#clock.after(Math.min(...later, now + maxTimerMs) - now, () => {
      this.#alarm.ring();
      this.#arm();
    });
  }
}

export async function* watchObjects(
  core: ServiceCore,
  { context, target }: { context: RequestContext; target: Target },
  options: WatchOptions,
): AsyncGenerator<WatchEvent<KubeObject>> {
  await authorize(core, { context, target }, "watch");
  const { matches, everything } = parseSelectors(target.kind, options);
  const source = core.source(target.kind);
  const { view } = source;
  const prefix = prefixOf(target.kind, target.namespace);
  const {
    resourceVersion = "",
    sendInitialEvents,
    allowBookmarks = false,
    timeoutSeconds = 0,
    signal,
  } = {
    ...options,
    signal: context.signal,
  };
  const fresh = resourceVersion === "" || resourceVersion === "0";
  const asked = parseRevision(
    fresh ? "0" : resourceVersion,
    `resourceVersion: Invalid value: ${JSON.stringify(resourceVersion)}: `,
  );
  const alarm = new Alarm();
  const timetable = new Timetable(core.clock, alarm, { timeoutSeconds, bookmarks: allowBookmarks });
  const unsubscribe = view.subscribe(alarm.ring);
  signal?.addEventListener("abort", alarm.ring);
  try {
    let cursor = asked;
    if (sendInitialEvents ?? fresh) {
      cursor = source.revision();
      for (const { value } of view.range(prefix)) {
        if (signal?.aborted) return;
        if (everything || matches(value)) yield { type: "ADDED", object: value };
      }
      if (sendInitialEvents === true && allowBookmarks) yield bookmark(target, cursor, true);
    } else if (fresh) cursor = source.revision();
    for (;;) {
      if (signal?.aborted || timetable.over) return;
      const changes = view.changesAfter(cursor, chunk);
      if (changes === undefined) throw expiredWatch(cursor, view.forgotten);
      for (const change of changes) {
        const event = change.key.startsWith(prefix) ? eventOf(change, everything ? () => true : matches) : undefined;
        if (event !== undefined) yield event;
        if (signal?.aborted) return;
        cursor = change.revision;
      }
      if (changes.length > 0) continue;
      cursor = Math.max(cursor, source.revision());
      if (timetable.takeBookmark() && cursor > asked) yield bookmark(target, cursor, false);
      else await alarm.wait();
    }
  } finally {
    unsubscribe();
    timetable.stop();
    signal?.removeEventListener("abort", alarm.ring);
  }
}

/** What a change means to a watch that sees what `matches`: objects that come to match are added, those that stop are deleted. */
function eventOf(change: Change, matches: (object: KubeObject) => boolean): WatchEvent<KubeObject> | undefined {
  const { value, previous, deleted } = change;
  const before = previous !== undefined && matches(previous);
  if (deleted) return before ? { type: "DELETED", object: value } : undefined;
  if (matches(value)) return { type: before ? "MODIFIED" : "ADDED", object: value };
  if (!before) return undefined;
  // Its last matching state, with the revision at which it stopped to match: a resume goes on after that.
  const { resourceVersion } = value.metadata;
  const metadata = { ...previous.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
  return { type: "DELETED", object: { ...previous, metadata } };
}

/** `initial` marks the end of the initial events, as clients of streaming lists wait for it. */
function bookmark({ kind }: Target, revision: number, initial: boolean): WatchEvent<KubeObject> {
  const metadata = {
    resourceVersion: String(revision),
    ...(initial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
  };
  // A bookmark has no name; the type of the event says so.
  return {
    type: "BOOKMARK",
    object: { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata } as unknown as KubeObject,
  };
}
