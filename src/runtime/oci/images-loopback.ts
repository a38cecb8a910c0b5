/**
 * Asks a registry on this machine's loopback what a tag is, in this process: a tool takes ten times as long only to start. Done only
 * where that is plainly what the tools would do and see. `undefined` means "ask by a tool", whatever the reason: its answer, or its
 * error, is the one that counts. So nothing here explains, retries or guesses.
 *
 * Registries elsewhere are always asked by the tools. They need the machine's certificate authorities, and reading those takes longer than a
 * tool's start, or holds up the loop.
 */
import { createHash } from "node:crypto";
import { http } from "../../lib/node-http.ts";
import type { RegistryAuth } from "../workloads.ts";
import { type Answer, answerOf } from "../registry/answer.ts";
import { authsFor } from "../registry/auths.ts";
import { mayHaveMachineAuth } from "./images-auth.ts";
import { type BearerChallenge, parseChallenges } from "../registry/challenge.ts";
import { layerSizes } from "./images-progress.ts";
import { type ImageReference, isLoopback } from "../registry/reference.ts";
import type { RegistryManifest } from "./images-registry.ts";
import { isPlainlyConfigured } from "./registries-conf.ts";

/** Those whose digest is that of their bytes; signed ones of the first schema aren't. */
const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** The distribution specification's limit for manifests. */
const largestManifest = 4 << 20;
const largestToken = 1 << 20;
/** A registry on this machine that takes longer is in trouble, and the tool has more patience. */
const patienceMs = 2_000;

type Get = (url: URL, headers: Record<string, string>, most: number) => Promise<Answer>;

/** What the registry has under the tag, where it says so plainly. Never rejects. */
export async function loopbackManifest(
  reference: ImageReference,
  auth: readonly RegistryAuth[],
): Promise<RegistryManifest | undefined> {
  if (!isLoopback(reference.registry)) return undefined;
  const [plain, machineAuth] = await Promise.all([isPlainlyConfigured(), mayHaveMachineAuth(reference.registry)]);
  if (!plain || machineAuth) return undefined;
  // The tools try the most exact credentials first. Where the registry refuses those, it is their turn to try the others.
  const [credentials] = authsFor(reference.name, auth);
  return plainAnswer(reference, credentials);
}

/** The same, whatever the machine's configuration. Never rejects. */
export async function plainAnswer(
  reference: ImageReference,
  credentials: RegistryAuth | undefined,
  timeoutMs = patienceMs,
): Promise<RegistryManifest | undefined> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), timeoutMs);
  try {
    return await ask(reference, credentials, getUntil(over.signal));
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function ask(
  reference: ImageReference,
  credentials: RegistryAuth | undefined,
  get: Get,
): Promise<RegistryManifest | undefined> {
  const tag = reference.tag ?? "latest";
  const url = new URL(`http://${reference.registry}/v2/${reference.path}/manifests/${tag}`);
  const accept = manifestTypes.join(", ");
  const first = await get(url, { accept }, largestManifest);
  if (first.status !== 401) return manifestOf(first);
  const authorization = await authorize(first, { reference, credentials, get });
  if (authorization === undefined) return undefined;
  return manifestOf(await get(url, { accept, authorization }, largestManifest));
}

/** The header that a registry asks for when it answers 401; undefined where that isn't ours to give. */
async function authorize(
  refusal: Answer,
  { reference, credentials, get }: { reference: ImageReference; credentials: RegistryAuth | undefined; get: Get },
): Promise<string | undefined> {
  const { basic, bearer } = parseChallenges(refusal.headers["www-authenticate"] ?? "");
  const login = credentials && basicAuthorization(credentials);
  if (credentials !== undefined && login === undefined) return undefined;
  if (bearer === undefined) return basic ? login : undefined;
  const url = tokenUrl(bearer, reference, credentials);
  if (url === undefined) return undefined;
  const { status, body } = await get(url, login === undefined ? {} : { authorization: login }, largestToken);
  if (status !== 200) return undefined;
  const { token, access_token: access } = JSON.parse(body.toString("utf8")) as {
    token?: unknown;
    access_token?: unknown;
  };
  const given = token ?? access;
  return typeof given === "string" && /^[\x21-\x7e]+$/u.test(given) ? `Bearer ${given}` : undefined;
}

/** Of the token for one repository. Credentials go no further than this machine: a registry that names another as its realm isn't plain. */
function tokenUrl(
  { realm, service }: BearerChallenge,
  { path }: ImageReference,
  credentials: RegistryAuth | undefined,
): URL | undefined {
  if (!URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  if (url.protocol !== "http:" || !isLoopback(url.host) || url.username !== "" || url.password !== "") return undefined;
  if (credentials !== undefined) url.searchParams.set("account", credentials.username);
  url.searchParams.append("scope", `repository:${path}:pull`);
  if (service !== undefined) url.searchParams.set("service", service);
  return url;
}

/** RFC 7617. A user name with a colon can't be said this way. */
function basicAuthorization({ username, password }: RegistryAuth): string | undefined {
  if (username === "" || username.includes(":")) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

function manifestOf({ status, headers, body }: Answer): RegistryManifest | undefined {
  const [type = ""] = (headers["content-type"] ?? "").split(";");
  if (status !== 200 || headers["content-encoding"] !== undefined || !manifestTypes.includes(type.trim()))
    return undefined;
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const said = headers["docker-content-digest"];
  if (said !== undefined && said !== digest) return undefined;
  return { digest, layers: layerSizes(body) };
}

/** GET of a body of at most `most` bytes, without redirects, on a connection of its own. Rejects where that fails or isn't over in time. */
function getUntil(signal: AbortSignal): Get {
  return (url, headers, most) => answerOf(http.request(url, { agent: false, headers, signal }), most);
}
