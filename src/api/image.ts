/** The grammar of image references (the OCI distribution project's `reference`): `[host[:port]/]path[:tag][@digest]`. */

/** The parts of an image reference. */
export interface ImageReference {
  /** Registry host and repository path, as written. */
  name: string;
  tag?: string;
  digest?: string;
}

const hostPattern =
  /^(?:\[[a-fA-F0-9:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::\d{1,5})?$/;
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;

/** What is wrong with a string that is no image reference, and what one looks like. */
export const imageWords =
  "must be an image reference such as registry.example/app:1.2 or registry.example/app@sha256:…";

/** The parts of an image reference; `undefined` where it is none. */
export function parseImage(text: string): ImageReference | undefined {
  if (text.length > 1024) return undefined;
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !digestPattern.test(digest))) return undefined;
  const colon = named.lastIndexOf(":");
  const tagged = colon > named.lastIndexOf("/");
  const tag = tagged ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagPattern.test(tag)) return undefined;
  const name = tagged ? named.slice(0, colon) : named;
  if (!isName(name)) return undefined;
  return { name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function isName(name: string): boolean {
  if (name.length > 255) return false;
  const [first = "", ...rest] = name.split("/");
  const isHost = rest.length > 0 && (/[.:[]/.test(first) || first === "localhost" || /[A-Z]/.test(first));
  if (isHost) return hostPattern.test(first) && rest.every((part) => componentPattern.test(part));
  return [first, ...rest].every((part) => componentPattern.test(part));
}

/** When the registry is asked, where the container doesn't say: as in Kubernetes. */
export function defaultPullPolicy(image: string): "Always" | "IfNotPresent" {
  const parts = parseImage(image);
  if (parts === undefined || parts.digest !== undefined) return "IfNotPresent";
  return parts.tag === undefined || parts.tag === "latest" ? "Always" : "IfNotPresent";
}
