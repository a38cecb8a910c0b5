import { Command } from "commander";
import { createLog } from "../../../lib/log.ts";
import type { Factory } from "../../factory.ts";

interface ClusterControlCommandOptions {
  domain: string;
  lease: string;
  namespace?: string;
  kubeconfig?: string;
  context?: string;
}

/** What the controllers' Pods of a cluster run: hidden, as nobody starts it by hand. */
export function clusterControlCommand(
  factory: Factory,
  run: (options: ClusterControlCommandOptions, factory: Factory) => Promise<void> = runClusterControl,
): Command {
  return new Command("cluster-control")
    .description("Run the controllers of a cluster, in a Pod of it")
    .requiredOption("--domain <domain>", "services are served below it: ROUTE.NAMESPACE.DOMAIN")
    .requiredOption("--lease <name>", "the Lease of the one controller that leads")
    .option("--namespace <name>", "where the controllers run (default: the Pod's own)")
    .option("--kubeconfig <file>", "the cluster to work on, for a process outside of it (default: the Pod's own)")
    .option("--context <name>", "a context of that file")
    .action(async (options: ClusterControlCommandOptions) => run(options, factory));
}

async function runClusterControl(options: ClusterControlCommandOptions, { env }: Factory): Promise<void> {
  const { startClusterControl } = await import("../../../platform/cluster/control.ts");
  const log = createLog("controller");
  const pod = { name: env["POD_NAME"] ?? `pid-${process.pid}`, address: addressOf(env["POD_IP"] ?? "127.0.0.1") };
  // Nothing half done may go on: another leads by now.
  const control = await startClusterControl({ ...options, pod }, { log, onLost: () => process.exit(1) });
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  await control.stop();
}

function addressOf(ip: string): string {
  return ip.includes(":") ? `[${ip}]` : ip;
}
