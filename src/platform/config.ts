/**
 * Where everything of one installation is, and its settings. All paths derive from the data directory.
 */
import { join } from "node:path";

export interface PlatformConfig {
  dataDir: string;
  /** `host:port` of the API server. */
  api: string;
  /** `host:port` of the gateway. */
  http: string;
  /** `host:port` of the gateway for HTTPS; `none` or absent: it serves none. */
  https?: string;
  /** Directory of the ACME server that certificates come from, a URL; `none` or absent: the local CA's. */
  acmeServer?: string;
  /** Whom the ACME server may write to, or `none`. */
  acmeEmail?: string;
  /** Key id of the account at the ACME server's owner that its account is to be tied to, or `none`. */
  acmeEabKid?: string;
  /** Path of a file with the key to it, in base64url, or `none`. */
  acmeEabKey?: string;
  /** Path of a file with authorities, PEM, to trust for the ACME server besides the machine's, or `none`. */
  acmeCa?: string;
  /** Whether plain requests for hosts with a certificate are sent to HTTPS. */
  httpsRedirect?: boolean;
  /** Hosts are `{route}.{namespace}.{domain}`. */
  domain: string;
  /** Further names and addresses in the API server's certificate. */
  apiSans: string[];
  /** Name of the kubeconfig's context. */
  region: string;
  /** Ports of this machine that instances may reach as `host.elafros.internal`. */
  allowHostPorts: number[];
  /** Adds the condition's message to 503 answers, for development. */
  verboseErrors: boolean;
  /** Builds under way at once; absent: as many as there are processors. */
  maxBuilds?: number;
  /** Most bytes of an uploaded source archive. */
  maxSourceBytes: number;
  /** How long finished Builds and their logs are kept, and uploads that nothing names. */
  buildRetentionSeconds: number;
  /** Directories of this machine whose repositories Builds may clone by a `file:` URL. */
  fileSources: string[];
  /** The access log: an absolute path, `-` for `access.log` beside the platform's own logs, or `none`. */
  accessLog: string;
  /** Share of the requests that stand in it. */
  accessLogSampling: number;
  /** Base URL of an OTLP collector that gets spans, or `none`. */
  otlpEndpoint: string;
  /** Share of the requests without a trace of which one is begun. */
  traceSampling: number;
}

/** Where HTTPS is served, `host:port`; undefined where it isn't. */
export function httpsAddress({ https = "none" }: Pick<PlatformConfig, "https">): string | undefined {
  return https === "none" ? undefined : https;
}

/** The ACME server's directory; undefined where there is none. */
export function acmeServer({ acmeServer: server = "none" }: Pick<PlatformConfig, "acmeServer">): string | undefined {
  return server === "none" ? undefined : server;
}

/** The files and sockets below a data directory. */
export function platformPaths(dataDir: string) {
  const run = join(dataDir, "run");
  const gateway = join(dataDir, "gateway");
  const gatewayState = join(gateway, "state");
  return {
    /** Settings of the last `up`, JSON. */
    config: join(dataDir, "config.json"),
    /** The admin's kubeconfig, 0600. */
    kubeconfig: join(dataDir, "kubeconfig"),
    /** The API server's CA, certificates and keys, 0700. */
    pki: join(dataDir, "pki"),
    /** The store, SQLite. */
    store: join(dataDir, "store.db"),
    /** All that the gateway reaches: its working directory (supervisor/confinement.ts). */
    gateway,
    /** The gateway's own, where it writes. */
    gatewayState,
    /** A gateway makes it where it should be replaced. */
    replaceGateway: join(gatewayState, "replace"),
    /** The gateway's last route table. */
    table: join(gatewayState, "table.json"),
    /** The gateway's last certificates, with their keys. */
    servedCertificates: join(gatewayState, "certificates.json"),
    /** The authority for HTTPS, and what it made, 0700. */
    certificates: join(dataDir, "certificates"),
    /** containers-storage: graph root. */
    images: join(dataDir, "images"),
    /** One directory per instance. */
    instances: join(dataDir, "instances"),
    /** One directory per build, and what is kept between builds. */
    builds: join(dataDir, "builds"),
    /** Uploaded source archives, a directory per namespace. */
    sources: join(dataDir, "sources"),
    /** containers-storage of builds' base images: graph root. */
    bases: join(dataDir, "bases"),
    logs: join(dataDir, "logs"),
    /** The platform's own compiled code, which Node.js keeps from one start to the next (module.enableCompileCache). */
    compiled: join(dataDir, "compiled"),
    /** The same of gateways: nobody else may read what they wrote as code. */
    gatewayCompiled: join(gatewayState, "compiled"),
    /** What doesn't outlive a reboot: sockets, pid files, runtime state. */
    run,
    /** Process records: `supervisor.json`, `control.json`, `gateway.json`. */
    record: (process: string) => join(run, `${process}.json`),
    /** Commands to the supervisor. */
    supervisorSocket: join(run, "supervisor.sock"),
    /** Gateways connect here. */
    gatewaySocket: join(gateway, "link.sock"),
    /** Hand the listening sockets to a new supervisor. */
    handoverSockets: { control: join(run, "handover-control.sock"), gateway: join(gatewayState, "handover.sock") },
  } as const;
}

/** The kernel's limit of a local socket's path, less its ending zero (unix(7)). */
const maxSocketPath = 107;

/** Where this machine's programs are: builds see all of it (runtime/oci/build-tools.ts). */
const programDirectories = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Throws where the data directory's path is too long for the sockets in it, or every build could read it, naming the way out. */
export function checkDataDir(dataDir: string): void {
  const programs = programDirectories.find((path) => dataDir === path || dataDir.startsWith(`${path}/`));
  if (programs !== undefined) {
    throw new Error(
      `Cannot use data directory "${dataDir}": every build can read what is in ${programs}; choose another with --data-dir, such as /var/lib/elafros`,
    );
  }
  const { supervisorSocket, gatewaySocket, handoverSockets } = platformPaths(dataDir);
  const sockets = [supervisorSocket, gatewaySocket, ...Object.values(handoverSockets)];
  const most = Math.max(...sockets.map((path) => Buffer.byteLength(path)));
  if (most <= maxSocketPath) return;
  const allowed = maxSocketPath - (most - Buffer.byteLength(dataDir));
  throw new Error(
    `Cannot use data directory "${dataDir}": its path has more than the ${allowed} bytes that local sockets allow; choose a shorter one with --data-dir`,
  );
}

export type PlatformPaths = ReturnType<typeof platformPaths>;
