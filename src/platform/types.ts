/**
 * What the platform's commands take and tell: plain values, shared with the CLI.
 */
import type { Client } from "../client/client.ts";

/** Settings of `up`. What is absent keeps the value of the last `up` on that data directory, else the default. */
export interface UpOptions {
  dataDir: string;
  /** `host:port`; default `127.0.0.1:6443`. */
  api?: string;
  /** `host:port`; default `127.0.0.1:8080`. */
  http?: string;
  /** `host:port`, or `none`, the default. */
  https?: string;
  /** Sends plain requests for hosts with a certificate to HTTPS. */
  httpsRedirect?: boolean;
  /** Directory of an ACME server, a URL, or `none`, the default. */
  acmeServer?: string;
  /** Whom it may write to, or `none`. */
  acmeEmail?: string;
  /** Key id, and a file with the key in base64url, of the account that its account is to be tied to, or `none`. */
  acmeEabKid?: string;
  acmeEabKey?: string;
  /** A file with authorities to trust for it besides the machine's, or `none`. */
  acmeCa?: string;
  /** Default `localhost`. */
  domain?: string;
  /** Further names and addresses in the API server's certificate. */
  apiSans?: string[];
  /** Context name in the kubeconfig; default `local`. */
  region?: string;
  /** TCP ports of this machine that instances reach as `host.elafros.internal`. */
  allowHostPorts?: number[];
  verboseErrors?: boolean;
  /** Builds under way at once; default as many as there are processors. */
  maxBuilds?: number;
  /** Most bytes of an uploaded source archive; default 512 MiB. */
  maxSourceBytes?: number;
  /** How long finished Builds and their logs are kept; default 7 days. */
  buildRetentionSeconds?: number;
  /** Directories of this machine whose repositories Builds may clone by a `file:` URL. */
  fileSources?: string[];
  /** Absolute path of an access log, `-` for `access.log` beside the platform's own logs, or `none`, the default. */
  accessLog?: string;
  /** Share of the requests that stand in it, from 0 to 1; default 1. */
  accessLogSampling?: number;
  /** Base URL of an OTLP collector that gets spans, or `none`, the default. */
  otlpEndpoint?: string;
  /** Share of the requests without a trace of which one is begun; default 0.1. */
  traceSampling?: number;
  /** Returns once it serves, instead of staying in the foreground until SIGINT or SIGTERM. */
  detach?: boolean;
  /** Writes and enables a systemd unit that runs this `up` at each boot, and starts it. */
  install?: boolean;
  /** Where lines for the person go. */
  print(line: string): void;
}

/** Whose local CA: this machine's installation's, or a cluster's. */
export type TrustOptions = TrustHow &
  ({ dataDir: string; cluster?: never } | { cluster: TrustedCluster; dataDir?: never });

export interface TrustedCluster {
  client: Pick<Client, "get">;
  /** Tells it apart from others: the URL of its API server. */
  server: string;
  /** Where controllers and gateways run; `elafros-system` unless given. */
  namespace?: string;
}

interface TrustHow {
  /** Takes it back. */
  remove?: boolean;
  /** Gives the certificate to `print`, and changes nothing. */
  printCertificate?: boolean;
  print: (line: string) => void;
}

export interface DownOptions {
  dataDir: string;
  /** Also removes every trace: services, images, files. */
  purge?: boolean;
  print: (line: string) => void;
}

export interface UpgradeOptions {
  dataDir: string;
  print(line: string): void;
}

/** One process of an installation. */
export interface ProcessStatus {
  name: string;
  pid: number;
  /** RFC 3339. */
  since: string;
  version: string;
  running: boolean;
}

export interface InstanceStatus {
  id: string;
  namespace: string;
  revision: string;
  phase: string;
  since: string;
  restarts: number;
}

export interface StatusReport {
  dataDir: string;
  /** Whether all processes run. */
  running: boolean;
  url?: string;
  /** The gateway's, for HTTPS. */
  https?: string;
  api?: string;
  processes: ProcessStatus[];
  instances: InstanceStatus[];
  /** What is wrong, a sentence each, with the way out. */
  problems: string[];
}

/** One thing that `doctor` looked at. */
export interface Finding {
  /** What was looked at: `runc`, `overlay`, `port 8080`. */
  check: string;
  ok: boolean;
  /** What it found. */
  message: string;
  /** The exact command that mends it, where one does. */
  fix?: string;
  /** Without it Elafros doesn't start. */
  required: boolean;
}
