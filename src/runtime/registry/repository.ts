/**
 * A repository of a registry (OCI distribution specification 1.1), over kept-alive connections: HTTPS, or plain HTTP on the loopback where nothing else is
 * spoken. Bodies stream both ways. Credentials go to the registry and to the token server that it names over HTTPS, and nowhere else.
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ImageError } from "../images.ts";
import { authsFor } from "./auths.ts";
import { parseChallenges } from "./challenge.ts";
import { basicAuthorization, exchangeBody, type RegistryLogin, registryWords, tokenOf } from "./login.ts";
import { type ImageReference, isLoopback } from "./reference.ts";

export interface RepositoryOptions {
  reference: Pick<ImageReference, "registry" | "path" | "name">;
  /** Those that apply are tried, the more exact first, and then no credentials. */
  auths: readonly RegistryLogin[];
  /** Whether images are put there too. */
  write: boolean;
  /** Whether something is taken away there. */
  deletes?: boolean | undefined;
  /** Another repository of the same registry, to mount blobs from. */
  mountFrom?: string | undefined;
  /** Authorities that servers' certificates may be signed by, PEM. Default: Node's. */
  ca?: readonly string[] | undefined;
  /** The name in the registry's certificate, where it isn't the host's. */
  serverName?: string | undefined;
  signal: AbortSignal;
}

interface RegistryRequest {
  method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/v2/REPOSITORY/`, or a URL that the registry named. */
  at: string | URL;
  headers?: Readonly<Record<string, string>>;
  /** Opened anew for each try. */
  body?: () => Readable | Promise<Readable>;
}

export interface RegistryAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** The body, which is to be read to its end. */
  stream: IncomingMessage;
  /** Where it came from, redirects followed. */
  url: URL;
}

export interface Repository {
  registry: string;
  path: string;
  /** The answer's head, whatever its status but 401. Redirects of GET are followed. */
  send(request: RegistryRequest): Promise<RegistryAnswer>;
  /** The error of an answer that isn't what was asked for, with the registry's own words, the URL and the user. Reads the body. */
  refusal(answer: RegistryAnswer): Promise<ImageError>;
  close(): void;
}

/** A connection on which nothing moves for so long is given up. */
const silentMs = 60_000;
const mostRedirects = 3;
const largestWords = 64 << 10;
const largestToken = 1 << 20;

export function openRepository(options: RepositoryOptions): Repository {
  const { reference, signal } = options;
  const { registry, path } = reference;
  const ca = options.ca === undefined ? {} : { ca: [...options.ca] };
  const servername = options.serverName === undefined ? {} : { servername: options.serverName };
  const agents = {
    "https:": new HttpsAgent({ keepAlive: true, ...ca, ...servername }),
    "http:": new HttpAgent({ keepAlive: true }),
  };
  // Docker's own has another name than its images say.
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  let base = new URL(`https://${host}/v2/${path}/`);
  /** It has answered over TLS: what breaks then is no server that speaks none. */
  let speaksTls = false;
  const candidates: (RegistryLogin | undefined)[] = [...authsFor(reference.name, options.auths), undefined];
  let user: RegistryLogin | undefined;
  let authorization: string | undefined;
  /** Ends once it is known what to show next: what is sent meanwhile would go without. */
  let asking: Promise<unknown> = Promise.resolve();

  async function exchange(url: URL, { method, headers, body }: RegistryRequest): Promise<RegistryAnswer> {
    const secure = url.protocol === "https:";
    const content = await body?.();
    return new Promise((resolve, reject) => {
      const start = secure ? httpsRequest : httpRequest;
      const agent = agents[secure ? "https:" : "http:"];
      const login = authorization === undefined || url.origin !== base.origin ? {} : { authorization };
      const outgoing = start(url, { method, agent, headers: { ...headers, ...login }, signal, timeout: silentMs });
      outgoing.on("timeout", () => outgoing.destroy(new Error(`nothing came for ${silentMs / 1_000} s`)));
      outgoing.on("error", reject);
      outgoing.on("response", (stream) => {
        speaksTls ||= secure && url.host === base.host;
        resolve({ status: stream.statusCode ?? 0, headers: stream.headers, stream, url });
      });
      if (content === undefined) outgoing.end();
      // What goes wrong is told by the request's own error; a registry that refuses answers before it has all.
      else void pipeline(content, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
    });
  }

  /** One exchange, redirects followed. */
  async function follow(request: RegistryRequest): Promise<RegistryAnswer> {
    const first = new URL(request.at, base);
    if (base.protocol === "https:" && first.protocol !== "https:") {
      throw new ImageError(`registry "${registry}" names ${first.href} for what is sent, which isn't encrypted`);
    }
    let url = first;
    for (let followed = 0; ; followed += 1) {
      const answer = await reach(url, request);
      const { location } = answer.headers;
      const redirects = [301, 302, 303, 307, 308].includes(answer.status);
      if (request.method !== "GET" || !redirects || location === undefined) return answer;
      answer.stream.resume();
      const next = new URL(location, url);
      if (followed === mostRedirects || (url.protocol === "https:" && next.protocol !== "https:")) {
        throw new ImageError(`registry "${registry}" redirects ${first.href} to ${next.href}, which isn't followed`);
      }
      url = next;
    }
  }

  async function reach(url: URL, request: RegistryRequest): Promise<RegistryAnswer> {
    try {
      return await exchange(url, request);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ImageError) throw error;
      const plain = new URL(base);
      plain.protocol = "http:";
      const mayBePlain = !speaksTls && url.protocol === "https:" && url.host === base.host && isLoopback(registry);
      if (mayBePlain && speaksNoTls(error)) {
        base = plain;
        return reach(new URL(url.href.replace(/^https:/u, "http:")), request);
      }
      const { message, code } = error as NodeJS.ErrnoException;
      // Of several addresses that were tried there is no message.
      const why = message === "" ? (code ?? "no answer") : message;
      throw new ImageError(`registry "${registry}" can't be reached at ${url.origin}: ${why}`, { cause: error });
    }
  }

