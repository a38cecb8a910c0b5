/** Requests to an ACME server: HTTPS alone, without redirections, bounded in time and size. */
import { request } from "node:https";
import { getCACertificates } from "node:tls";
import { IssueError } from "../certificates/issuer.ts";

const timeoutMs = 30_000;
const mostBytes = 1024 * 1024;

export interface AcmeRequest {
  method: "GET" | "HEAD" | "POST";
  /** Of a POST, `application/jose+json`. */
  body?: string;
}

export interface AcmeResponse {
  status: number;
  header(name: string): string | undefined;
  text: string;
}

/**
 * Sends requests.
 * @param ca certificates, PEM, of authorities to trust besides the machine's
 */
export function acmeHttp(ca: string | undefined, version: string) {
  let trusted: string[] | undefined;
  return (url: string, { method, body }: AcmeRequest): Promise<AcmeResponse> => {
    trusted ??= [...getCACertificates("default"), ...getCACertificates("system"), ...(ca === undefined ? [] : [ca])];
    const headers = {
      // RFC 8555 §6.1 asks for both.
      "user-agent": `elafros/${version}`,
      "accept-language": "en",
      ...(body === undefined
        ? {}
        : { "content-type": "application/jose+json", "content-length": Buffer.byteLength(body) }),
    };
    return new Promise((resolve, reject) => {
      const unreachable = (error: Error): void => {
        const { host } = new URL(url);
        reject(new IssueError("AcmeUnreachable", `Cannot reach the ACME server ${host}: ${error.message}`));
      };
      const outgoing = request(
        url,
        { method, headers, ca: trusted, signal: AbortSignal.timeout(timeoutMs) },
        (answer) => {
          const parts: Buffer[] = [];
          let bytes = 0;
          answer.on("data", (part: Buffer) => {
            parts.push(part);
            bytes += part.length;
            if (bytes > mostBytes) answer.destroy(new Error("its answer is longer than 1 MiB"));
          });
          answer.on("error", unreachable);
          answer.on("end", () =>
            resolve({
              status: answer.statusCode ?? 0,
              header: (name) => {
                const value = answer.headers[name];
                return Array.isArray(value) ? value[0] : value;
              },
              text: Buffer.concat(parts).toString("utf8"),
            }),
          );
        },
      );
      outgoing.on("error", unreachable);
      outgoing.end(body);
    });
  };
}

export type AcmeHttp = ReturnType<typeof acmeHttp>;
