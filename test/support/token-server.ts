/** Gives tokens for a registry (distribution specification, token authentication) to one user, or to everybody. */
import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { makeCertificate, type RegistryOptions } from "./registry.ts";

export interface TokenServer {
  /** For the registry that takes these tokens. */
  options: NonNullable<RegistryOptions["token"]>;
  close(): Promise<void>;
}

const service = "elafros-test-registry";
const issuer = "elafros-test";

/** Starts one on a free loopback port. */
export async function startTokenServer(login?: {
  username: string;
  password: string;
  /** Exchanged for tokens by OAuth 2.0, too. */
  identityToken?: string;
}): Promise<TokenServer> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-tokens-"));
  const { ca, caKey } = await makeCertificate(dir, "127.0.0.1");
  const key = createPrivateKey(await readFile(caKey));
  const x5c = [new X509Certificate(await readFile(ca)).raw.toString("base64")];
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

  const refuse = (outgoing: ServerResponse) =>
    outgoing.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}');
  const server = createServer((incoming, outgoing) => {
    if (incoming.method === "POST") {
      void text(incoming).then((body) => {
        const form = new URLSearchParams(body);
        const shown = form.get("grant_type") === "refresh_token" ? form.get("refresh_token") : null;
        const good = shown !== null && shown === login?.identityToken && form.get("service") === service;
        if (!good || form.get("client_id") === null) return refuse(outgoing);
        return outgoing.end(JSON.stringify({ access_token: tokenFor((form.get("scope") ?? "").split(" ")) }));
      });
      return;
    }
    const { searchParams } = new URL(incoming.url ?? "", "http://server");
    const expected = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
    if (incoming.headers.authorization !== expected || searchParams.get("service") !== service) {
      refuse(outgoing);
      return;
    }
    outgoing.end(JSON.stringify({ token: tokenFor(searchParams.getAll("scope")) }));
  });
  const tokenFor = (scopes: readonly string[]): string => {
    const access = scopes.map((scope) => {
      const [type, name, actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, nbf: now - 10, exp: now + 300 };
    const claims = { iss: issuer, sub: login?.username ?? "", aud: service, jti: randomUUID(), ...times, access };
    const head = `${encode({ typ: "JWT", alg: "ES256", x5c })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(head), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
    return `${head}.${signature}`;
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return {
    options: { realm, service, issuer, rootcertbundle: ca },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(dir, { recursive: true });
    },
  };
}
