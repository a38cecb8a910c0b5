/**
 * What went wrong on the way to the server, as a sentence with the way out.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { authorityName } from "../api/authority.ts";
import { ApiError } from "../api/meta/errors.ts";
import type { Connection } from "./kubeconfig.ts";

/** The context of a connection that no kubeconfig has told: of a process in a Pod. */
export const inClusterContext = "in-cluster";

/** The server gave no answer: it isn't there, or it isn't trusted. */
export class UnreachableError extends ApiError {}

/** Says why `connection`'s server can't be reached. */
export function unreachable(error: unknown, connection: Connection): UnreachableError {
  const { server, context, source } = connection;
  const own = isOwn(connection);
  // Of a cluster whoever reads this may have several.
  const where = own ? server : `${server} (context "${context}" of ${source})`;
  const why = explain(error as NodeJS.ErrnoException, connection, own);
  return new UnreachableError("ServiceUnavailable", `Cannot reach the API server at ${where}: ${why}`, {
    cause: error,
  });
}

/** Whether the server is the one that Elafros has on one machine. What can't be told is a cluster. */
function isOwn({ ca }: Connection): boolean {
  if (ca === undefined) return false;
  try {
    return new X509Certificate(ca).subject.split("\n").includes(`CN=${authorityName}`);
  } catch {
    return false;
  }
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

/** What to do where nothing answers. */
function wayOut({ server, context, source }: Connection, own: boolean): string {
  if (own) {
    return isHere(new URL(server).hostname)
      ? "is it running? See 'elafros status', start it with 'elafros up'"
      : `is it running there, and is that the right address in ${source}?`;
  }
  if (context === inClusterContext) {
    return "look whether the cluster's API server runs, and whether a network policy keeps this Pod from it";
  }
  // Where there are several files, KUBECONFIG names them, to kubectl as well.
  const file = source.includes(", ") ? "" : ` --kubeconfig ${source}`;
  return `look whether the cluster runs and can be reached from here ('kubectl${file} --context ${context} get --raw /readyz'), correct its server in ${source}, or choose another cluster with --region or --kubeconfig`;
}

function explain(error: NodeJS.ErrnoException, connection: Connection, own: boolean): string {
  const { server, source } = connection;
  if (isUntrusted(error)) {
    return `its certificate isn't signed by the CA in ${source} (${error.code ?? ""}): get a new kubeconfig from that installation`;
  }
  const running = wayOut(connection, own);
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
      return `its name can't be resolved (${error.code}): check the server address in ${source}`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `its certificate isn't for that name or address: ${own ? "add it with 'elafros up --api-san NAME'" : "use one that it is for"}, or set tls-server-name in ${source}`;
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return `its certificate is not valid now (${error.code}): check this machine's clock`;
    case "EPROTO":
    case "HPE_INVALID_CONSTANT":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return `it doesn't speak ${new URL(server).protocol.replace(":", "").toUpperCase()}: check the server address in ${source}`;
    default:
      return error.message;
  }
}
