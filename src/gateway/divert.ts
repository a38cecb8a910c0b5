/** Plain requests that the gateway answers itself, whatever the app would say: for ACME servers, and for hosts that are served over TLS alone. */
import type { Answer } from "./answers.ts";
import type { Certificates } from "./tls/certificates.ts";

export interface DivertOptions {
  certificates: Certificates;
  /** Where clients reach the HTTPS listener; absent: nobody is sent there. */
  redirectPort: number | undefined;
}

/** Whether a plain request for the host may have to be diverted. Asked for each request, so it costs next to nothing. */
export function mayDivert({ certificates, redirectPort }: DivertOptions, host: string): boolean {
  return certificates.isChallenged(host) || (redirectPort !== undefined && certificates.has(host));
}

/**
 * What to answer in the app's place; undefined where the request goes its usual way. An ACME server's question goes before the
 * redirection, which it need not follow to a host without a certificate (RFC 8555 §8.3). A host without one is never sent to HTTPS.
 */
export function divert(
  { certificates, redirectPort }: DivertOptions,
  { host, path }: { host: string; path: string },
): Answer | undefined {
  const answer = certificates.challengeAnswer(host, path);
  if (answer !== undefined) return { status: 200, reason: "AcmeChallenge", sentence: answer, bare: true };
  if (redirectPort === undefined || !certificates.has(host)) return undefined;
  const port = redirectPort === 443 ? "" : `:${redirectPort}`;
  return {
    status: 308,
    reason: "HttpsOnly",
    sentence: "The service is served over HTTPS.",
    location: `https://${host}${port}${path === "*" ? "/" : path}`,
  };
}
