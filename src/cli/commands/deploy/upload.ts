import type { Follow } from "../../follow.ts";
import type { Progress } from "../../io.ts";
import { Event } from "../../objects.ts";

/** Shown once image layers have moved; nothing is shown where the image was there already. */
const uploadingLabel = "Uploading [=================]";

export interface UploadWatch {
  /** Looks a last time. */
  finish(): Promise<void>;
  /** Shows nothing any more. */
  stop(): void;
}

/**
 * Ticks `Uploading` when the image's layers have been pulled, as the Revision's Events say: `Pulling` when it begins, `Pulled`
 * once it is there.
 */
export function watchUpload(
  follow: Follow,
  { revisionName, progress }: { revisionName: string; progress: Progress },
): UploadWatch {
  const { client, namespace } = follow.session;
  const stop = new AbortController();
  const options = { namespace, fieldSelector: `involvedObject.name=${revisionName}` };
  const seen = new Set<string>();
  let over = false;

  const see = (event: Event) => {
    if (event.involvedObject.name === revisionName) seen.add(event.reason ?? "");
    if (over || !seen.has("Pulling")) return;
    if (seen.has("Pulled")) {
      over = true;
      progress.done(uploadingLabel);
      progress.start("Starting");
    } else progress.start("Uploading");
  };
  const read = async () => {
    const list = await client.list(Event, options);
    for (const event of list.items) see(event);
    return list.metadata.resourceVersion;
  };
  const watch = async () => {
    const resourceVersion = await read();
    const signal = AbortSignal.any([follow.signal, stop.signal]);
    for await (const change of client.watch(Event, { ...options, resourceVersion, signal })) {
      if (change.type === "ADDED" || change.type === "MODIFIED") see(change.object);
    }
  };
  const end = () => {
    over = true;
    stop.abort();
  };
  // Events are extra: not being allowed to read them doesn't fail a deploy.
  void watch().catch(() => {});
  return {
    finish: async () => {
      await read().catch(() => {});
      end();
    },
    stop: end,
  };
}
