import { Build } from "../../api/build.ts";
import { Configuration } from "../../api/configuration.ts";
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

/** Removes uploads that no Configuration and no Build names any more, once an hour, until `stop`, which waits for what is under way. */
export function startSourceHousekeeping(options: SourceHousekeepingOptions): { stop(): Promise<void> } {
  const { client, sources, keepMs } = options;
  return hourly(options, "Unneeded uploads can't be removed", async () => {
    const [configurations, builds] = await Promise.all([client.list(Configuration), client.list(Build)]);
    const named = [
      ...configurations.items.map(({ metadata, spec }) => ({ metadata, source: spec.build?.source })),
      ...builds.items.map(({ metadata, spec }) => ({ metadata, source: spec.source })),
    ];
    const kept = named.flatMap(({ metadata, source }) => {
      const digest = uploadOf(source?.gcs?.location ?? "");
      return digest === undefined ? [] : [`${metadata.namespace ?? ""}/${digest}`];
    });
    await sources.prune(new Set(kept), keepMs);
  });
}
