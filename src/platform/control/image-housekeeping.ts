import { Build } from "../../api/build.ts";
import { Revision } from "../../api/revision.ts";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { BuildsPort } from "../../runtime/builds.ts";
import type { ImageStore } from "../../runtime/oci/parts.ts";
import type { WorkloadsPort } from "../../runtime/workloads.ts";
import { hourly } from "./hourly.ts";

export interface ImageHousekeepingOptions {
  client: Pick<Client, "list">;
  workloads: Pick<WorkloadsPort, "list">;
  builds: Pick<BuildsPort, "list">;
  images: Pick<ImageStore, "prune">;
  clock: Clock;
  log: Log;
}

/** Removes images that no Revision, no Build and no instance needs any more, once an hour, until `stop`, which waits for what is under way. */
export function startImageHousekeeping(options: ImageHousekeepingOptions): { stop(): Promise<void> } {
  return hourly(options, "Unneeded images can't be removed", () => clean(options));
}

async function clean({ client, workloads, builds: running, images, log }: ImageHousekeepingOptions): Promise<void> {
  const [revisions, builds] = await Promise.all([client.list(Revision), client.list(Build)]);
  const named = [...revisions.items, ...builds.items];
  const needed = new Set(named.flatMap(({ status }) => status?.imageDigest ?? []));
  // After the Builds: of one that ended meanwhile, either knows the image.
  for (const { imageDigest, steps } of running.list()) {
    if (imageDigest !== undefined) needed.add(imageDigest);
    for (const { image, phase } of steps) if (image !== undefined && phase !== "ended") needed.add(image);
  }
  for (const { instances } of workloads.list()) for (const { image } of instances) needed.add(image);
  const removed = await images.prune([...needed]);
  if (removed.length > 0) log.info({ images: removed }, "Removed images that nothing needs any more");
}
