/** The certificates of one thread: by name, as contexts that are made when they are first needed. */
import { createSecureContext, type SecureContext } from "node:tls";
import type { Log } from "../../lib/log.ts";
import type { CertificateUpdate, Challenge, ServedCertificate } from "../../routing/certificates.ts";

/** Contexts that are kept; those that were not needed for longest go first, and are made again when they are. */
const mostContexts = 1_000;

interface Entry {
  certificate: ServedCertificate;
  context: SecureContext | undefined;
}

export class Certificates {
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<string, Entry>();
  /** Those with a context, the one needed longest ago first. */
  readonly #made = new Set<Entry>();
  readonly #listeners = new Set<() => void>();
  #challenges: readonly Challenge[] = [];
  #ticketKeys = "";

  constructor(log: Log) {
    this.#log = log;
  }

  /** Puts an update in force for connections that begin from now on; those that are open stay as they are. */
  apply(update: CertificateUpdate): void {
    const kept = new Set(update.put.map(({ id }) => id));
    if (update.whole) for (const id of this.#entries.keys()) if (!kept.has(id)) this.#forget(id);
    for (const id of update.remove) this.#forget(id);
    for (const certificate of update.put) this.#put(certificate);
    this.#challenges = update.challenges;
    this.#ticketKeys = update.ticketKeys;
    for (const listener of this.#listeners) listener();
  }

  /** Called after each update. */
  onUpdate(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** 48 bytes; undefined before the first update. */
  get ticketKeys(): Buffer | undefined {
    const keys = Buffer.from(this.#ticketKeys, "base64");
    return keys.length === 48 ? keys : undefined;
  }

  /** Whether requests for the host, in the table's form, can come over TLS. */
  has(host: string): boolean {
    return this.#find(host) !== undefined;
  }

  /** The certificate for a name that a client asks for (RFC 6066 §3); undefined where there is none. */
  context(name: string): SecureContext | undefined {
    const entry = this.#find(name.toLowerCase());
    if (entry === undefined) return undefined;
    this.#made.delete(entry);
    entry.context ??= this.#make(entry.certificate);
    if (entry.context === undefined) return undefined;
    this.#made.add(entry);
    if (this.#made.size > mostContexts) {
      const [oldest] = this.#made;
      if (oldest !== undefined) this.#drop(oldest);
    }
    return entry.context;
  }

  /** Whether an ACME server is expected to look at this host over plain HTTP. */
  isChallenged(host: string): boolean {
    return this.#challenges.length > 0 && this.#challenges.some((one) => one.type === "http-01" && one.host === host);
  }

  /** What an ACME server is to find at the host and path; undefined where it is none of its business. */
  challengeAnswer(host: string, path: string): string | undefined {
    for (const one of this.#challenges) {
      if (one.type === "http-01" && one.host === host && path === `/.well-known/acme-challenge/${one.token}`)
        return one.answer;
    }
    return undefined;
  }

  /** Whether an ACME server is expected to look at some host over TLS. */
  get expectsAcmeTls(): boolean {
    return this.#challenges.some(({ type }) => type === "tls-alpn-01");
  }

  /** The certificate that an ACME server is to see there. */
  acmeContext(name: string): SecureContext | undefined {
    const host = name.toLowerCase();
    const found = this.#challenges.find((one) => one.type === "tls-alpn-01" && one.host === host);
    return found?.type === "tls-alpn-01" ? createSecureContext({ cert: found.cert, key: found.key }) : undefined;
  }

  #find(name: string): Entry | undefined {
    const exact = this.#names.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf(".");
    return dot < 0 ? undefined : this.#names.get(`*${name.slice(dot)}`);
  }

  #put(certificate: ServedCertificate): void {
    const known = this.#entries.get(certificate.id);
    if (known !== undefined) {
      const { cert, key, names } = known.certificate;
      if (cert === certificate.cert && key === certificate.key && names.join() === certificate.names.join()) return;
      this.#forget(certificate.id);
    }
    const entry: Entry = { certificate, context: undefined };
    this.#entries.set(certificate.id, entry);
    for (const name of certificate.names) this.#names.set(name, entry);
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#drop(entry);
    // Another Route may have the name by now.
    for (const name of entry.certificate.names) if (this.#names.get(name) === entry) this.#names.delete(name);
  }

  #drop(entry: Entry): void {
    entry.context = undefined;
    this.#made.delete(entry);
  }

  #make({ id, cert, key }: ServedCertificate): SecureContext | undefined {
    try {
      return createSecureContext({ cert, key });
    } catch (error) {
      this.#log.error({ error, certificate: id }, "Certificate not usable");
      return undefined;
    }
  }
}
