/** How each of the platform's processes is started. */
import { randomBytes } from "node:crypto";
import { join, relative } from "node:path";
import { version } from "../../lib/version.ts";
import { parseHostPort } from "../../lib/listening-socket.ts";
import { httpsAddress, type PlatformConfig, platformPaths } from "../config.ts";
import type { ControlOptions } from "../control/options.ts";
import { defaultLimits, type GatewayOptions } from "../../gateway/options.ts";
import type { ProcessSpec } from "./managed-process.ts";
import { controlFlags, nodeFlags, programPath } from "./programs.ts";
import { type Sockets, socketFds } from "./sockets.ts";

/** A gateway lets streaming and upgraded connections go on for at most this long when it is stopped. */
const gatewayGraceMs = 32_000;

/** The first descriptor after standard input, output and error. */
const firstFd = 3;

/** Control: the API server, the controllers and the driver. Its end leaves the instances running. */
export function controlProcess(config: PlatformConfig, sockets: Sockets): ProcessSpec {
  const paths = platformPaths(config.dataDir);
  const handover = socketFds(sockets);
  const fds = [sockets.api.fd, ...Object.values(handover)];
  const options: ControlOptions = {
    config,
    apiFd: firstFd,
    handover: {
      path: paths.handoverSockets.control,
      fds: Object.fromEntries(Object.keys(handover).map((name, index) => [name, firstFd + 1 + index])),
    },
  };
  return {
    name: "control",
    version,
    command: process.execPath,
    args: () => [...controlFlags, programPath("../control/main"), JSON.stringify(options)],
    fds,
    saysReady: true,
    graceMs: 10_000,
    logFile: join(paths.logs, "control.log"),
  };
}

/** Where the gateway's program is. */
export const gatewayProgram = programPath("../../gateway/main");

/** The only variables that a gateway gets: whatever else the environment of `up` holds is none of its business. */
const gatewayVariables = ["PATH", "ELAFROS_LOG", "NODE_OPTIONS"];

/** A confined gateway with `threads` threads, each with descriptors of its own. `accessLog`: the descriptor of that file, where there is one. */
export function gatewayProcess(
  config: PlatformConfig,
  sockets: Sockets,
  { threads, prefix, accessLog }: { threads: number; prefix: readonly string[]; accessLog: number | undefined },
): ProcessSpec {
  const paths = platformPaths(config.dataDir);
  // It can't enter the data directory: its working directory is where it starts from, by whatever name.
  const own = (path: string) => join("/proc/self/cwd", relative(paths.gateway, path));
  const fds: number[] = [];
  const take = (fd: number) => firstFd + fds.push(fd) - 1;
  const perThread = (fd: number) => Array.from({ length: threads }, () => take(fd));
  const listeners = [
    { name: "http", fds: perThread(sockets.http.fd) },
    ...(sockets.https === undefined ? [] : [{ name: "https", fds: perThread(sockets.https.fd), tls: true }]),
    ...sockets.instances.map((socket) => ({ name: "instances", fds: perThread(socket.fd) })),
  ];
  const handover = Object.fromEntries(Object.entries(socketFds(sockets)).map(([name, fd]) => [name, take(fd)]));
  const secure = sockets.https === undefined ? undefined : httpsAddress(config);
  const options: Omit<GatewayOptions, "id"> = {
    version,
    threads,
    listeners,
    table: own(paths.table),
    link: own(paths.gatewaySocket),
    ...(secure === undefined ? {} : { certificates: own(paths.servedCertificates) }),
    ...(secure !== undefined && config.httpsRedirect === true ? { redirectPort: parseHostPort(secure).port } : {}),
    verboseErrors: config.verboseErrors,
    handover: own(join(paths.gatewayState, "limits.sock")),
    replace: own(paths.replaceGateway),
    sockets: { path: own(paths.handoverSockets.gateway), fds: handover },
    ...(accessLog === undefined ? {} : { accessLog: { fd: take(accessLog), sampling: config.accessLogSampling } }),
    ...(config.otlpEndpoint === "none"
      ? {}
      : { tracing: { endpoint: config.otlpEndpoint, sampling: config.traceSampling } }),
  };
  const [command, ...args] = [...prefix, process.execPath, ...nodeFlags, gatewayProgram];
  // Control tells gateways apart by it, also those that replace each other.
  const id = (): string => `gateway-${randomBytes(4).toString("hex")}`;
  return {
    name: "gateway",
    version,
    command,
    args: () => [...args, JSON.stringify({ id: id(), ...options } satisfies GatewayOptions)],
    cwd: paths.gateway,
    env: {
      ...Object.fromEntries(gatewayVariables.map((name) => [name, process.env[name]])),
      NODE_COMPILE_CACHE: own(paths.gatewayCompiled),
    },
    fds,
    saysReady: true,
    graceMs: gatewayGraceMs,
    replacedGraceMs: defaultLimits.maxConnectionAgeMs + gatewayGraceMs,
    logFile: join(paths.logs, "gateway.log"),
  };
}

/** The instances' DNS server. */
export function dnsProcess(config: PlatformConfig, program: { command: string; args: string[] }): ProcessSpec {
  return {
    name: "dns",
    version,
    command: program.command,
    args: () => program.args,
    fds: [],
    saysReady: false,
    graceMs: 2_000,
    logFile: join(platformPaths(config.dataDir).logs, "dns.log"),
  };
}
