/** Image references as users write them, with Docker's rules for what isn't written. */
import { isIPv4 } from "node:net";
import { ImageError } from "../images.ts";

export interface ImageReference {
  /** Registry host, with its port if it has one: `docker.io` where none is written. */
  registry: string;
  /** Repository within the registry. */
  path: string;
  /** `latest` where neither tag nor digest is written; undefined where there is a digest. */
  tag: string | undefined;
  /** `sha256:…`. */
  digest: string | undefined;
  /** `registry/path`. */
  name: string;
  /** No registry was written: an image that was built on this machine under this name (`localhost/NAME`) goes first. */
  short: boolean;
  /** A `localhost/…` name: only this machine's storage has it. */
  local: boolean;
}

// The grammar of the distribution specification (reference.go there): host, path components, tag, digest.
const host =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$/u;
const component = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/u;
const tagForm = /^\w[\w.-]{0,127}$/u;
const digestForm = /^sha256:[0-9a-f]{64}$/u;
const longest = 1024;

/**
 * Reads `[host[:port]/]path[:tag][@digest]`. A first component counts as a host where it has a dot or a colon or is `localhost`,
 * as with Docker; a name without a host is `docker.io`'s, one without a slash in its `library`.
 * @throws ImageError naming the reference and what is wrong with it
 */
export function parseReference(reference: string): ImageReference {
  const fail = (what: string) =>
    new ImageError(`Cannot parse image ${JSON.stringify(reference.slice(0, longest))}: ${what}`);
  if (reference.length === 0 || reference.length > longest) {
    throw fail(`a reference has 1 to ${longest} characters`);
  }
  const [rest = "", digest, ...more] = reference.split("@");
  if (more.length > 0 || (digest !== undefined && !digestForm.test(digest))) {
    throw fail('what follows "@" is not sha256: and 64 hexadecimal digits');
  }
  const slash = rest.indexOf("/");
  const first = slash === -1 ? "" : rest.slice(0, slash);
  const hosted = first === "localhost" || /[.:]/u.test(first) || first !== first.toLowerCase();
  const withTag = hosted ? rest.slice(slash + 1) : rest;
  const colon = withTag.indexOf(":");
  const path = colon === -1 ? withTag : withTag.slice(0, colon);
  const tag = colon === -1 ? undefined : withTag.slice(colon + 1);
  if (hosted && !host.test(first)) {
    throw fail(`${JSON.stringify(first)} is not a registry host`);
  }
  if (!path.split("/").every((part) => component.test(part))) {
    throw fail(
      `${JSON.stringify(path)} is not a repository: lower case letters, digits and single separators (. _ __ -) between slashes`,
    );
  }
  if (tag !== undefined && !tagForm.test(tag)) {
    throw fail(`${JSON.stringify(tag)} is not a tag: at most 128 letters, digits, and _ . - after the first`);
  }
  const registry = !hosted || first === "index.docker.io" ? "docker.io" : first;
  const fullPath = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  return {
    registry,
    path: fullPath,
    tag: digest === undefined ? (tag ?? "latest") : undefined,
    digest,
    name: `${registry}/${fullPath}`,
    short: !hosted,
    local: registry === "localhost",
  };
}

/** Whether a registry is on this machine's loopback, where plain HTTP is allowed, as Docker does. */
export function isLoopback(registry: string): boolean {
  const name = registry.replace(/:[0-9]+$/u, "");
  return name === "localhost" || name === "[::1]" || (isIPv4(name) && name.startsWith("127."));
}
