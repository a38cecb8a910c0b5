/** Where an archive or manifest is: the `location` of a Build's `gcs` source, read the same by validation, the CLI and the source step. */
import { SourceFault } from "./errors.ts";

/** A location, read. `sha256` is the content's digest (64 hex digits), where the location pins it. */
export type SourceLocation =
  | { type: "upload"; sha256: string }
  /** `url` is what is asked for: buckets' own forms as the public addresses that they stand for. */
  | { type: "url"; url: string; sha256?: string };

const hex = /^[0-9a-f]{64}$/;

/** The location of an upload with this digest (`sha256:HEX`). */
export function uploadLocation(digest: string): string {
  return `upload:${digest}`;
}

/** What an upload's location names, its digest where it is well formed; undefined for other locations. */
export function uploadOf(location: string): string | undefined {
  return /^upload:(.*)$/s.exec(location)?.[1];
}

/** The 64 hex digits of a digest as the sources port has it, `sha256:HEX`; undefined where it is none. */
export function digestHex(digest: string): string | undefined {
  const value = /^sha256:(.*)$/.exec(digest)?.[1] ?? "";
  return hex.test(value) ? value : undefined;
}

/**
 * Reads `https://…`, `http://…`, `gs://BUCKET/OBJECT`, `s3://BUCKET/KEY`, each with `#sha256=HEX` behind it where the content is pinned, or `upload:sha256:HEX`.
 * @throws SourceFault whose message says what is wrong with it
 */
export function parseLocation(text: string): SourceLocation {
  const upload = uploadOf(text);
  if (upload !== undefined) {
    const sha256 = digestHex(upload);
    if (sha256 === undefined)
      throw new SourceFault(`${quoted(text)} is no upload: write upload:sha256:, then 64 hex digits`);
    return { type: "upload", sha256 };
  }
  // The parser of URLs would drop control characters and spaces at the ends without a word.
  const url = /^[\u0021-\u{10ffff}]*$/u.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["https:", "http:", "gs:", "s3:"].includes(url.protocol)) {
    throw new SourceFault(
      `${quoted(text)} is no location of a source: use https://…, gs://BUCKET/OBJECT, s3://BUCKET/KEY or upload:sha256:HEX`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new SourceFault(
      `The location of the source on host ${quoted(url.host)} holds credentials, which everybody could read who sees the Build; use a signed URL or an upload`,
    );
  }
  const { sha256, generation } = readFragment(url, text);
  const target =
    url.protocol === "gs:" ? gcsUrl(url, generation) : url.protocol === "s3:" ? s3Url(url) : withoutHash(url);
  return { type: "url", url: target, ...(sha256 === undefined ? {} : { sha256 }) };
}

function readFragment(url: URL, text: string): { sha256?: string; generation?: string } {
  if (url.hash === "") return {};
  const sha256 = /^#sha256=(.*)$/.exec(url.hash)?.[1];
  if (sha256 !== undefined && hex.test(sha256)) return { sha256 };
  // Cloud Storage writes an object's generation so.
  if (url.protocol === "gs:" && /^#[0-9]{1,20}$/.test(url.hash)) return { generation: url.hash.slice(1) };
  throw new SourceFault(
    `What follows # in ${quoted(text)} must be sha256= and 64 hex digits: leave it out or correct it`,
  );
}

function withoutHash(url: URL): string {
  const copy = new URL(url);
  copy.hash = "";
  return copy.href;
}

function bucketAndKey(url: URL): { bucket: string; key: string } {
  const bucket = url.hostname;
  // Parsers keep the path of such URLs as it is, "?" is part of no object's name that anyone uses.
  const key = url.pathname.replace(/^\//, "");
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket) || key === "" || url.search !== "" || url.port !== "") {
    throw new SourceFault(`${quoted(url.href)} names no object of a bucket: write ${url.protocol}//BUCKET/PATH`);
  }
  return { bucket, key };
}

function gcsUrl(url: URL, generation: string | undefined): string {
  const { bucket, key } = bucketAndKey(url);
  const target = new URL(`https://storage.googleapis.com/${bucket}/${key}`);
  if (generation !== undefined) target.searchParams.set("generation", generation);
  return target.href;
}

function s3Url(url: URL): string {
  const { bucket, key } = bucketAndKey(url);
  // A certificate for *.s3.amazonaws.com holds for one label.
  return bucket.includes(".")
    ? new URL(`https://s3.amazonaws.com/${bucket}/${key}`).href
    : new URL(`https://${bucket}.s3.amazonaws.com/${key}`).href;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
