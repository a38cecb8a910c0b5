/** Where certificates come from: the installation's own authority, or an ACME server. */
import type { KeyPair } from "../../apiserver/pki.ts";
import type { CertificateWanted } from "../../routing/certificates.ts";
import type { Authority } from "./authority.ts";

export interface Issuer {
  /** Written beside what it made: what another issuer made isn't used in its place. */
  readonly name: string;
  /** How many it works on at once, and for one namespace. */
  readonly atOnce: number;
  readonly atOncePerNamespace: number;
  /** How often it may be asked for one namespace, so that none uses up what all have together; absent: as often as is wanted. */
  readonly budget?: { times: number; perMs: number };
  /** How long to wait after the first failure, and at most, milliseconds. */
  readonly retry: { baseMs: number; maxMs: number };
  /** The names that its certificate for what is wanted has. */
  namesFor(wanted: CertificateWanted): readonly string[];
  /**
   * Makes or gets one.
   * @throws IssueError with a reason word and the way out
   */
  issue(names: readonly string[]): Promise<KeyPair>;
}

/** Why there is no certificate. */
export class IssueError extends Error {
  override readonly name = "IssueError";
  readonly reason: string;
  /** Trying again any sooner has no use, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Certificates of the installation's own authority. */
export function localIssuer(authority: Authority): Issuer {
  return {
    name: "local",
    atOnce: 4,
    atOncePerNamespace: 4,
    retry: { baseMs: 1_000, maxMs: 600_000 },
    // With a wildcard, a target's name needs no other certificate.
    namesFor: ({ names, above }) => (above === undefined ? names : [above, `*.${above}`]),
    issue: async (names) => {
      try {
        return await authority.issue(names);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new IssueError("CertificateAuthorityFailed", `The local CA could not make a certificate: ${why}`);
      }
    },
  };
}
