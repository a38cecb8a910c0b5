/** What registries are told of who asks, and what they say when they refuse (OCI distribution specification; token authentication of the Docker registry). */
import { STATUS_CODES } from "node:http";
import type { RegistryAuth } from "../workloads.ts";

/** Whoever may ask for an image: by a password, or by what a token server has given for longer. */
export interface RegistryLogin extends RegistryAuth {
  /** It is exchanged for tokens (OAuth 2.0, RFC 6749 section 6), and is no password. */
  identityToken?: string;
}

/** Whom a token server counts us among (its `client_id`). */
const clientId = "elafros";

/** The body with which an identity token is exchanged for a token of these scopes. */
export function exchangeBody(
  identityToken: string,
  { service, scopes }: { service: string | undefined; scopes: readonly string[] },
): string {
  return new URLSearchParams({
    grant_type: "refresh_token",
    client_id: clientId,
    ...(service === undefined ? {} : { service }),
    scope: scopes.join(" "),
    refresh_token: identityToken,
  }).toString();
}

/** The header for a user and a password (RFC 7617); undefined for a user name with a colon, which can't be said this way, and without a password. */
export function basicAuthorization({ username, password, identityToken }: RegistryLogin): string | undefined {
  if (username.includes(":") || identityToken !== undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

/** The token in a token server's answer; undefined where there is none that can be sent. */
export function tokenOf(body: Buffer): string | undefined {
  const value: { token?: unknown; access_token?: unknown } | undefined = json(body);
  const given = value?.token ?? value?.access_token;
  return typeof given === "string" && /^[\x21-\x7e]+$/u.test(given) ? given : undefined;
}

/** The registry's own words of an answer that isn't what was asked for. */
export function registryWords({ status, body }: { status: number; body: Buffer }): string {
  const { errors } = (json(body) ?? {}) as { errors?: { code?: unknown; message?: unknown }[] };
  const first = Array.isArray(errors) ? errors[0] : undefined;
  const words = [first?.code, first?.message].filter((word) => typeof word === "string" && word !== "");
  return words.length === 0 ? `the registry answered with status ${status}${nameOf(status)}` : words.join(": ");
}

/** An answer to HEAD has no words but its status. */
function nameOf(status: number): string {
  const name = STATUS_CODES[status];
  return name === undefined ? "" : ` (${name})`;
}

function json(body: Buffer): object | undefined {
  try {
    const value = JSON.parse(body.toString("utf8")) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
