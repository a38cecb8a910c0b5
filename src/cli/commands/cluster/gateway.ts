import { Command } from "commander";
import { createLog } from "../../../lib/log.ts";
import { parseHostPort } from "../../../lib/listening-socket.ts";
import type { Factory } from "../../factory.ts";

interface ClusterGatewayCommandOptions {
  controllers: string;
  stateDir: string;
  tokenDir: string;
  certificateDir: string;
  https: boolean;
  httpsRedirect: boolean;
  keyDir: string;
}

/** What the gateways' Pods of a cluster run: hidden, as nobody starts it by hand. */
export function clusterGatewayCommand(
  factory: Factory,
  run: (options: ClusterGatewayCommandOptions, factory: Factory) => Promise<void> = runClusterGateway,
): Command {
  return new Command("cluster-gateway")
    .description("Run a gateway of a cluster, in a Pod of it")
    .requiredOption("--controllers <host:port>", "where the controllers' link is, all of them under one name")
    .option("--state-dir <dir>", "where the last route table is kept", "/var/lib/elafros")
    .option("--token-dir <dir>", "where the Pod's token for the link is", "/var/run/elafros/link")
    .option("--certificate-dir <dir>", "where the controllers' certificate is", "/var/run/elafros/link-ca")
    .option("--https", "serve HTTPS", false)
    .option("--https-redirect", "send plain requests for hosts with a certificate to HTTPS", false)
    .option(
      "--key-dir <dir>",
      "where the keys that it serves with are kept, in memory",
      "/var/run/elafros/certificates",
    )
    .action(async (options: ClusterGatewayCommandOptions) => run(options, factory));
}

async function runClusterGateway(options: ClusterGatewayCommandOptions, { env }: Factory): Promise<void> {
  const { startClusterGateway } = await import("../../../platform/cluster/gateway.ts");
  const { https, httpsRedirect, keyDir, ...places } = options;
  const gateway = await startClusterGateway(
    {
      ...places,
      ...(https ? { https: { keyDir, redirect: httpsRedirect } } : {}),
      controllers: parseHostPort(options.controllers),
      id: `${env["POD_NAME"] ?? "gateway"}-${process.pid}-${Date.now().toString(36)}`,
      pod: env["POD_NAME"] ?? "gateway",
      address: env["POD_IP"]?.includes(":") === true ? "::" : "0.0.0.0",
    },
    { log: createLog("gateway") },
  );
  process.on("SIGTERM", () => gateway.drain());
  process.exitCode = await gateway.ended;
}
