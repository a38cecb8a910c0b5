/** Which issuer a certificate comes from, where there is an ACME server. */
import type { Fault } from "../../lib/certificates/given.ts";
import type { Issuer } from "./issuer.ts";

/** Names below `localhost` are this machine's alone (RFC 6761 §6.3), and a wildcard takes a proof by DNS, which the platform can't give. */
export function chooseIssuer(local: Issuer, acme: Issuer): (names: readonly string[]) => Issuer | Fault {
  return (names) => {
    const wildcard = names.find((name) => name.startsWith("*."));
    if (wildcard !== undefined) {
      const message = `An ACME server gives out no certificate for ${wildcard} without a change of its DNS: name a Secret for it in spec.tls`;
      return { reason: "WildcardNeedsSecret", message };
    }
    return names.every((name) => name === "localhost" || name.endsWith(".localhost")) ? local : acme;
  };
}
