/** What a tag is, asked of its registry (OCI distribution specification; token authentication of the Docker registry). */
import { createHash } from "node:crypto";
import { ImageError } from "../../runtime/images.ts";
import { authsFor } from "../../runtime/registry/auths.ts";
import { parseChallenges } from "../../runtime/registry/challenge.ts";
import { basicAuthorization, registryWords, tokenOf } from "../../runtime/registry/login.ts";
import { type ImageReference, isLoopback } from "../../runtime/registry/reference.ts";
import type { RegistryAuth } from "../../runtime/workloads.ts";
import type { Answer } from "../../runtime/registry/answer.ts";
import { ask, type Question } from "./get.ts";

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** How long a registry may take to say what a tag means. */
const patienceMs = 20_000;

/**
 * The digest of what a tag means now: of the list where the tag is one, so that it means the same on every architecture. Tries the
 * given credentials that apply, the more exact first, else anonymously; the last failure is the one that is told.
 * @param ca authorities besides Node's, PEM
 * @throws ImageError with the registry's own error, the URL and the user that it was asked as
 */
export async function tagDigest(
  reference: ImageReference,
  auths: readonly RegistryAuth[],
  ca?: string,
): Promise<string> {
  const candidates: (RegistryAuth | undefined)[] = authsFor(reference.name, auths);
  if (candidates.length === 0) candidates.push(undefined);
  const url = manifestUrl(reference);
  let failure = new ImageError(`Cannot ask registry "${reference.registry}"`);
  for (const credentials of candidates) {
    const who = credentials === undefined ? "anonymously" : `as user ${JSON.stringify(credentials.username)}`;
    const asked = `(asked ${url.href} ${who})`;
    try {
      const answer = await asUser(url, { path: reference.path, ca }, credentials);
      const digest = answer.status === 200 ? digestOf(answer) : undefined;
      if (digest !== undefined) return digest;
      failure = new ImageError(`${whyNot(answer)} ${asked}`);
    } catch (error) {
      // Who asks makes no difference.
      throw new ImageError(`${unreachable(error)} ${asked}`, { cause: error });
    }
  }
  throw failure;
}

function manifestUrl({ registry, path, tag = "latest" }: ImageReference): URL {
  // Docker's own has another name than its images say.
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  return new URL(`${isLoopback(registry) ? "http" : "https"}://${host}/v2/${path}/manifests/${tag}`);
}

async function asUser(
  url: URL,
  { path, ca }: { path: string; ca: string | undefined },
  credentials: RegistryAuth | undefined,
): Promise<Answer> {
  const signal = AbortSignal.timeout(patienceMs);
  const question = (authorization?: string): Question => ({
    // Not HEAD: where it fails, the registry's words come with an answer to GET alone.
    method: "GET",
    headers: { accept: manifestTypes, ...(authorization === undefined ? {} : { authorization }) },
    ca,
    signal,
  });
  const first = await ask(url, question());
  if (first.status !== 401) return first;
  const { basic, bearer } = parseChallenges(first.headers["www-authenticate"] ?? "");
  const login = credentials && basicAuthorization(credentials);
  if (bearer === undefined) return basic && login !== undefined ? ask(url, question(login)) : first;
  if (!URL.canParse(bearer.realm)) return first;
  const realm = new URL(bearer.realm);
  // A password goes nowhere in the clear, unless the registry itself is on the loopback.
  if (realm.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(realm.host))) return first;
  if (bearer.service !== undefined) realm.searchParams.set("service", bearer.service);
  realm.searchParams.append("scope", `repository:${path}:pull`);
  const headers: Record<string, string> = login === undefined ? {} : { authorization: login };
  const answer = await ask(realm, { method: "GET", headers, ca, signal });
  const token = answer.status === 200 ? tokenOf(answer.body) : undefined;
  return token === undefined ? (answer.status === 200 ? first : answer) : ask(url, question(`Bearer ${token}`));
}

/** That of the bytes that came: what a registry says of them must be so. */
function digestOf({ headers, body }: Answer): string | undefined {
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const said = headers["docker-content-digest"];
  return said === undefined || said === digest ? digest : undefined;
}

function whyNot(answer: Answer): string {
  if (answer.status === 200) return "the registry gave a manifest that isn't what it says: its digest is another";
  return registryWords(answer);
}

function unreachable(error: unknown): string {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (name === "TimeoutError" || name === "AbortError") return `the registry gave no answer in ${patienceMs / 1_000} s`;
  // Of several addresses that were tried there is no message.
  return `the registry can't be reached: ${message === "" ? (code ?? name) : message}`;
}
