/** Puts the parts that make HTTPS certificates together, in one directory (0700): the authority, what it made, the tickets' keys. */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { openAuthority } from "./authority.ts";
import { type CertificateFeed, createFeed } from "./feed.ts";
import { localIssuer } from "./issuer.ts";
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

/** Opens the directory; rejects with the system's error where it can't be read or written. */
export async function openCertificates(dir: string, { clock, log }: { clock: Clock; log: Log }): Promise<Certificates> {
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
  const manager = createCertificateManager({ feed, leaves, issuerFor: () => local, clock, log });
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
