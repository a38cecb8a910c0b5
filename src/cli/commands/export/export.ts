/**
 * `elafros export`: the command line. What it does is in run.ts.
 */
import { Command, Option } from "commander";
import type { Factory, ServerOptions } from "../../factory.ts";
import { examples, serverOptions, serviceName } from "../../options.ts";
import { runExport } from "./run.ts";

export interface ExportOptions extends ServerOptions {
  service?: string;
  revision?: string;
  output: "yaml" | "json";
  /** Name the image by its digest. */
  digest: boolean;
  /** Where the image was copied. */
  imagesTo?: string;
  authFile?: string;
  /** Export how the image is built. */
  build: boolean;
  secrets: boolean;
  configMaps: boolean;
}

export function exportCommand(
  factory: Factory,
  run: (options: ExportOptions, factory: Factory) => Promise<void> = runExport,
): Command {
  const command = new Command("export")
    .description(
      "Print a service as manifests, for 'kubectl apply' on another machine or a cluster: its service account, configuration and route, without what a server has written",
    )
    .option("--service <name>", "the service (default: the one last given in this directory)", serviceName)
    .option(
      "--revision <name>",
      "as this revision is, its name or its Id such as v3 (default: as the configuration is written; of one that is built, the newest that was ready)",
    )
    .option("--digest", "name the image by its digest, which never changes", false)
    .option(
      "--images-to <prefix>",
      "name the image where 'elafros images copy --to PREFIX' has put it, by its digest there",
    )
    .option("--auth-file <file>", "with --images-to: read registry credentials from this file alone")
    .option("--build", "where it is built from git or an archive: how, instead of the image", false)
    .option("--secrets", "with the secrets that it uses, their values included", false)
    .option("--config-maps", "with the config maps that it uses", false)
    .addOption(new Option("-o, --output <format>", "how to print them").choices(["yaml", "json"]).default("yaml"));
  serverOptions(command);
  examples(command, [
    "elafros export --service hello > hello.yaml",
    "elafros export --service hello --images-to registry.example.com/team --secrets | kubectl --context cluster apply -f -",
  ]);
  return command.action(async (options: ExportOptions) => run(options, factory));
}
