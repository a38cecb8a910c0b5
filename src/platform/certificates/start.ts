/** Puts the parts that make HTTPS certificates together, in one directory (0700): the authority, what was made, the tickets' keys, accounts. */
import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { openAuthority } from "./authority.ts";
import { chooseIssuer } from "./choose.ts";
import { type CertificateFeed, createFeed } from "./feed.ts";
import { parseHostPort } from "../../lib/listening-socket.ts";
import { acmeServer, httpsAddress, type PlatformConfig } from "../config.ts";
import { type Issuer, localIssuer } from "./issuer.ts";
import { openLeaves } from "./leaves.ts";
import { type CertificateManager, createCertificateManager } from "./manager.ts";
import { keepTickets } from "./tickets.ts";

export interface Certificates {
  /** What the Route controller asks. */
  manager: CertificateManager;
  /** What the gateways are told. */
  feed: CertificateFeed;
  /** Every Route has said what it wants: from now on gateways are told. */
  start(): void;
  stop(): void;
}

interface CertificatesOptions {
  config: PlatformConfig;
  clock: Clock;
  log: Log;
}

/** Opens the directory; rejects with the system's error where it, or the file of an ACME server's authority, can't be read or written. */
export async function openCertificates(
  dir: string,
  { config, clock, log }: CertificatesOptions,
): Promise<Certificates> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const [authority, leaves, tickets] = await Promise.all([
    openAuthority(dir, clock),
    openLeaves(join(dir, "leaves")),
    keepTickets(join(dir, "tickets.json"), {
      clock,
      changed: (keys) => feed.setTicketKeys(keys),
      failed: (error) => log.error({ error }, "New keys of TLS tickets can't be kept"),
    }),
  ]);
  const feed = createFeed({ startVersion: clock.now(), ticketKeys: tickets.keys });
  const local = localIssuer(authority);
  const acme = await openAcme(join(dir, "acme"), { config, feed, clock });
  const issuerFor = acme === undefined ? () => local : chooseIssuer(local, acme);
  const manager = createCertificateManager({ feed, leaves, issuerFor, clock, log });
  return {
    manager,
    feed,
    start() {
      manager.settled();
      feed.start();
    },
    stop() {
      manager.stop();
      tickets.stop();
    },
  };
}

/** Loaded where it is used only. */
async function openAcme(
  dir: string,
  { config, feed, clock }: { config: PlatformConfig; feed: CertificateFeed; clock: Clock },
): Promise<Issuer | undefined> {
  const server = acmeServer(config);
  if (server === undefined) return undefined;
  const { openAcmeIssuer } = await import("../acme/issuer.ts");
  const { acmeEmail = "none", acmeCa = "none", acmeEabKid = "none", acmeEabKey = "none" } = config;
  const port = (address: string | undefined) => (address === undefined ? 0 : parseHostPort(address).port);
  return openAcmeIssuer({
    server,
    email: acmeEmail === "none" ? undefined : acmeEmail,
    binding:
      acmeEabKid === "none" || acmeEabKey === "none"
        ? undefined
        : { keyId: acmeEabKid, key: Buffer.from((await readFile(acmeEabKey, "utf8")).trim(), "base64url") },
    ca: acmeCa === "none" ? undefined : await readFile(acmeCa, "utf8"),
    dir,
    // What is on its standard port is what the server will find.
    first: port(config.http) !== 80 && port(httpsAddress(config)) === 443 ? "tls-alpn-01" : "http-01",
    feed,
    clock,
  });
}
