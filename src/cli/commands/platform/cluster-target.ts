/** Commands about this machine that can be about a cluster as well. */
import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import type { Factory, ServerOptions, Session } from "../../factory.ts";
import { isKubernetes } from "../../server-kind.ts";

export type ClusterTargetOptions = Pick<ServerOptions, "kubeconfig" | "region">;

/** Adds `--region` and `--kubeconfig`. */
export function clusterTargetOptions(command: Command): Command {
  return command
    .option("--region <name>", "the cluster: a context of the kubeconfig")
    .option("--kubeconfig <file>", "the cluster: a kubeconfig (its current context unless --region says another)");
}

/** Whether a cluster is meant, and not this machine. */
export function isOfCluster({ kubeconfig, region }: ClusterTargetOptions): boolean {
  return kubeconfig !== undefined || region !== undefined;
}

/** Runs work on the cluster. @throws UsageError where the server is the one of a machine */
export async function onKubernetes(
  options: ClusterTargetOptions,
  factory: Factory,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const session = await factory.connect(options);
  try {
    if (!(await isKubernetes(session.client))) {
      throw new UsageError(
        `Region "${session.region}" is no cluster but a machine: leave out --region and --kubeconfig, and run this there`,
      );
    }
    await work(session);
  } finally {
    session.client.close();
  }
}
