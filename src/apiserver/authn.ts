/**
 * Who asks. A client certificate of the installation's CA names the user (CN) and groups (O); a bearer token is a ServiceAccount's.
 * There is no anonymous user: whoever shows neither gets 401, with the same words as whoever shows a bad one.
 */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";

import { ApiError } from "../api/meta/errors.ts";
import type { UserInfo } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import { issuer, TokenError, type Tokens } from "./tokens.ts";

/** The group of everyone who was authenticated. */
export const authenticatedGroup = "system:authenticated";

/** The refusal of requests without good credentials. */
export function unauthorized(cause?: unknown): ApiError {
  return new ApiError("Unauthorized", "Unauthorized", cause === undefined ? {} : { cause });
}

/** Finds who sends a request; undefined where it shows no credentials. Rejects with Unauthorized where they are bad. */
export async function authenticate(
  request: IncomingMessage,
  { tokens, clock }: { tokens: Tokens; clock: Clock },
): Promise<UserInfo | undefined> {
  const certificate = certificateUser(request, clock.now());
  if (certificate.user !== undefined) return certificate.user;
  const values = request.headersDistinct["authorization"] ?? [];
  if (values.length > 1) throw unauthorized("more than one Authorization header");
  const [scheme = "", token = "", ...more] = (values[0] ?? "").trim().split(/ +/);
  if (scheme.toLowerCase() === "bearer" && token !== "" && more.length === 0) {
    try {
      return (await tokens.review(token, [issuer])).user;
    } catch (error) {
      if (error instanceof TokenError) throw unauthorized(error);
      throw error;
    }
  }
  if (certificate.shown) throw unauthorized("the client certificate is not of this installation's CA");
  return undefined;
}

/** What a connection's client certificate says. */
interface Shown {
  /** When it ends, milliseconds since the epoch; undefined where it doesn't count. */
  until?: number;
  user?: UserInfo;
}

/** Read once for each connection: it can't show another later, and reading takes longer than all else that finds the user. */
const shownBy = new WeakMap<object, Shown | "none">();

/** The user of the connection's client certificate, if it was shown and verified in the handshake. */
function certificateUser({ socket }: IncomingMessage, now: number): { shown: boolean; user?: UserInfo } {
  let known = shownBy.get(socket);
  if (known === undefined) shownBy.set(socket, (known = readCertificate(socket as Partial<TLSSocket>)));
  if (known === "none") return { shown: false };
  const { until, user } = known;
  return user === undefined || until === undefined || until < now ? { shown: true } : { shown: true, user };
}

function readCertificate(socket: Partial<TLSSocket>): Shown | "none" {
  const certificate = socket.getPeerCertificate?.();
  if (certificate === undefined || Object.keys(certificate).length === 0) return "none";
  if (socket.authorized !== true) return {};
  const { CN: name, O: organizations } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  if (typeof name !== "string" || name === "") return {};
  const groups = [organizations ?? []].flat();
  return {
    until: Date.parse(certificate.valid_to),
    user: { username: name, groups: [...groups, authenticatedGroup] },
  };
}
