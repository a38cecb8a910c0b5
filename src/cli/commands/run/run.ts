/**
 * `elafros run`: the command line. What it does is in foreground.ts.
 */
import { Command } from "commander";
import { envName } from "../../env-file.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import {
  buildArgName,
  duration,
  examples,
  type KeyValue,
  keyValue,
  repeated,
  serverOptions,
  templateOption,
  wholeNumber,
} from "../../options.ts";
import { runForeground } from "./foreground.ts";

export interface RunOptions extends ServerOptions {
  source?: string;
  template?: string;
  function?: string | true;
  buildArg: KeyValue[];
  env: KeyValue[];
  envFile: string[];
  port?: number;
  verbose: boolean;
  /** Seconds until it must be there. */
  timeout: number;
}

type Lists = "buildArg" | "env" | "envFile";

const defaultTimeoutSeconds = 3600;

export function runCommand(
  factory: Factory,
  run: (options: RunOptions, factory: Factory) => Promise<void> = runForeground,
): Command {
  const command = new Command("run")
    .description(
      "Build source and run it in the foreground, its output on the terminal, until Ctrl-C; nothing is deployed, and nothing stays",
    )
    .option(
      "--source <source>",
      "what to build: a directory, an archive, or a git URL (default: what this directory's service is built from, else the directory)",
    )
    .option("--function [entry]", "build it as a function, with this entry point or the one that is found")
    .option("--template <template>", "how to build it (default: what is found in the source)", templateOption)
    .option("--build-arg <NAME=VALUE>", "set a parameter of the template (repeatable)", keyValue(buildArgName, "NAME"))
    .option("-e, --env <NAME=VALUE>", "set an environment variable (repeatable)", keyValue(envName, "NAME"))
    .option("--env-file <file>", "set environment variables from lines NAME=VALUE (repeatable)", repeated)
    .option(
      "--port <port>",
      "the port that the program listens on (default: 8080, which PORT tells it)",
      wholeNumber(1, 65_535),
    )
    .option("--verbose", "show why a runtime was chosen, and what the build writes", false)
    .option("--timeout <duration>", "how long building and starting may take (default: 1h)", duration);
  serverOptions(command);
  examples(command, ["elafros run", "elafros run --source ../shop --env DATABASE_URL=postgres://localhost/shop"]);
  type Given = Omit<RunOptions, Lists | "timeout"> & Partial<Pick<RunOptions, Lists | "timeout">>;
  return command.action(async (options: Given) =>
    run({ buildArg: [], env: [], envFile: [], timeout: defaultTimeoutSeconds, ...options }, factory),
  );
}
