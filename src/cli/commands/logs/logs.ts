import { Command } from "commander";
import type { Factory, ServerOptions } from "../../factory.ts";
import type { ReadOptions } from "../../instance-logs.ts";
import { duration, examples, serverOptions, serviceName, wholeNumber } from "../../options.ts";
import { runLogs } from "./run.ts";

export interface LogsOptions extends ServerOptions, ReadOptions {
  service?: string;
  revision?: string;
}

export function logsCommand(
  factory: Factory,
  run: (options: LogsOptions, factory: Factory) => Promise<void> = runLogs,
): Command {
  const command = new Command("logs")
    .description("Print what the instances of a service write to standard output and standard error")
    .option("--service <name>", "the service (default: the one last given in this directory)", serviceName)
    .option("--revision <name>", "only the instances of this revision: its name, or its Id such as v3")
    .option("-f, --follow", "go on with new lines and new instances until interrupted", false)
    .option("--tail <lines>", "only the last lines of each instance", wholeNumber(0, 1_000_000_000))
    .option("--since <duration>", "only lines of the last while, such as 90s, 5m or 1h", duration)
    .option("-p, --previous", "what was written before the last restart", false)
    .option("--timestamps", "put the time before each line", false);
  serverOptions(command);
  examples(command, [
    "elafros logs --service hello --tail 100",
    "elafros logs -f --revision v3",
    "elafros logs --previous        # why did it crash?",
  ]);
  return command.action(async (options: LogsOptions) => run(options, factory));
}
