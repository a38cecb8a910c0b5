/** Reads certificates (RFC 5280): which names they have, when they end, whether a key fits. */
import { createPrivateKey, X509Certificate } from "node:crypto";

/** What is in the first certificate of a chain. */
export interface CertificateFacts {
  /** DNS names, in lower case. */
  names: string[];
  /** Milliseconds since the epoch. */
  notBefore: number;
  notAfter: number;
}

/** The facts of a chain, PEM. Throws where it is no certificate. */
export function inspectCertificate(chain: string): CertificateFacts {
  const certificate = new X509Certificate(chain);
  const names = (certificate.subjectAltName ?? "")
    .split(", ")
    .flatMap((entry) => (entry.startsWith("DNS:") ? [entry.slice("DNS:".length).toLowerCase()] : []));
  return { names, notBefore: certificate.validFromDate.getTime(), notAfter: certificate.validToDate.getTime() };
}

/** Whether the private key, PEM, is that of the first certificate of the chain. */
export function fits(chain: string, key: string): boolean {
  try {
    return new X509Certificate(chain).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Whether one of the names in a certificate stands for the host: the same, or `*.` in place of the first label (RFC 9525 §6.3). */
export function covers(names: readonly string[], host: string): boolean {
  return names.includes(host) || names.includes(`*${host.slice(host.indexOf("."))}`);
}
