/**
 * The installation's own certificate authority: it signs the API server's certificate and the client certificates that
 * kubeconfigs hold. Everything is in one directory (0700): `ca.crt`, `ca.key`, `apiserver.crt`, `apiserver.key` and `tokens.key`,
 * which signs ServiceAccount tokens. Keys are ECDSA P-256, files 0600 and replaced atomically.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";

import * as x509 from "@peculiar/x509";

import type { Clock } from "../lib/clock.ts";
import { writeFileAtomic } from "../lib/files.ts";

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

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
const caDays = 3650;
const servingDays = 365;
const renewBeforeMs = 30 * dayMs;
/** Certificates are valid from an hour before they are made, for clients whose clock is behind. */
const skewMs = 3_600_000;
const alwaysNamed = [
  "127.0.0.1",
  "::1",
  "localhost",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];

x509.cryptoProvider.set(globalThis.crypto);

interface Authority {
  cert: x509.X509Certificate;
  key: CryptoKey;
}

/** Opens the directory, making what is missing in it. Throws where the CA has ended or a file can't be read, naming it. */
export async function openPki(options: PkiOptions): Promise<Pki> {
  const { dir, clock } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const authority = await openAuthority(dir, clock);
  const names = [...new Set([...alwaysNamed, ...(options.names ?? [])])].map((name) => name.toLowerCase());
  const ca = authority.cert.toString("pem");
  let serving = await readPair(dir, "apiserver");
  const tokenKey = (await readText(join(dir, "tokens.key"))) ?? (await makeTokenKey(dir));

  const pki: Pki = {
    ca,
    tokenKey,
    serving: () => {
      if (serving === undefined) throw new Error("The serving certificate is not made yet");
      return serving;
    },
    renew: async () => {
      if (serving !== undefined && isCurrent(serving.cert, { authority, names, now: clock.now() })) return false;
      serving = await issue(authority, {
        subject: [{ CN: ["elafros-apiserver"] }],
        names,
        days: servingDays,
        now: clock.now(),
      });
      await writePair(dir, "apiserver", serving);
      return true;
    },
    issueClient: async (identity, days = 365) => {
      checkIdentity(identity);
      const subject = [{ CN: [identity.user] }, ...identity.groups.map((group) => ({ O: [group] }))];
      return issue(authority, { subject, days, now: clock.now() });
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

async function openAuthority(dir: string, clock: Clock): Promise<Authority> {
  const stored = await readPair(dir, "ca");
  if (stored !== undefined) {
    const cert = new x509.X509Certificate(stored.cert);
    if (cert.notAfter.getTime() <= clock.now()) {
      throw new Error(
        `The CA certificate ${join(dir, "ca.crt")} ended on ${cert.notAfter.toISOString()}: remove ${dir} to make a new one, then write new kubeconfigs`,
      );
    }
    return { cert, key: await importKey(stored.key) };
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = clock.now();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: new x509.Name([{ CN: ["elafros-ca"] }]),
    notBefore: new Date(now - skewMs),
    notAfter: new Date(now + caDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await writePair(dir, "ca", { cert: cert.toString("pem"), key: await exportKey(keys.privateKey) });
  return { cert, key: keys.privateKey };
}

/** Signs a certificate: for a server where `names` is given, else for a client. */
async function issue(
  authority: Authority,
  options: { subject: x509.JsonName; names?: readonly string[]; days: number; now: number },
): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const { names, now } = options;
  const usage = names === undefined ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage]),
    await x509.AuthorityKeyIdentifierExtension.create(authority.cert, false),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
  if (names !== undefined) extensions.push(new x509.SubjectAlternativeNameExtension(names.map(alternativeName)));
  const end = Math.min(now + options.days * dayMs, authority.cert.notAfter.getTime());
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: new x509.Name(options.subject),
    issuer: authority.cert.subjectName,
    notBefore: new Date(now - skewMs),
    notAfter: new Date(end),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    extensions,
  });
  return { cert: cert.toString("pem"), key: await exportKey(keys.privateKey) };
}

function alternativeName(name: string): { type: "ip" | "dns"; value: string } {
  return { type: isIP(name) === 0 ? "dns" : "ip", value: name };
}

function isCurrent(pem: string, expected: { authority: Authority; names: readonly string[]; now: number }): boolean {
  const cert = new x509.X509Certificate(pem);
  if (cert.notAfter.getTime() - expected.now < renewBeforeMs || cert.notBefore.getTime() > expected.now) return false;
  if (cert.issuer !== expected.authority.cert.subject) return false;
  const issuer = cert.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
  if (issuer !== expected.authority.cert.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId) return false;
  const items = cert.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const named = items.map(({ type, value }) => canonical(type, value)).sort();
  return (
    named.join() ===
    expected.names
      .map((name) => canonical(alternativeName(name).type, name))
      .sort()
      .join()
  );
}

/** One spelling per address: certificates hold bytes, so `::1` comes back written out. */
function canonical(type: string, name: string): string {
  return type === "ip" && isIP(name) === 6 ? new URL(`http://[${name}]`).hostname : name.toLowerCase();
}

function serial(): string {
  return Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString("hex")
    .replace(/^./, "1");
}

async function makeTokenKey(dir: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const pem = await exportKey(keys.privateKey);
  await writeFileAtomic(join(dir, "tokens.key"), pem);
  return pem;
}

async function exportKey(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function importKey(pem: string): Promise<CryptoKey> {
  const [raw] = x509.PemConverter.decode(pem);
  if (raw === undefined) throw new Error("The CA's key file holds no PEM key");
  return webcrypto.subtle.importKey("pkcs8", raw, algorithm, true, ["sign"]);
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
