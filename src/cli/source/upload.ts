import { createReadStream } from "node:fs";
import { hasSource, putSource, sourcePlace } from "../../client/sources.ts";
import { formatBytes } from "../../lib/bytes.ts";
import type { Session } from "../factory.ts";
import { bar, type Progress } from "../io.ts";
import type { Archive } from "./prepare.ts";

/** Sends an archive, unless the server has it. Shows how far it is, and ticks `Uploading` where bytes moved. */
export async function uploadArchive(
  { client, namespace }: Session,
  archive: Archive,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  const { digest, bytes, file } = archive;
  const place = await sourcePlace(client, { namespace, signal });
  if (await hasSource(client, { namespace, digest, place, signal })) return;
  progress.start(`Uploading ${bar(0, bytes)}`);
  await putSource(client, {
    namespace,
    digest,
    place,
    bytes,
    open: () => createReadStream(file, { highWaterMark: 256 * 1024 }),
    onProgress: (sent) =>
      progress.start(`Uploading ${bar(sent, bytes)} ${Math.floor((sent / bytes) * 100)}% of ${formatBytes(bytes)}`),
    signal,
  });
  progress.done(`Uploading ${bar(bytes, bytes)}`);
}
