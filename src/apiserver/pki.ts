/**
 * The installation's own certificate authority: it signs the API server's certificate and the client certificates that
 * kubeconfigs hold. Everything is in one directory (0700): `ca.crt`, `ca.key`, `apiserver.crt`, `apiserver.key` and `tokens.key`,
 * which signs ServiceAccount tokens. Keys are ECDSA P-256, files 0600 and replaced atomically.
 */
import { generateKeyPair, X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import { authorityName } from "../api/authority.ts";
import type { Clock } from "../lib/clock.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { certificateMaker } from "./pki-thread.ts";

/** A certificate and its private key, PEM. */
export interface KeyPair {
  cert: string;
  key: string;
}

/** Whom a client certificate names: Kubernetes reads CN as the user and each O as a group. */
export interface ClientIdentity {
  user: string;
  groups: readonly string[];
}

export interface Pki {
  /** The CA's certificate, PEM. */
  readonly ca: string;
  /** The API server's certificate and key. */
  serving(): KeyPair;
  /** The private key that signs ServiceAccount tokens, PKCS #8 PEM. */
  readonly tokenKey: string;
  /** Makes the serving certificate anew if it ends within 30 days or names other hosts; tells whether it did. */
  renew(): Promise<boolean>;
  /** A client certificate, valid for `days` (365 unless given). */
  issueClient(identity: ClientIdentity, days?: number): Promise<KeyPair>;
}

export interface PkiOptions {
  /** The directory; made where it is missing. */
  dir: string;
  /** Names and addresses in the serving certificate, besides the ones every server has. */
  names?: readonly string[];
  clock: Clock;
}

const dayMs = 86_400_000;
const caDays = 3650;
const servingDays = 365;
const renewBeforeMs = 30 * dayMs;
const alwaysNamed = [
  "127.0.0.1",
  "::1",
  "localhost",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];

/** Opens the directory, making what is missing in it. Throws where the CA has ended or a file can't be read, naming it. */
export async function openPki(options: PkiOptions): Promise<Pki> {
  const { dir, clock } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const make = certificateMaker(clock);
  const [authority, tokenKey] = await Promise.all([
    openAuthority(dir, { clock, make }),
    readText(join(dir, "tokens.key")).then((stored) => stored ?? makeTokenKey(dir)),
  ]);
  const names = [...new Set([...alwaysNamed, ...(options.names ?? [])])].map((name) => name.toLowerCase());
  const ca = authority.cert;
  let serving = await readPair(dir, "apiserver");

  const pki: Pki = {
    ca,
    tokenKey,
    serving: () => {
      if (serving === undefined) throw new Error("The serving certificate is not made yet");
      return serving;
    },
    renew: async () => {
      if (serving !== undefined && isCurrent(serving.cert, { authority, names, now: clock.now() })) return false;
      const subject = [{ CN: ["elafros-apiserver"] }];
      serving = await make({ make: "certificate", authority, subject, names, days: servingDays, now: clock.now() });
      await writePair(dir, "apiserver", serving);
      return true;
    },
    issueClient: async (identity, days = 365) => {
      checkIdentity(identity);
      const subject = [{ CN: [identity.user] }, ...identity.groups.map((group) => ({ O: [group] }))];
      return make({ make: "certificate", authority, subject, days, now: clock.now() });
    },
  };
  await pki.renew();
  return pki;
}

function checkIdentity({ user, groups }: ClientIdentity): void {
  for (const [what, value] of [["user", user], ...groups.map((group) => ["group", group])]) {
    // eslint-disable-next-line no-control-regex -- names go into certificates, where control characters mislead
    if (value === undefined || value === "" || value.length > 64 || /[\u0000-\u001f\u007f]/.test(value)) {
      throw new Error(`Invalid ${what} ${JSON.stringify(value)}: give 1 to 64 printable characters`);
    }
  }
}

async function openAuthority(
  dir: string,
  { clock, make }: { clock: Clock; make: ReturnType<typeof certificateMaker> },
): Promise<KeyPair> {
  const stored = await readPair(dir, "ca");
  if (stored !== undefined) {
    const { validToDate } = new X509Certificate(stored.cert);
    if (validToDate.getTime() <= clock.now()) {
      throw new Error(
        `The CA certificate ${join(dir, "ca.crt")} ended on ${validToDate.toISOString()}: remove ${dir} to make a new one, then write new kubeconfigs`,
      );
    }
    return stored;
  }
  const made = await make({ make: "authority", name: authorityName, days: caDays, now: clock.now() });
  await writePair(dir, "ca", made);
  return made;
}

function isCurrent(pem: string, expected: { authority: KeyPair; names: readonly string[]; now: number }): boolean {
  const cert = new X509Certificate(pem);
  const ca = new X509Certificate(expected.authority.cert);
  if (cert.validToDate.getTime() - expected.now < renewBeforeMs) return false;
  if (cert.validFromDate.getTime() > expected.now) return false;
  if (!cert.checkIssued(ca) || !cert.verify(ca.publicKey)) return false;
  // As Node writes them: `DNS:localhost, IP Address:127.0.0.1`.
  const named = (cert.subjectAltName ?? "").split(", ").map((item) => canonical(item.replace(/^[^:]*:/, "")));
  return named.sort().join() === expected.names.map(canonical).sort().join();
}

/** One spelling per address: certificates hold bytes, so `::1` comes back written out. */
function canonical(name: string): string {
  return isIP(name) === 6 ? new URL(`http://[${name}]`).hostname : name.toLowerCase();
}

async function makeTokenKey(dir: string): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  await writeFileAtomic(join(dir, "tokens.key"), privateKey);
  return privateKey;
}

async function readPair(dir: string, name: string): Promise<KeyPair | undefined> {
  const cert = await readText(join(dir, `${name}.crt`));
  const key = await readText(join(dir, `${name}.key`));
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** The key goes first: a crash in between leaves a certificate that is missing or old, which is made again. */
async function writePair(dir: string, name: string, pair: KeyPair): Promise<void> {
  await writeFileAtomic(join(dir, `${name}.key`), pair.key);
  await writeFileAtomic(join(dir, `${name}.crt`), pair.cert);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
