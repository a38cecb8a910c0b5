/** A gateway of a cluster: the process that serves, with sockets of its own, the tunnel to the controllers, and an answer to the kubelet. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { GatewayOptions } from "../../gateway/options.ts";
import { ports } from "../../kubernetes/manifests/names.ts";
import { systemClock } from "../../lib/clock.ts";
import { bindSocket } from "../../lib/listening-socket.ts";
import type { Log } from "../../lib/log.ts";
import { version } from "../../lib/version.ts";
import { gatewayProgram } from "../supervisor/processes.ts";
import { linkServerName } from "./link-certificate.ts";
import { openLinkTunnel } from "./link-tunnel.ts";
import { listen } from "./listen.ts";
import { textServer } from "./text-server.ts";

export interface ClusterGatewayOptions {
  /** All controllers under one name. */
  controllers: { host: string; port: number };
  /** Names this gateway to control. */
  id: string;
  /** The Pod that it runs in. */
  pod: string;
  /** The address to serve on. */
  address: string;
  /** Where the last table is kept: over a restart of this process. */
  stateDir: string;
  /** Where the kubelet puts the token, `token`. */
  tokenDir: string;
  /** Where it puts the controllers' certificate, `ca.crt`. */
  certificateDir: string;
  /** Absent: it serves no HTTPS. */
  https?: {
    /** Where the keys that it serves with are kept over a restart of this process: in memory, as the node's disk is no place for them. */
    keyDir: string;
    /** Whether plain requests for hosts with a certificate are sent to HTTPS. */
    redirect: boolean;
  };
}

/** Ports to listen on; tests have their own. */
type Ports = Record<"http" | "https" | "health", number>;

export interface ClusterGateway {
  ports: Ports;
  /** The exit status, once it has ended. */
  ended: Promise<number>;
  /** Has it finish what it has, and end. */
  drain(): void;
}

const firstFd = 3;
const standardPort = 443;

/** Starts it. Resolves when the tunnel and the kubelet's port are there; it is ready once the kubelet is told so. */
export async function startClusterGateway(
  options: ClusterGatewayOptions,
  deps: { log: Log; ports?: Ports },
): Promise<ClusterGateway> {
  const at = deps.ports ?? ports;
  const link = join(options.stateDir, "link.sock");
  const tunnel = await openLinkTunnel({
    path: link,
    controllers: options.controllers,
    tokenFile: join(options.tokenDir, "token"),
    caFile: join(options.certificateDir, "ca.crt"),
    serverName: linkServerName,
    clock: systemClock,
    log: deps.log,
  });
  const threads = availableParallelism();
  const { https } = options;
  const sockets = [
    { name: "http", socket: bindSocket(options.address, at.http), tls: false },
    ...(https === undefined ? [] : [{ name: "https", socket: bindSocket(options.address, at.https), tls: true }]),
  ];
  // A descriptor of its own for each thread at each socket.
  const listeners = sockets.map(({ name, tls }, nth) => ({
    name,
    tls,
    fds: Array.from({ length: threads }, (_, thread) => firstFd + nth * threads + thread),
  }));
  const gateway: GatewayOptions = {
    id: options.id,
    version,
    threads,
    listeners,
    ...(https === undefined ? {} : { certificates: join(https.keyDir, "certificates.json") }),
    // Where clients find HTTPS: the Service's port, not the Pod's.
    ...(https?.redirect === true ? { redirectPort: standardPort } : {}),
    table: join(options.stateDir, "table.json"),
    link,
    waitForTable: true,
    shares: { place: options.pod },
  };
  const fds = sockets.flatMap(({ socket }) => Array.from({ length: threads }, () => socket.fd));
  const child = spawn(process.execPath, [gatewayProgram, JSON.stringify(gateway)], {
    stdio: ["ignore", "pipe", "inherit", ...fds],
  });
  for (const { socket } of sockets) socket.close();
  let [serving, draining] = [false, false];
  // It says one line, when it serves.
  child.stdout?.once("data", () => (serving = true));
  child.stdout?.resume();
  const health = await listen(
    textServer((path) => (path === "/livez" || (path === "/readyz" && serving && !draining) ? "ok\n" : undefined)),
    at.health,
  );
  const exit = new Promise<number>((resolve) => {
    child.once("error", (error) => {
      deps.log.error({ error }, "The gateway can't be started");
      resolve(1);
    });
    child.once("exit", (status) => resolve(status ?? 1));
  });
  const ended = exit.then(async (status) => {
    tunnel.close();
    await health.close();
    return status;
  });
  return {
    ports: { http: at.http, https: at.https, health: health.port },
    ended,
    drain() {
      draining = true;
      child.kill("SIGTERM");
    },
  };
}
