/** Makes sentences for a person of what skopeo says when it fails. */
import type { ImageReference } from "../registry/reference.ts";

/** Failures that other credentials don't help. */
const unreachable = /dial tcp|no such host|x509:|tls:|timeout|no space left/u;

/** Whether a registry might answer otherwise to somebody else. */
export function dependsOnUser(stderr: string): boolean {
  return !unreachable.test(stderr);
}

/** Whether the disk was full. */
export function isDiskFull(stderr: string): boolean {
  return /no space left on device|disk quota exceeded/u.test(stderr);
}

/** What went wrong, without the tool's own framing and Go's repetitions. */
export function reason(stderr: string): string {
  const fatal = /level=fatal msg="((?:[^"\\]|\\.)*)"/u.exec(stderr)?.[1];
  let said = fatal === undefined ? (stderr.trim().split("\n").at(-1) ?? "") : unquote(fatal);
  for (const frame of frames) said = said.replace(frame, "");
  return withoutQuery(said)
    .replace(/: ([^:]+): \1$/u, ": $1")
    .trim();
}

/** What the tool puts before the cause, in the order in which it nests. */
const frames = [
  /^Error parsing image name "[^"]*": /u,
  /^copying system image from manifest list: /iu,
  /^determining manifest MIME type for \S+: /u,
  /^initializing source \S+: /u,
];

/** The text of a Go string literal. */
function unquote(literal: string): string {
  try {
    return JSON.parse(`"${literal}"`) as string;
  } catch {
    return literal; // Go has escapes that JSON doesn't
  }
}

/**
 * The last URL that the tool used for the image itself, which with mirrors isn't the registry's own; else the last one by which it
 * tried to reach the registry.
 */
export function urlAsked(stderr: string, reference: ImageReference): string {
  const asked = [...stderr.matchAll(/msg="(?:GET|HEAD|POST|PUT|PATCH) (https?:\/\/[^"\s]+)"/gu)].map(
    (match) => match[1] ?? "",
  );
  const url =
    asked.findLast((one) => one.includes("/manifests/") || one.includes("/blobs/")) ??
    asked.findLast((one) => one.endsWith("/v2/"));
  const what = reference.digest ?? reference.tag ?? "latest";
  return withoutQuery(url ?? `https://${reference.registry}/v2/${reference.path}/manifests/${what}`);
}

/** Queries of URLs may be signatures that grant access. */
function withoutQuery(text: string): string {
  return text.replace(/(https?:\/\/[^\s"?]+)\?[^\s"]*/gu, "$1");
}
