/**
 * What the gateways have of certificates: tells each one that comes all there is, then what changes, and knows what every gateway has
 * confirmed.
 */
import type { Clock } from "../../lib/clock.ts";
import type { CertificateUpdate, Challenge, ServedCertificate } from "../../routing/certificates.ts";

export interface CertificateFeed {
  /** From now on gateways are told; until then they go on with what they have. */
  start(): void;
  /** Gives the certificate to the gateways, in place of an earlier one of its id. */
  put(certificate: ServedCertificate): void;
  remove(id: string): void;
  /** Replaces all challenges. Returns the version that says so. */
  setChallenges(challenges: readonly Challenge[]): number;
  setTicketKeys(base64: string): void;
  /** Whether every gateway has the certificate as it was put last. False while there is no gateway. */
  has(id: string): boolean;
  /** Whether every gateway has this version or a later one. False until all that run have had the time to come back after the start. */
  confirmed(version: number): boolean;
  /** Called whenever `has` or `confirmed` may answer differently. */
  subscribe(listener: () => void): () => void;
  /** A gateway has said hello; `send` reaches it. */
  join(gateway: string, send: (update: CertificateUpdate) => void): void;
  /** All threads of the gateway have this version. */
  certified(gateway: string, version: number): void;
  leave(gateway: string): void;
}

interface Member {
  send(update: CertificateUpdate): void;
  certified: number;
}

/**
 * Creates a feed that has told nothing yet.
 * @param options.startVersion no earlier run of control may have got as far: milliseconds since the epoch do
 * @param options.schedule runs a callback once the present tick's changes are all in
 */
export function createFeed(options: {
  startVersion: number;
  ticketKeys: string;
  schedule?: (callback: () => void) => void;
  /** How long after the start every gateway that runs has come back; absent: at once. */
  gather?: { ms: number; clock: Pick<Clock, "after"> };
}): CertificateFeed {
  const schedule = options.schedule ?? ((callback) => void setImmediate(callback));
  const all = new Map<string, { certificate: ServedCertificate; version: number }>();
  const members = new Map<string, Member>();
  const listeners = new Set<() => void>();
  let { ticketKeys } = options;
  let version = options.startVersion;
  let challenges: readonly Challenge[] = [];
  let started = false;
  let gathered = options.gather === undefined;
  let changed: { put: Set<string>; remove: Set<string> } | undefined;

  const tell = () => {
    for (const listener of listeners) listener();
  };
  const common = () => ({ version, ticketKeys, challenges: [...challenges] });
  const sendWhole = (member: Member) => {
    const put = [...all.values()].map(({ certificate }) => certificate);
    member.send({ ...common(), whole: true, put, remove: [] });
  };
  const flush = () => {
    const delta = changed;
    changed = undefined;
    if (delta === undefined || !started) return;
    const put = [...delta.put].flatMap((id) => all.get(id)?.certificate ?? []);
    for (const member of members.values()) member.send({ ...common(), whole: false, put, remove: [...delta.remove] });
  };
  /** Notes a change; all of one tick go out under one version. */
  const touch = (): { put: Set<string>; remove: Set<string> } => {
    if (changed !== undefined) return changed;
    version += 1;
    changed = { put: new Set(), remove: new Set() };
    schedule(flush);
    return changed;
  };
  const allHave = (wanted: number) =>
    started && members.size > 0 && [...members.values()].every(({ certified }) => certified >= wanted);

  return {
    start() {
      if (started) return;
      started = true;
      changed = undefined;
      version += 1;
      for (const member of members.values()) sendWhole(member);
      options.gather?.clock.after(options.gather.ms, () => {
        gathered = true;
        tell();
      });
    },
    put(certificate) {
      const known = all.get(certificate.id)?.certificate;
      if (known !== undefined && JSON.stringify(known) === JSON.stringify(certificate)) return;
      const delta = touch();
      delta.put.add(certificate.id);
      delta.remove.delete(certificate.id);
      all.set(certificate.id, { certificate, version });
    },
    remove(id) {
      if (!all.delete(id)) return;
      const delta = touch();
      delta.put.delete(id);
      delta.remove.add(id);
    },
    setChallenges(next) {
      touch();
      challenges = [...next];
      return version;
    },
    setTicketKeys(base64) {
      touch();
      ticketKeys = base64;
    },
    has: (id) => {
      const known = all.get(id);
      return known !== undefined && allHave(known.version);
    },
    confirmed: (wanted) => gathered && allHave(wanted),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    join(gateway, send) {
      const member: Member = { send, certified: 0 };
      members.set(gateway, member);
      if (started) sendWhole(member);
      tell();
    },
    certified(gateway, had) {
      const member = members.get(gateway);
      if (member === undefined) return;
      member.certified = had;
      tell();
    },
    leave(gateway) {
      if (members.delete(gateway)) tell();
    },
  };
}
