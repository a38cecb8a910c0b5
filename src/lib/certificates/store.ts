/**
 * The certificate store, a port: where an installation keeps the keys and certificates that it made, over restarts of control and over changes of the
 * one that leads. On one machine files, on a cluster Secrets. Plain values; whoever reads one must not show it.
 */

/** One thing that is kept. */
export interface Kept<T> {
  /**
   * What was written last; undefined where nothing was, or what is there is of no use.
   * @throws the store's own error where it can't be read
   */
  read(): Promise<T | undefined>;
  /** Resolves once it outlives this process. Rejects with the store's own error. */
  write(value: T): Promise<void>;
}

/** A certificate's chain and its private key, PEM. */
export interface KeptPair {
  cert: string;
  key: string;
}

/** Keys of TLS session tickets, in base64, and when they were made, milliseconds since the epoch. */
export interface TicketKeys {
  keys: string;
  madeAt: number;
}

/** An account at an ACME server. */
export interface AcmeAccount {
  /** The server's directory. */
  server: string;
  /** Its private key, PEM. */
  key: string;
  /** Its URL, once it was made. */
  account?: string;
  /** The kind of challenge that leads through from this server. */
  proven?: "http-01" | "tls-alpn-01";
}

/** A certificate that an issuer made. */
export interface KeptLeaf extends KeptPair {
  /** What it is for; any text. */
  id: string;
  /** Name of its issuer. */
  issuer: string;
}

export interface CertificateStore {
  /** The installation's own authority. */
  authority: Kept<KeptPair>;
  tickets: Kept<TicketKeys>;
  /** The account at the ACME server with this directory. */
  account(server: string): Kept<AcmeAccount>;
  leaves: {
    /** All that are kept and of use. */
    all(): Promise<KeptLeaf[]>;
    /** Keeps it in place of an earlier one of its id. */
    put(leaf: KeptLeaf): Promise<void>;
    /** Nothing happens where there is none. */
    remove(id: string): Promise<void>;
  };
}
