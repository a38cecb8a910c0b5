/** The manifest of an upload: it names the archive, so that a registry's own collection of garbage leaves it, and says when somebody last wanted it. */
import { Readable } from "node:stream";
import { digestHex } from "../../lib/source/location.ts";
import { digestOf } from "../../runtime/registry/manifest.ts";
import { readSome, type Repository } from "../../runtime/registry/repository.ts";

const uploadType = "application/vnd.elafros.source.v1";
const emptyType = "application/vnd.oci.empty.v1+json";
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const createdAnnotation = "org.opencontainers.image.created";
const hourMs = 3_600_000;
/** One has some hundred bytes. */
const largest = 64 << 10;
/** Of tags in one answer. */
const pageSize = 500;
const largestPage = 1 << 20;

/** The configuration that all of them have. */
export const emptyConfig = Buffer.from("{}");

/** An upload as its manifest tells it. */
export interface StoredUpload {
  digest: string;
  /** Of the manifest itself. */
  manifest: string;
  /** The end of the hour in which somebody last wanted it, in milliseconds since the epoch; 0 where it isn't said. */
  at: number;
}

/** A tag can't have a colon. */
function tagOf(digest: string): string {
  return digest.replace(":", "-");
}

/** The end of the hour: whoever writes within it writes the same manifest, so that none is left over. */
export function endOfHour(now: number): number {
  return (Math.floor(now / hourMs) + 1) * hourMs;
}

/** Reads an upload's manifest; undefined where there is none. @throws ImageError */
export async function readUpload(repository: Repository, digest: string): Promise<StoredUpload | undefined> {
  const at = `manifests/${tagOf(digest)}`;
  const answer = await repository.send({ method: "GET", at, headers: { accept: manifestType } });
  if (answer.status === 404) {
    answer.stream.resume();
    return undefined;
  }
  if (answer.status !== 200) throw await repository.refusal(answer);
  const bytes = await readSome(answer.stream, largest);
  return { digest, manifest: digestOf(bytes), at: timeIn(bytes) };
}

function timeIn(bytes: Buffer): number {
  try {
    const { annotations } = JSON.parse(bytes.toString("utf8")) as { annotations?: Record<string, string> };
    return Date.parse(annotations?.[createdAnnotation] ?? "") || 0;
  } catch {
    return 0;
  }
}

/** Says that somebody wants an upload now; its archive is there. @throws ImageError */
export async function putUpload(
  repository: Repository,
  { digest, bytes }: { digest: string; bytes: number },
  now: number,
): Promise<void> {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      artifactType: uploadType,
      config: { mediaType: emptyType, digest: digestOf(emptyConfig), size: emptyConfig.length },
      layers: [{ mediaType: uploadType, digest, size: bytes }],
      annotations: { [createdAnnotation]: new Date(endOfHour(now)).toISOString() },
    }),
  );
  const answer = await repository.send({
    method: "PUT",
    at: `manifests/${tagOf(digest)}`,
    headers: { "content-type": manifestType, "content-length": String(manifest.length) },
    body: () => Readable.from([manifest]),
  });
  if (answer.status !== 201) throw await repository.refusal(answer);
  answer.stream.resume();
}

/** Takes a manifest away, and with it the tag that names it; the archive goes when the registry collects garbage. @throws ImageError */
export async function deleteManifest(repository: Repository, manifest: string): Promise<void> {
  const answer = await repository.send({ method: "DELETE", at: `manifests/${manifest}` });
  // 404: another was faster.
  if (![200, 202, 204, 404].includes(answer.status)) throw await repository.refusal(answer);
  answer.stream.resume();
}

/** Digests of the uploads in a repository. @throws ImageError */
export async function listUploads(repository: Repository): Promise<string[]> {
  const found: string[] = [];
  let at: string | URL | undefined = `tags/list?n=${pageSize}`;
  while (at !== undefined) {
    const answer = await repository.send({ method: "GET", at });
    if (answer.status === 404) {
      answer.stream.resume();
      break;
    }
    if (answer.status !== 200) throw await repository.refusal(answer);
    const page = await readSome(answer.stream, largestPage);
    const digests = tagsIn(page).map((tag) => tag.replace("-", ":"));
    found.push(...digests.filter((digest) => digestHex(digest) !== undefined));
    at = nextPage(answer.headers["link"], answer.url);
  }
  return found;
}

function tagsIn(page: Buffer): string[] {
  const { tags } = JSON.parse(page.toString("utf8")) as { tags?: unknown };
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}

/** RFC 8288, as the distribution specification has it: `</v2/…>; rel="next"`. Only of the registry itself. */
function nextPage(link: string | string[] | undefined, from: URL): URL | undefined {
  const target = /^<([^>]+)>; ?rel="?next"?$/u.exec(String(link ?? ""))?.[1];
  if (target === undefined || !URL.canParse(target, from)) return undefined;
  const next = new URL(target, from);
  return next.origin === from.origin && next.href !== from.href ? next : undefined;
}
