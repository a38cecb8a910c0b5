import { Command } from "commander";
import { ApiError } from "../../../api/meta/errors.ts";
import { KubeconfigError } from "../../../client/kubeconfig.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import { examples, outputOption, type OutputOptions, serverOptions } from "../../options.ts";
import { printView } from "../../print.ts";
import { clientVersion } from "../../version.ts";

export interface VersionOptions extends ServerOptions, OutputOptions {
  client: boolean;
}

export function versionCommand(
  factory: Factory,
  run: (options: VersionOptions, factory: Factory) => Promise<void> = runVersion,
): Command {
  const command = new Command("version")
    .description("Print the versions of this program and of the server")
    .option("--client", "of this program only", false);
  outputOption(serverOptions(command));
  examples(command, ["elafros version", "elafros version --client"]);
  return command.action(async (options: VersionOptions) => run(options, factory));
}

async function runVersion(options: VersionOptions, factory: Factory): Promise<void> {
  const client = await clientVersion();
  const server = options.client ? undefined : await serverVersion(options, factory);
  const rows = [["Client", client], ...(server === undefined ? [] : [["Server", server.version ?? server.why]])];
  await printView(factory.io, options.output, {
    table: { columns: ["Program", "Version"], rows },
    data: { client, ...(server === undefined ? {} : { server: server.version ?? null }) },
    names: [client],
  });
}

/** What the server says at `/version`; a server that can't be asked is no failure of this command. */
async function serverVersion(
  options: VersionOptions,
  factory: Factory,
): Promise<{ version: string | undefined; why: string }> {
  try {
    const { client } = await factory.connect(options);
    const answer = await client.request({ method: "GET", path: "/version" });
    client.close();
    const { gitVersion } = JSON.parse(answer.text) as { gitVersion?: string };
    return { version: gitVersion, why: `HTTP ${answer.status}` };
  } catch (error) {
    if (error instanceof KubeconfigError || error instanceof ApiError || error instanceof SyntaxError) {
      return { version: undefined, why: error.message };
    }
    throw error;
  }
}
