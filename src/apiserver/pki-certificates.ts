/**
 * Makes certificates (RFC 5280) with keys of their own: ECDSA P-256. Loading the library takes long and much memory, and certificates are made
 * seldom: so this runs in a thread that comes and goes (pki-thread.ts).
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";

import * as x509 from "@peculiar/x509";

import type { KeyPair } from "./pki.ts";

/**
 * What is to be made: an authority; a certificate that one signs, for a server where `names` is given, else for a client; a request for one
 * (RFC 2986), which comes in `cert`; or what an ACME server is to see (RFC 8737 §3), `digest` in hexadecimal.
 */
export type CertificateRequest =
  | { make: "authority"; name: string; days: number; now: number }
  | {
      make: "certificate";
      authority: KeyPair;
      subject: Record<string, string[]>[];
      names?: readonly string[];
      days: number;
      now: number;
    }
  | { make: "request"; names: string[]; now: number }
  | { make: "acme"; name: string; digest: string; now: number };

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
/** Certificates are valid from an hour before they are made, for clients whose clock is behind. */
const skewMs = 3_600_000;

x509.cryptoProvider.set(globalThis.crypto);

/** Makes one; `now` is in milliseconds since the epoch. */
export function makeCertificate(request: CertificateRequest): Promise<KeyPair> {
  if (request.make === "authority") return makeAuthority(request);
  if (request.make === "certificate") return issue(request);
  return request.make === "request" ? makeRequest(request.names) : makeAcmeAnswer(request);
}

async function makeAuthority(request: Extract<CertificateRequest, { make: "authority" }>): Promise<KeyPair> {
  const { name, days, now } = request;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: new x509.Name([{ CN: [name] }]),
    notBefore: new Date(now - skewMs),
    notAfter: new Date(now + days * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: cert.toString("pem"), key: await exportKey(keys.privateKey) };
}

async function issue(request: Extract<CertificateRequest, { make: "certificate" }>): Promise<KeyPair> {
  const { names, now } = request;
  const authority = new x509.X509Certificate(request.authority.cert);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const usage = names === undefined ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage]),
    await x509.AuthorityKeyIdentifierExtension.create(authority, false),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
  if (names !== undefined) extensions.push(new x509.SubjectAlternativeNameExtension(names.map(alternativeName)));
  const end = Math.min(now + request.days * dayMs, authority.notAfter.getTime());
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: new x509.Name(request.subject),
    issuer: authority.subjectName,
    notBefore: new Date(now - skewMs),
    notAfter: new Date(end),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importKey(request.authority.key),
    extensions,
  });
  return { cert: cert.toString("pem"), key: await exportKey(keys.privateKey) };
}

async function makeRequest(names: readonly string[]): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    signingAlgorithm: algorithm,
    keys,
    extensions: [new x509.SubjectAlternativeNameExtension(names.map(alternativeName))],
  });
  return { cert: request.toString("pem"), key: await exportKey(keys.privateKey) };
}

const acmeIdentifier = "1.3.6.1.5.5.7.1.31";
const acmeDays = 1;

async function makeAcmeAnswer(request: Extract<CertificateRequest, { make: "acme" }>): Promise<KeyPair> {
  const { name, digest, now } = request;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  // The digest as an OCTET STRING in DER.
  const value = Buffer.concat([Buffer.from([0x04, 0x20]), Buffer.from(digest, "hex")]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: new x509.Name([{ O: ["Elafros"] }]),
    notBefore: new Date(now - skewMs),
    notAfter: new Date(now + acmeDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([alternativeName(name)]),
      new x509.Extension(acmeIdentifier, true, value),
    ],
  });
  return { cert: cert.toString("pem"), key: await exportKey(keys.privateKey) };
}

function alternativeName(name: string): { type: "ip" | "dns"; value: string } {
  return { type: isIP(name) === 0 ? "dns" : "ip", value: name };
}

function serial(): string {
  return Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString("hex")
    .replace(/^./, "1");
}

async function exportKey(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function importKey(pem: string): Promise<CryptoKey> {
  const [raw] = x509.PemConverter.decode(pem);
  if (raw === undefined) throw new Error("The CA's key file holds no PEM key");
  return webcrypto.subtle.importKey("pkcs8", raw, algorithm, true, ["sign"]);
}
