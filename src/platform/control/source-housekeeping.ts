import { Build } from "../../api/build.ts";
import { Configuration } from "../../api/configuration.ts";
import { Namespace } from "../../api/namespace.ts";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { uploadOf } from "../../lib/source/location.ts";
import type { SourcesPort } from "../../runtime/sources.ts";
import { hourly } from "./hourly.ts";

export interface SourceHousekeepingOptions {
  client: Pick<Client, "list">;
  sources: Pick<SourcesPort, "prune">;
  /** How long an upload that nothing names is kept: whoever sent it may be about to. */
  keepMs: number;
  clock: Clock;
  log: Log;
}

/** Nothing goes before that. What was listed is older, so whatever was made since isn't taken for gone. */
const freshMs = 3_600_000;
/** So many uploads that nothing names stay in each namespace: what was built last may be built again. */
const most = 20;

/** Removes uploads that no Configuration and no Build names any more and those of namespaces that are gone, once an hour, until `stop`, which waits for what is under way. */
export function startSourceHousekeeping(options: SourceHousekeepingOptions): { stop(): Promise<void> } {
  const { client, sources, keepMs } = options;
  return hourly(options, "Unneeded uploads can't be removed", async () => {
    const lists = [client.list(Namespace), client.list(Configuration), client.list(Build)] as const;
    const [namespaces, configurations, builds] = await Promise.all(lists);
    const named = [
      ...configurations.items.map(({ metadata, spec }) => ({ metadata, source: spec.build?.source })),
      ...builds.items.map(({ metadata, spec }) => ({ metadata, source: spec.source })),
    ];
    const kept = named.flatMap(({ metadata, source }) => {
      const digest = uploadOf(source?.gcs?.location ?? "");
      return digest === undefined ? [] : [`${metadata.namespace ?? ""}/${digest}`];
    });
    const there = new Set(namespaces.items.map(({ metadata }) => metadata.name));
    await sources.prune({ keep: new Set(kept), namespaces: there, freshMs, keepMs, most });
  });
}
