import { parseHostPort } from "../lib/listening-socket.ts";
import type { Log } from "../lib/log.ts";
import type { NetworkOptions } from "../runtime/oci/network.ts";
import { type PlatformConfig, platformPaths } from "./config.ts";

/** What the settings mean for the instances' network. Instances reach the gateway at the bridge's port 80 and at its own port. */
export function networkOptions(config: PlatformConfig, log: Log): NetworkOptions {
  const { port } = parseHostPort(config.http);
  return {
    dataDir: config.dataDir,
    runDir: platformPaths(config.dataDir).run,
    gatewayPorts: [...new Set([80, port])],
    gatewayTarget: port,
    allowHostPorts: config.allowHostPorts,
    log,
  };
}
