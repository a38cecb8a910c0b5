/**
 * `elafros deploy`: the command line. What it does is in run.ts.
 */
import { Command, InvalidArgumentError } from "commander";
import { envName } from "../../env-file.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import {
  duration,
  examples,
  type KeyChange,
  keyChange,
  outputOption,
  type OutputOptions,
  repeated,
  serverOptions,
  serviceName,
  targetName,
  waitOptions,
  wholeNumber,
} from "../../options.ts";
import { runDeploy } from "./run.ts";
import { parseSecret, type SecretChange } from "./secret-option.ts";

export interface DeployOptions extends ServerOptions, OutputOptions {
  service?: string;
  image?: string;
  source?: string;
  function?: string;
  env: KeyChange[];
  envFile: string[];
  secret: SecretChange[];
  pullSecret: string[];
  port?: number;
  cpu?: string;
  memory?: string;
  concurrency?: number;
  /** Most seconds until a response begins. */
  timeout?: number;
  serviceAccount?: string;
  label: KeyChange[];
  /** False: the new Revision gets no traffic. */
  traffic: boolean;
  /** Name of the new Revision's target. */
  name?: string;
  wait: boolean;
  /** Seconds. */
  waitTimeout: number;
}

type Lists = "env" | "envFile" | "secret" | "pullSecret" | "label";

export function deployCommand(
  factory: Factory,
  run: (options: DeployOptions, factory: Factory) => Promise<void> = runDeploy,
): Command {
  const command = new Command("deploy")
    .description("Deploy an image as a new revision of a service, and move the traffic to it")
    .option("--service <name>", "the service (default: the one last given in this directory)", serviceName)
    .option("--image <image>", "the container image (default: the one last deployed from this directory)")
    .option("--source <source>", "a directory, archive or git URL to build (not supported yet)")
    .option("--function <entry>", "deploy a function from source (not supported yet)")
    .option(
      "-e, --env <NAME=VALUE>",
      "set an environment variable; NAME- removes it (repeatable)",
      keyChange(envName, "NAME"),
    )
    .option("--env-file <file>", "set environment variables from lines NAME=VALUE (repeatable)", repeated)
    .option(
      "--secret <NAME=SECRET:KEY>",
      "an environment variable, or with /PATH=SECRET[:KEY] files, from a secret; SECRET alone sets all its keys; NAME- or /PATH- removes (repeatable)",
      parseSecret,
    )
    .option(
      "--pull-secret <name>",
      "a secret with registry credentials for the image; NAME- removes it (repeatable)",
      repeated,
    )
    .option("--port <port>", "the port that the container listens on", wholeNumber(1, 65_535))
    .option("--cpu <quantity>", "the CPU limit of an instance, such as 500m or 2", quantity)
    .option("--memory <quantity>", "the memory limit of an instance, such as 256Mi", quantity)
    .option("--concurrency <number>", "most requests at once per instance; 0 means no limit", wholeNumber(0, 1000))
    .option(
      "--timeout <duration>",
      "most time until a response begins, such as 20, 20s or 5m (how long deploy waits is --wait-timeout)",
      requestTimeout,
    )
    .option("--service-account <name>", "the service account that instances run as")
    .option(
      "--label <KEY=VALUE>",
      "set a label on the configuration and the new revision; KEY- removes it (repeatable)",
      keyChange(/^[A-Za-z0-9][-A-Za-z0-9_./]*$/, "KEY"),
    )
    .option("--no-traffic", "give the new revision no traffic: it is reachable under its own name")
    .option(
      "--name <name>",
      "the name of the new revision's own address (default with manual rollouts: next)",
      targetName,
    );
  waitOptions(command, "--wait-timeout");
  outputOption(serverOptions(command));
  examples(command, [
    "elafros deploy --service hello --image registry.example.com/hello:v1",
    "elafros deploy --env GREETING=hi --env OLD-        # another revision, same image",
    "elafros deploy --image hello:v2 --no-traffic       # try it under next.hello... first",
  ]);
  return command.action(async (options: Omit<DeployOptions, Lists> & Partial<Pick<DeployOptions, Lists>>) =>
    run({ env: [], envFile: [], secret: [], pullSecret: [], label: [], ...options }, factory),
  );
}

function quantity(text: string): string {
  if (!/^\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.test(text)) {
    throw new InvalidArgumentError("Give a quantity such as 500m, 2, 256Mi or 1Gi.");
  }
  return text;
}

function requestTimeout(text: string): number {
  const seconds = duration(text);
  if (seconds > 3600) throw new InvalidArgumentError("Give at most 3600 seconds.");
  return seconds;
}
