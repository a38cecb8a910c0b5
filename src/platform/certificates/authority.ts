/**
 * The installation's certificate authority for HTTPS. It is another one than the API server's: people put this one into their machines'
 * trust stores, where the API server's would let its holder speak for any host and be an administrator as well. The key never leaves control and
 * its store.
 */
import { randomBytes, X509Certificate } from "node:crypto";
import { hostname } from "node:os";
import type { KeyPair } from "../../apiserver/pki.ts";
import { certificateMaker } from "../../apiserver/pki-thread.ts";
import type { Kept, KeptPair } from "../../lib/certificates/store.ts";
import { fits } from "../../lib/certificates/inspect.ts";
import type { Clock } from "../../lib/clock.ts";

const caDays = 3_650;
/** Leaves are short-lived, as they are renewed by themselves and nobody asks about revoked ones. */
const leafDays = 14;
const renewBeforeMs = 365 * 86_400_000;

export interface Authority {
  /** Its own certificate, PEM. */
  readonly cert: string;
  /** Makes a certificate for a server of these DNS names. */
  issue(names: readonly string[]): Promise<KeyPair>;
}

/**
 * Opens the authority that is kept, making it where there is none, where it ends within a year, or where its key is another's.
 * @param of what its name tells people; this machine's name unless given
 * @throws the store's error where it can't be read or written
 */
export async function openAuthority(
  store: Kept<KeptPair>,
  clock: Clock,
  { of = hostname() }: { of?: string } = {},
): Promise<Authority> {
  const make = certificateMaker(clock);
  const kept = await store.read();
  const pair = kept !== undefined && isGood(kept, clock.now()) ? kept : await makeAnew();
  return {
    cert: pair.cert,
    issue: (names) => {
      // Names of hosts may be longer than the 64 characters that a common name may have; clients look at the alternative names alone.
      const subject = [{ O: ["Elafros"] }];
      return make({ make: "certificate", authority: pair, subject, names, days: leafDays, now: clock.now() });
    },
  };

  async function makeAnew(): Promise<KeyPair> {
    // A name of its own each: trust stores tell authorities apart by it.
    const name = `Elafros local CA ${of.slice(0, 24)} ${randomBytes(4).toString("hex")}`;
    const made = await make({ make: "authority", name, days: caDays, now: clock.now() });
    await store.write(made);
    return made;
  }
}

function isGood({ cert, key }: KeptPair, now: number): boolean {
  if (!fits(cert, key)) return false;
  return new X509Certificate(cert).validToDate.getTime() - now > renewBeforeMs;
}
