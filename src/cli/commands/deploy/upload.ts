import type { Follow } from "../../follow.ts";
import type { Progress } from "../../io.ts";
import { Event } from "../../objects.ts";

/** Shown once image layers have moved; nothing is shown where the image was there already. */
const uploadingLabel = "Uploading [=================]";

export interface UploadWatch {
  /** Told whenever the Revision has changed. */
  onState(): void;
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
  let over = false;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const list = await client.list(Event, { namespace, fieldSelector: `involvedObject.name=${revisionName}` });
    const reasons = new Set(
      list.items.filter((event) => event.involvedObject.name === revisionName).map((event) => event.reason),
    );
    if (over || !reasons.has("Pulling")) return;
    if (reasons.has("Pulled")) {
      over = true;
      progress.done(uploadingLabel);
      progress.start("Starting");
    } else progress.start("Uploading");
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
      over = true;
    },
    stop: () => {
      over = true;
    },
  };
}