  /** Asks for what the registry wants to see; false where no credentials are left to try. */
  async function authorize(header: string): Promise<boolean> {
    const { basic, bearer } = parseChallenges(header);
    for (;;) {
      if (candidates.length === 0) return false;
      user = candidates.shift();
      const login = user && basicAuthorization(user);
      if (user !== undefined && login === undefined && user.identityToken === undefined) continue;
      authorization = bearer === undefined ? (basic ? login : undefined) : await token(bearer, user);
      if (authorization !== undefined) return true;
    }
  }

  async function token(
    { realm, service }: { realm: string; service: string | undefined },
    asker: RegistryLogin | undefined,
  ): Promise<string | undefined> {
    if (!URL.canParse(realm)) return undefined;
    const url = new URL(realm);
    // A password goes nowhere in the clear, unless the registry itself is on the loopback.
    if (url.protocol !== "https:" && !(base.protocol === "http:" && isLoopback(url.host))) return undefined;
    const actions = ["pull", ...(options.write ? ["push"] : []), ...(options.deletes === true ? ["delete"] : [])];
    const scopes = [`repository:${path}:${actions.join()}`];
    if (options.mountFrom !== undefined) scopes.push(`repository:${options.mountFrom}:pull`);
    authorization = undefined;
    const answer =
      asker?.identityToken === undefined
        ? await askFor(url, { service, scopes, login: asker && basicAuthorization(asker) })
        : await exchangeFor(url, exchangeBody(asker.identityToken, { service, scopes }));
    const body = await readSome(answer.stream, largestToken);
    const given = answer.status === 200 ? tokenOf(body) : undefined;
    return given === undefined ? undefined : `Bearer ${given}`;
  }

  function askFor(
    url: URL,
    { service, scopes, login }: { service: string | undefined; scopes: readonly string[]; login: string | undefined },
  ): Promise<RegistryAnswer> {
    if (service !== undefined) url.searchParams.set("service", service);
    for (const scope of scopes) url.searchParams.append("scope", scope);
    const headers: Record<string, string> = login === undefined ? {} : { authorization: login };
    return exchange(url, { method: "GET", at: url, headers });
  }

  function exchangeFor(url: URL, body: string): Promise<RegistryAnswer> {
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      "content-length": String(Buffer.byteLength(body)),
    };
    return exchange(url, { method: "POST", at: url, headers, body: () => Readable.from([body]) });
  }

  const refusal = async (answer: RegistryAnswer): Promise<ImageError> => {
    const body = await readSome(answer.stream, largestWords).catch(() => Buffer.alloc(0));
    const who = user === undefined ? "anonymously" : `as user ${JSON.stringify(user.username)}`;
    return new ImageError(`${registryWords({ status: answer.status, body })} (asked ${base.href.slice(0, -1)} ${who})`);
  };

  return {
    registry,
    path,
    refusal,
    async send(request) {
      await asking;
      let renewed = authorization === undefined;
      for (;;) {
        const shown = authorization;
        const answer = await follow(request);
        // Where it redirects to, credentials of its own are in the URL, and ours are none of its business.
        if (answer.status !== 401 || answer.url.origin !== base.origin) return answer;
        const asked = user;
        const asks = asking.then(() => {
          // Another request has been given something new to show.
          if (authorization !== shown) return true;
          // A token ends after some minutes: the same credentials give another.
          if (!renewed) candidates.unshift(user);
          renewed = true;
          return authorize(answer.headers["www-authenticate"] ?? "");
        });
        asking = asks.catch(() => {});
        if (!(await asks)) {
          user ??= asked;
          throw await refusal(answer);
        }
        answer.stream.resume();
      }
    },
    close: () => {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** A server that speaks plain HTTP answers the start of TLS with something else, or nothing. */
function speaksNoTls(error: unknown): boolean {
  const { code = "" } = error as NodeJS.ErrnoException;
  return ["EPROTO", "ECONNRESET", "ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"].includes(code);
}

/** An answer's body of at most `most` bytes. */
export async function readSome(stream: IncomingMessage, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > most) {
      stream.destroy();
      throw new ImageError(`the registry's answer has more than ${most} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
