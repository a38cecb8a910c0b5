/** An ACME server (RFC 8555): its directory, nonces, and signed requests in the name of one account. */
import { IssueError } from "../certificates/issuer.ts";
import { retryAfterMs } from "../../lib/retry-after.ts";
import { type AcmeHttp, type AcmeResponse } from "./http.ts";
import { type AccountKey, bindAccount, type Binding } from "./key.ts";

/** How long nothing is asked of a server that says it is asked too much, and doesn't say how long. */
const defaultHoldMs = 3_600_000;
const mostNonceTries = 10;

interface Directory {
  newNonce: string;
  newAccount: string;
  newOrder: string;
}

/** An answer's JSON, with where it is. */
export interface Resource {
  url: string;
  body: Record<string, unknown>;
  /** Milliseconds until it is to be asked again. */
  retryAfterMs: number | undefined;
}

export interface AcmeClientOptions {
  directory: string;
  http: AcmeHttp;
  key: AccountKey;
  email: string | undefined;
  binding: Binding | undefined;
  /** The account's URL, where it is known; `found` is told it otherwise. */
  account: string | undefined;
  found: (account: string) => Promise<void>;
  now: () => number;
}

export class AcmeClient {
  readonly #options: AcmeClientOptions;
  #directory: Directory | undefined;
  #nonces: string[] = [];
  #account: string | undefined;

  constructor(options: AcmeClientOptions) {
    this.#options = options;
    this.#account = options.account;
  }

  /** §7.4: asks for a certificate for these names. */
  async newOrder(names: readonly string[]): Promise<Resource> {
    const { newOrder } = await this.#find();
    return this.post(newOrder, { identifiers: names.map((value) => ({ type: "dns", value })) });
  }

  /** A signed request; without `payload` it reads (§6.3). */
  async post(url: string, payload?: object): Promise<Resource> {
    const answer = await this.#signed(url, { kid: await this.#accountUrl() }, payload);
    const body: unknown = answer.text === "" ? {} : JSON.parse(answer.text);
    return {
      url: answer.header("location") ?? url,
      body: body as Record<string, unknown>,
      retryAfterMs: retryAfterMs(answer.header("retry-after"), this.#options.now()),
    };
  }

  /** The certificate's chain, PEM (§7.4.2). */
  async download(url: string): Promise<string> {
    return (await this.#signed(url, { kid: await this.#accountUrl() })).text;
  }

  /** Makes the account, or finds the one that the key has (§7.3). */
  async #accountUrl(): Promise<string> {
    if (this.#account !== undefined) return this.#account;
    const { binding, email, key, found } = this.#options;
    const { newAccount } = await this.#find();
    const contact = email === undefined ? {} : { contact: [`mailto:${email}`] };
    const bound =
      binding === undefined ? {} : { externalAccountBinding: bindAccount(binding, { url: newAccount, jwk: key.jwk }) };
    const payload = { termsOfServiceAgreed: true, ...contact, ...bound };
    const answer = await this.#signed(newAccount, { jwk: key.jwk }, payload);
    const url = answer.header("location");
    if (url === undefined) throw refused("its answer names no account");
    this.#account = url;
    await found(url);
    return url;
  }

  async #signed(url: string, who: { kid: string } | { jwk: object }, payload?: object): Promise<AcmeResponse> {
    const { http, key, now } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const nonce = this.#nonces.pop() ?? (await this.#newNonce());
      const answer = await http(url, { method: "POST", body: key.jws({ ...who, nonce, url }, payload) });
      this.#keepNonce(answer);
      if (answer.status < 400) return answer;
      const problem = problemOf(answer);
      if (problem.type === "badNonce" && attempt < mostNonceTries) continue;
      // The server forgot the account, as test servers do when they start anew: the next try makes it again.
      if (problem.type === "accountDoesNotExist") this.#account = undefined;
      if (problem.type === "externalAccountRequired") {
        throw refused(`${problem.detail}: give what it gave you with --acme-eab-kid and --acme-eab-key`);
      }
      const wait = retryAfterMs(answer.header("retry-after"), now());
      if (problem.type === "rateLimited" || answer.status === 429) {
        throw new IssueError(
          "AcmeRateLimited",
          `The ACME server limits how often it is asked: ${problem.detail}`,
          wait ?? defaultHoldMs,
        );
      }
      throw refused(problem.detail, wait);
    }
  }

  async #find(): Promise<Directory> {
    if (this.#directory !== undefined) return this.#directory;
    const { directory, http } = this.#options;
    const answer = await http(directory, { method: "GET" });
    if (answer.status !== 200) throw refused(`its directory is answered with ${answer.status}: is ${directory} right?`);
    const { newNonce, newAccount, newOrder } = parse(answer.text);
    if (typeof newNonce !== "string" || typeof newAccount !== "string" || typeof newOrder !== "string") {
      throw refused(`${directory} is no ACME directory: give the directory's own URL with --acme-server`);
    }
    this.#directory = { newNonce, newAccount, newOrder };
    return this.#directory;
  }

  async #newNonce(): Promise<string> {
    const { newNonce } = await this.#find();
    const answer = await this.#options.http(newNonce, { method: "HEAD" });
    const nonce = answer.header("replay-nonce");
    if (nonce === undefined) throw refused("it gives no nonce");
    return nonce;
  }

  #keepNonce(answer: AcmeResponse): void {
    const nonce = answer.header("replay-nonce");
    if (nonce !== undefined && this.#nonces.length < 10) this.#nonces.push(nonce);
  }
}

/** What a server says is wrong (RFC 7807, §6.7), the part that names a host first where there is one. */
export function problemText(value: unknown): { type: string; detail: string } {
  const problem = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const type = typeof problem["type"] === "string" ? problem["type"].replace("urn:ietf:params:acme:error:", "") : "";
  const [sub] = Array.isArray(problem["subproblems"]) ? (problem["subproblems"] as Record<string, unknown>[]) : [];
  const details = [problem["detail"], sub?.["detail"]].filter((one): one is string => typeof one === "string");
  const detail = details.join(": ").slice(0, 1_000);
  return { type, detail: detail === "" ? type || "it doesn't say why" : type === "" ? detail : `${detail} (${type})` };
}

function problemOf(answer: AcmeResponse): { type: string; detail: string } {
  const { type, detail } = problemText(parse(answer.text));
  return { type, detail: type === "" ? `it answers with ${answer.status}` : detail };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function refused(detail: string, retryMs?: number): IssueError {
  return new IssueError("AcmeRefused", `The ACME server refused: ${detail}`, retryMs);
}
