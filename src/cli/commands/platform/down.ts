import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { examples } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface DownCommandOptions {
  dataDir: string;
  purge: boolean;
}

export function downCommand(
  factory: Factory,
  run: (options: DownCommandOptions, factory: Factory) => Promise<void> = runDown,
): Command {
  const command = new Command("down").description(
    "Stop Elafros on this machine. The next 'up' brings every service back, unless --purge removes them",
  );
  dataDirOption(command).option("--purge", "also remove every service, image, setting and file of it", false);
  examples(command, ["sudo elafros down", "sudo elafros down --purge"]);
  return command.action(async (options: DownCommandOptions) => run(options, factory));
}

async function runDown(options: DownCommandOptions, factory: Factory): Promise<void> {
  await factory.platform.down({
    dataDir: dataDirOf(options, factory),
    purge: options.purge,
    print: (line) => factory.io.line(line),
  });
}
