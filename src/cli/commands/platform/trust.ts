import { Command } from "commander";
import { UsageError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import type { ClusterTarget } from "../cluster/install.ts";
import { examples } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface TrustCommandOptions extends ClusterTarget {
  dataDir: string;
  remove: boolean;
  print: boolean;
}

export function trustCommand(
  factory: Factory,
  run: (options: TrustCommandOptions, factory: Factory) => Promise<void> = runTrust,
): Command {
  const command = new Command("trust").description(
    "Make this machine, and the browsers of who runs this, trust the local CA that signs the certificates of services",
  );
  dataDirOption(command)
    .option("--kubeconfig <file>", "the CA of an installation on this cluster instead (default: this machine's)")
    .option("--context <name>", "a context of that file, or of KUBECONFIG: the CA of an installation on that cluster")
    .option("--namespace <name>", "where controllers and gateways run there (default: elafros-system)")
    .option("--remove", "take that back", false)
    .option("--print", "print the CA's certificate, for other machines, and change nothing", false);
  examples(command, [
    "sudo elafros trust",
    "sudo elafros trust --print > elafros-ca.crt",
    "sudo elafros trust --remove",
    "sudo elafros trust --kubeconfig ~/.kube/config --context staging",
  ]);
  return command.action(async (options: TrustCommandOptions) => run(options, factory));
}

async function runTrust(options: TrustCommandOptions, factory: Factory): Promise<void> {
  if (options.remove && options.print)
    throw new UsageError("--remove and --print exclude each other: give one of them");
  const how = {
    remove: options.remove,
    printCertificate: options.print,
    print: (line: string) => factory.io.line(line),
  };
  const { kubeconfig, context, namespace } = options;
  if (kubeconfig === undefined && context === undefined) {
    if (namespace !== undefined)
      throw new UsageError(`--namespace "${namespace}" is for a cluster: name one with --kubeconfig or --context`);
    await factory.platform.trust({ dataDir: dataDirOf(options, factory), ...how });
    return;
  }
  const { client, server } = await factory.connect({ kubeconfig, region: context });
  try {
    await factory.platform.trust({
      cluster: { client, server, ...(namespace === undefined ? {} : { namespace }) },
      ...how,
    });
  } finally {
    client.close();
  }
}
