import { Command } from "commander";
import { UsageError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { examples } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface TrustCommandOptions {
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
    .option("--remove", "take that back", false)
    .option("--print", "print the CA's certificate, for other machines, and change nothing", false);
  examples(command, [
    "sudo elafros trust",
    "sudo elafros trust --print > elafros-ca.crt",
    "sudo elafros trust --remove",
  ]);
  return command.action(async (options: TrustCommandOptions) => run(options, factory));
}

async function runTrust(options: TrustCommandOptions, factory: Factory): Promise<void> {
  if (options.remove && options.print)
    throw new UsageError("--remove and --print exclude each other: give one of them");
  await factory.platform.trust({
    dataDir: dataDirOf(options, factory),
    remove: options.remove,
    printCertificate: options.print,
    print: (line) => factory.io.line(line),
  });
}
