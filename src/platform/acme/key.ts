/** The key of an ACME account: signs requests (RFC 8555 §6.2, RFC 7515) and answers challenges (§8.1). */
import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";

/** ECDSA P-256. */
export interface AccountKey {
  /** PKCS #8 PEM. */
  readonly pem: string;
  /** The public key as a JWK (RFC 7517). */
  readonly jwk: Readonly<Record<string, string>>;
  /** A request's body: the payload, signed. `payload` undefined is the empty one of POST-as-GET. */
  jws(header: object, payload: object | undefined): string;
  /** `token.thumbprint`. */
  authorize(token: string): string;
}

/** What ties an account to one that its owner has with the authority already (RFC 8555 §7.3.4). */
export interface Binding {
  keyId: string;
  /** Of HMAC-SHA-256. */
  key: Buffer;
}

/** The field `externalAccountBinding` of a request for an account: the account's public key, signed with the authority's. */
export function bindAccount({ keyId, key }: Binding, { url, jwk }: { url: string; jwk: object }): object {
  const protect = encode(JSON.stringify({ alg: "HS256", kid: keyId, url }));
  const payload = encode(JSON.stringify(jwk));
  const signature = createHmac("sha256", key).update(`${protect}.${payload}`).digest("base64url");
  return { protected: protect, payload, signature };
}

/** A new one, PEM. */
export function makeAccountKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" });
}

/** The key of that PEM. Throws where it is none. */
export function accountKey(pem: string): AccountKey {
  const key = createPrivateKey(pem);
  const { crv = "", kty = "", x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  // In this order, which RFC 7638 asks for.
  const jwk = { crv, kty, x, y };
  const thumbprint = createHash("sha256").update(JSON.stringify(jwk)).digest("base64url");
  return {
    pem,
    jwk,
    jws(header, payload) {
      const protect = encode(JSON.stringify({ alg: "ES256", ...header }));
      const text = payload === undefined ? "" : encode(JSON.stringify(payload));
      const signature = sign("sha256", Buffer.from(`${protect}.${text}`), { key, dsaEncoding: "ieee-p1363" });
      return JSON.stringify({ protected: protect, payload: text, signature: signature.toString("base64url") });
    },
    authorize: (token) => `${token}.${thumbprint}`,
  };
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}
