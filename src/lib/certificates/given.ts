/** Whether a certificate that its owner gave, in a Secret, can serve the names that it is for. */
import { covers, fits, inspectCertificate } from "./inspect.ts";

/** A reason word and what to do. */
export interface Fault {
  reason: string;
  message: string;
}

/** When it ends, or why it can't be used. */
export function checkGiven(
  { names, given }: { names: readonly string[]; given: { cert: string; key: string } },
  now: number,
): { notAfter: number } | Fault {
  const invalid = (message: string): Fault => ({ reason: "CertificateInvalid", message });
  let facts;
  try {
    facts = inspectCertificate(given.cert);
  } catch {
    return invalid(
      "The Secret's tls.crt holds no certificate in PEM: put the whole chain there, the server's own first",
    );
  }
  if (!fits(given.cert, given.key)) {
    return invalid(
      "The Secret's tls.key isn't the private key of the first certificate in its tls.crt, in PEM without a password",
    );
  }
  const missing = names.find((name) => !covers(facts.names, name));
  if (missing !== undefined) {
    const has = facts.names.length === 0 ? "no DNS name" : facts.names.slice(0, 10).join(", ");
    return {
      reason: "CertificateMismatch",
      message: `The Secret's certificate is for ${has}, not for ${missing}: get one for that name, or take the host out of spec.tls`,
    };
  }
  if (facts.notAfter <= now) {
    const ended = new Date(facts.notAfter).toISOString();
    return { reason: "CertificateExpired", message: `The Secret's certificate ended on ${ended}: renew it` };
  }
  return { notAfter: facts.notAfter };
}
