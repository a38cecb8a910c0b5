import { Command } from "commander";
import type { Factory } from "../../factory.ts";
import { examples } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface UpgradeCommandOptions {
  dataDir: string;
}

export function upgradeCommand(
  factory: Factory,
  run: (options: UpgradeCommandOptions, factory: Factory) => Promise<void> = runUpgrade,
): Command {
  const command = new Command("upgrade").description(
    "Replace the running Elafros by the version that is installed now, while it serves. Settings stay as they are",
  );
  dataDirOption(command);
  examples(command, ["sudo elafros upgrade"]);
  return command.action(async (options: UpgradeCommandOptions) => run(options, factory));
}

async function runUpgrade(options: UpgradeCommandOptions, factory: Factory): Promise<void> {
  await factory.platform.upgrade({
    dataDir: dataDirOf(options, factory),
    print: (line) => factory.io.line(line),
  });
}
