/**
 * One HTTP exchange with a service through its gateway.
 */
import type { IncomingMessage, RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { getCACertificates } from "node:tls";
import { http } from "../../../lib/node-http.ts";
import { FailureError } from "../../errors.ts";
import type { Message } from "./message.ts";

export interface Exchange {
  /** The service's address. */
  url: URL;
  path: string;
  message: Message;
  /** `HOST:PORT` to connect to, instead of where the host's name leads. */
  address?: string | undefined;
  signal: AbortSignal;
}

/** Sends it; resolves once the answer's head is there, whatever its status. */
export function exchange({ url, path, message, address, signal }: Exchange): Promise<IncomingMessage> {
  const secure = url.protocol === "https:";
  const { host, port } = placeOf(url, address);
  const options: RequestOptions = {
    method: message.method,
    host,
    port,
    path,
    agent: false,
    signal,
    // As a browser names it: the default port is left out.
    headers: {
      host: url.host,
      ...message.headers,
      ...(message.body === undefined ? {} : { "content-length": String(message.body.length) }),
    },
    // What the machine trusts, as other clients do: that is where 'elafros trust' puts the local CA.
    ...(secure
      ? { servername: url.hostname, ca: [...getCACertificates("default"), ...getCACertificates("system")] }
      : {}),
  };
  return new Promise((resolve, reject) => {
    const outgoing = (secure ? httpsRequest : http.request)(options);
    outgoing.on("response", resolve);
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      reject(signal.aborted ? (signal.reason as Error) : unreachable(error, { url, host, port }));
    });
    outgoing.end(message.body);
  });
}

/** Names below `localhost` lead to this machine wherever they are asked for (RFC 6761 §6.3); not every resolver knows that. */
function placeOf(url: URL, address: string | undefined): { host: string; port: number } {
  const to = address === undefined ? url : new URL(`http://${address}`);
  const name = to.hostname.replace(/^\[|\]$/g, "");
  const port =
    address === undefined ? url.port || (url.protocol === "https:" ? "443" : "80") : address.split(":").at(-1);
  return { host: name === "localhost" || name.endsWith(".localhost") ? "127.0.0.1" : name, port: Number(port) };
}

function unreachable(
  error: NodeJS.ErrnoException,
  { url, host, port }: { url: URL; host: string; port: number },
): FailureError {
  const what = `Cannot reach ${url.origin}`;
  const elsewhere = "say where the gateway listens with --address HOST:PORT";
  switch (error.code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new FailureError(`${what}: the name "${host}" can't be resolved (${error.code}): ${elsewhere}`, {
        cause: error,
      });
    case "ECONNREFUSED":
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return new FailureError(
        `${what}: no gateway answers at ${host}:${port} (${error.code}): see 'elafros status', or ${elsewhere}`,
        { cause: error },
      );
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return new FailureError(
        `${what}: this machine trusts no authority that signed its certificate (${error.code}): run 'sudo elafros trust' where Elafros runs, and set NODE_EXTRA_CA_CERTS to the file that 'elafros trust --print' gives elsewhere`,
        { cause: error },
      );
    default:
      return new FailureError(`${what}: ${error.message}`, { cause: error });
  }
}
