/** One question to a registry: over HTTPS, but for registries on the loopback, within a time, and with a bound on the answer. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { getCACertificates } from "node:tls";
import { type Answer, answerOf } from "../../runtime/registry/answer.ts";

export interface Question {
  method: "GET" | "HEAD";
  headers: Readonly<Record<string, string>>;
  /** Authorities besides Node's that the server's certificate may be signed by, PEM. */
  ca?: string | undefined;
  signal: AbortSignal;
}

/** The distribution specification's limit for manifests. */
const largest = 4 << 20;
const mostRedirects = 3;

/** The answer, with redirects followed; credentials go no further than the first host. Rejects where there is none. */
export async function ask(url: URL, question: Question): Promise<Answer> {
  let at = url;
  for (let followed = 0; ; followed += 1) {
    const { authorization, ...others } = question.headers;
    const headers = authorization === undefined || at.host !== url.host ? others : { ...others, authorization };
    const answer = await once(at, { ...question, headers });
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
    if (followed === mostRedirects) throw new Error(`it redirects more than ${mostRedirects} times`);
    const next = new URL(location, at);
    if (next.protocol !== url.protocol) throw new Error(`it redirects to ${next.protocol}//${next.host}`);
    at = next;
  }
}

function once(url: URL, { method, headers, ca, signal }: Question): Promise<Answer> {
  const start = url.protocol === "https:" ? httpsRequest : httpRequest;
  const trust = ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] };
  return answerOf(start(url, { method, agent: false, headers, signal, ...trust }), largest);
}
