import type { Follow } from "../../follow.ts";
import type { Progress } from "../../io.ts";
import { Event, type Revision } from "../../objects.ts";

/** Shown once image layers have moved; nothing is shown where the image was there already. */
const uploadingLabel = "Uploading [=================]";

export interface UploadWatch {
  /** Told each state of the Revision. */
  onState(revision: Revision): void;
  /** Ticks the step, if bytes moved and it isn't ticked yet. */
  finish(): Promise<void>;
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
  let ticked = false;
  let reading: Promise<void> | undefined;
  let stopped = false;

  async function read(): Promise<void> {
    const list = await client.list(Event, { namespace, fieldSelector: `involvedObject.name=${revisionName}` });
    const has = (reason: string) =>
      list.items.some((event) => event.involvedObject.name === revisionName && event.reason === reason);
    if (stopped && !has("Pulled")) return;
    if (has("Pulling") && has("Pulled") && !ticked) {
      ticked = true;
      progress.done(uploadingLabel);
      progress.start("Starting");
    } else if (has("Pulling") && !ticked) progress.start("Uploading");
  }

  const readOnce = () => {
    // Events are extra: not being allowed to read them doesn't fail a deploy.
    reading ??= read()
      .catch(() => {})
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  return {
    onState: () => void readOnce(),
    finish: async () => {
      await reading;
      await readOnce();
    },
    stop: () => {
      stopped = true;
    },
  };
}
