import { Command } from "commander";
import { createLog } from "../../../lib/log.ts";
import type { Factory } from "../../factory.ts";

interface ClusterControlCommandOptions {
  domain: string;
  https: boolean;
  acmeServer?: string;
  acmeEmail?: string;
  acmeCa?: string;
  acmeEabKid?: string;
  acmeEabKey?: string;
  lease: string;
  image: string;
  toolsImage: string;
  buildRegistry?: string;
  buildRegistrySecret?: string;
  authorities?: string;
  stepMemory?: string;
  stepMemoryRequest?: string;
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
    .option("--https", "gateways serve HTTPS", false)
    .option("--acme-server <url>", "the directory of the ACME server that certificates come from (default: the own CA)")
    .option("--acme-email <address>", "whom the ACME server may write to")
    .option("--acme-ca <file>", "authorities to trust for the ACME server besides the image's")
    .option("--acme-eab-kid <id>", "the key id that the ACME server's owner gave")
    .option("--acme-eab-key <file>", "a file with the key to it, in base64url")
    .requiredOption("--image <image>", "the image of Elafros, for containers of builds")
    .requiredOption("--tools-image <image>", "the image with git and buildah, for steps of builds")
    .option("--build-registry <place>", "HOST/PREFIX of the registry for what builds make and users upload")
    .option("--build-registry-secret <name>", "the Secret with its credentials")
    .option("--authorities <name>", "the ConfigMap with authorities to trust besides the public ones")
    .option("--step-memory <quantity>", "the most memory of steps that say nothing of it, or none (default: 4Gi)")
    .option("--step-memory-request <quantity>", "what is set aside for those, or none (default: 256Mi)")
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
  const { https, image, toolsImage: tools, buildRegistry: place, buildRegistrySecret: secret, ...told } = options;
  const registry = place === undefined ? {} : { registry: { place, ...(secret === undefined ? {} : { secret }) } };
  const control = await startClusterControl(
    { ...told, ...(https ? { https: told } : {}), images: { image, tools }, ...registry, pod },
    { log, onLost: () => process.exit(1) },
  );
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  await control.stop();
}

function addressOf(ip: string): string {
  return ip.includes(":") ? `[${ip}]` : ip;
}
