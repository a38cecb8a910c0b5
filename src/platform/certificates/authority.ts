/**
 * The installation's certificate authority for HTTPS. It is another one than the API server's: people put this one into their machines'
 * trust stores, where the API server's would let its holder speak for any host and be an administrator as well. Made once, in one
 * directory (0700): `ca.crt` and `ca.key` (0600). The key never leaves control.
 */
import { randomBytes, X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { KeyPair } from "../../apiserver/pki.ts";
import { certificateMaker } from "../../apiserver/pki-thread.ts";
import type { Clock } from "../../lib/clock.ts";
import { writeFileAtomic } from "../../lib/files.ts";
import { fits } from "../../lib/certificates/inspect.ts";

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
 * Opens the authority in the directory, making it where there is none, or where it ends within a year.
 * @throws the system's error where a file can't be read or written
 */
export async function openAuthority(dir: string, clock: Clock): Promise<Authority> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const make = certificateMaker(clock);
  const pair = (await stored(dir, clock.now())) ?? (await makeAnew());
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
    const name = `Elafros local CA ${hostname().slice(0, 24)} ${randomBytes(4).toString("hex")}`;
    const made = await make({ make: "authority", name, days: caDays, now: clock.now() });
    // The key first: a crash in between leaves a certificate that isn't there, or doesn't fit, and both are made again.
    await writeFileAtomic(join(dir, "ca.key"), made.key);
    await writeFileAtomic(join(dir, "ca.crt"), made.cert);
    return made;
  }
}

async function stored(dir: string, now: number): Promise<KeyPair | undefined> {
  const [cert, key] = await Promise.all([readText(join(dir, "ca.crt")), readText(join(dir, "ca.key"))]);
  if (cert === undefined || key === undefined) return undefined;
  const { validToDate } = new X509Certificate(cert);
  return validToDate.getTime() - now > renewBeforeMs && fits(cert, key) ? { cert, key } : undefined;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
