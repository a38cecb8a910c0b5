import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { examples } from "../../options.ts";
import { clusterOptions, type ClusterTarget, onCluster } from "./install.ts";

export interface UninstallCommandOptions extends ClusterTarget {
  deleteServices: boolean;
}

export function uninstallCommand(
  factory: Factory,
  run: (options: UninstallCommandOptions, factory: Factory) => Promise<void> = runUninstall,
): Command {
  const command = clusterOptions(
    new Command("uninstall").description(
      "Take Elafros away from a Kubernetes: what 'elafros install' applied, and nothing else",
    ),
  ).option(
    "--delete-services",
    "delete the services that are there with it; without this they are a reason to refuse",
    false,
  );
  examples(command, ["elafros uninstall --kubeconfig ~/.kube/config"]);
  return command.action(async (options: UninstallCommandOptions) => run(options, factory));
}

async function runUninstall(options: UninstallCommandOptions, factory: Factory): Promise<void> {
  const { namespace, deleteServices } = options;
  await onCluster(options, factory, (client, steps) =>
    factory.platform.uninstallFromCluster({
      client,
      options: namespace === undefined ? {} : { namespace },
      steps,
      deleteServices,
    }),
  );
}
