/** Puts the parts that make HTTPS certificates together over one store: the authority, what was made, the tickets' keys, accounts. */
import type { CertificateStore } from "../../lib/certificates/store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { ChallengePlaces, ChallengeType } from "../acme/order.ts";
import type { AcmeSettings } from "../acme/settings.ts";
import { openAuthority } from "./authority.ts";
import { chooseIssuer } from "./choose.ts";
import { type CertificateFeed, createFeed } from "./feed.ts";
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
  store: CertificateStore;
  /** Absent: all certificates are the local CA's. */
  acme: AcmeOptions | undefined;
  /** What the local CA's name tells people; this machine's name unless given. */
  of?: string;
  /** No earlier run of control may have got as far; the time unless given. */
  startVersion?: number;
  /** How long after the start every gateway that runs has come back. */
  gatherMs: number;
  clock: Clock;
  log: Log;
}

interface AcmeOptions extends AcmeSettings {
  /** The kind of challenge to try first. */
  first: ChallengeType;
  /** Where the server must find the answers, as people know it. */
  places: ChallengePlaces;
}

/** Reads what is kept; rejects with the store's error where that, or making what is missing, fails. */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  const { store, of, gatherMs, clock, log } = options;
  const [authority, leaves, tickets] = await Promise.all([
    openAuthority(store.authority, clock, of === undefined ? {} : { of }),
    openLeaves(store.leaves, { clock, log }),
    keepTickets(store.tickets, {
      clock,
      changed: (keys) => feed.setTicketKeys(keys),
      failed: (error) => log.error({ error }, "New keys of TLS tickets can't be kept"),
    }),
  ]);
  const startVersion = options.startVersion ?? clock.now();
  const feed = createFeed({ startVersion, ticketKeys: tickets.keys, gather: { ms: gatherMs, clock } });
  const local = localIssuer(authority);
  const acme = options.acme === undefined ? undefined : await openAcme(options.acme, { store, feed, clock, log });
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
  options: AcmeOptions,
  { store, ...parts }: { store: CertificateStore; feed: CertificateFeed; clock: Clock; log: Log },
): Promise<Issuer> {
  const { openAcmeIssuer } = await import("../acme/issuer.ts");
  return openAcmeIssuer({ ...options, ...parts, account: store.account(options.server) });
}
