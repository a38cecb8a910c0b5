/**
 * What went wrong on the way to the server, as a sentence with the way out.
 */
import { isIP } from "node:net";
import { ApiError } from "../api/meta/errors.ts";
import type { Connection } from "./kubeconfig.ts";

/** The server gave no answer: it isn't there, or it isn't trusted. */
export class UnreachableError extends ApiError {}

/** Says why `connection`'s server can't be reached. */
export function unreachable(error: unknown, connection: Connection): UnreachableError {
  const cause = error as NodeJS.ErrnoException;
  const { hostname } = new URL(connection.server);
  const message = `Cannot reach the API server at ${connection.server}: ${explain(cause, connection, isHere(hostname))}`;
  return new UnreachableError("ServiceUnavailable", message, { cause: error });
}

const untrusted: readonly (string | undefined)[] = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
];

/** Whether the server's certificate isn't signed by the CA that is known. */
export function isUntrusted(error: unknown): boolean {
  return untrusted.includes((error as NodeJS.ErrnoException).code);
}

function isHere(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function explain(error: NodeJS.ErrnoException, connection: Connection, here: boolean): string {
  if (isUntrusted(error)) {
    return `its certificate isn't signed by the CA in ${connection.source} (${error.code ?? ""}): get a new kubeconfig from that installation`;
  }
  const elsewhere = `is it running there, and is that the right address in ${connection.source}?`;
  const running = here ? "is it running? See 'elafros status', start it with 'elafros up'" : elsewhere;
  switch (error.code) {
    case "ECONNREFUSED":
      return `connection refused: ${running}`;
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `no answer (${error.code}): ${running}`;
    case "ECONNRESET":
    case "EPIPE":
      return `it closed the connection: ${running}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `its name can't be resolved (${error.code}): check the server address in ${connection.source}`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `its certificate isn't for that name or address: add it with 'elafros up --api-san NAME', or set tls-server-name in ${connection.source}`;
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return `its certificate is not valid now (${error.code}): check this machine's clock`;
    case "EPROTO":
    case "HPE_INVALID_CONSTANT":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return `it doesn't speak ${new URL(connection.server).protocol.replace(":", "").toUpperCase()}: check the server address in ${connection.source}`;
    default:
      return error.message;
  }
}
