/**
 * The certificates port: what the Route controller asks certificates for, and what became of it; and the form in which gateways get them.
 * Plain values.
 */

/** A certificate that a Route is to have. */
export interface CertificateWanted {
  /** Unique within the Route: `hosts`, or a domain of its own. */
  id: string;
  /** DNS names in lower case; one may begin with `*.`, which stands for one label. */
  names: string[];
  /** The names are this one and some below it: `*.` before it may stand for them. */
  above?: string;
  /** The owner's own, PEM: the chain, and the key. Absent: the platform gets one. */
  given?: { cert: string; key: string };
}

/** What became of a certificate: `ready` once every gateway has it. */
export interface CertificateState {
  id: string;
  names: string[];
  status: "ready" | "working" | "failed";
  /** Why it isn't ready, as a reason word and a sentence with the way out. */
  reason?: string;
  message?: string;
  /** When the certificate that is served ends, milliseconds since the epoch. */
  notAfter?: number;
  /** Why it could not be renewed yet, while it is served on. */
  renewal?: string;
}

export interface CertificatesPort {
  /** Declares all certificates of a Route (`namespace/name`); what isn't in the list any more is forgotten. */
  want(route: string, wanted: readonly CertificateWanted[]): void;
  /** What became of what was wanted, in its order. */
  state(route: string): CertificateState[];
  /** Called with each Route whose states may have changed. Returns the unsubscribing function. */
  subscribe(listener: (route: string) => void): () => void;
}

/** A certificate as gateways use it. */
export interface ServedCertificate {
  /** Unique in the installation; a newer one of the same id takes its place. */
  id: string;
  names: string[];
  /** The chain, PEM, the server's own first. */
  cert: string;
  /** Its private key, PEM. */
  key: string;
}

/** What an ACME server (RFC 8555) wants to see at a host before it gives out a certificate. */
export type Challenge =
  /** §8.3: at `http://HOST/.well-known/acme-challenge/TOKEN`. */
  | { type: "http-01"; host: string; token: string; answer: string }
  /** RFC 8737: this certificate, to who asks for the protocol `acme-tls/1`. */
  | { type: "tls-alpn-01"; host: string; cert: string; key: string };

/** What gateways are told: everything, or what has changed. */
export interface CertificateUpdate {
  /** Grows with each update of one run of control. */
  version: number;
  /** These are all certificates: others go. */
  whole: boolean;
  put: ServedCertificate[];
  /** Ids of those that go. */
  remove: string[];
  /** 48 bytes in base64 that encrypt session tickets (RFC 5077), the same in every thread and gateway. */
  ticketKeys: string;
  /** All that are open. */
  challenges: Challenge[];
}
