/**
 * `elafros deploy`: the command line. What it does is in run.ts.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { envName } from "../../env-file.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import {
  buildArgName,
  duration,
  examples,
  type KeyChange,
  keyChange,
  type KeyValue,
  keyValue,
  outputOption,
  type OutputOptions,
  repeated,
  serverOptions,
  serviceName,
  targetName,
  templateOption,
  waitFlags,
  wholeNumber,
} from "../../options.ts";
import { runDeploy } from "./run.ts";
import { parseSecret, type SecretChange } from "../../secret-option.ts";

export interface DeployOptions extends ServerOptions, OutputOptions {
  service?: string;
  image?: string;
  source?: string;
  /** The function's entry point; true where detection is to find it. */
  function?: string | true;
  template?: string;
  buildArg: KeyValue[];
  verbose: boolean;
  env: KeyChange[];
  envFile: string[];
  secret: SecretChange[];
  pullSecret: string[];
  port?: number;
  /** What the container speaks on its port. */
  protocol?: "http1" | "h2c";
  cpu?: string;
  memory?: string;
  concurrency?: number;
  /** Most seconds until a response begins. */
  timeout?: number;
  serviceAccount?: string;
  label: KeyChange[];
  /** Fewest and most instances. */
  minScale?: number;
  maxScale?: number;
  annotation?: KeyChange[];
  /** False: the new Revision gets no traffic. */
  traffic: boolean;
  /** Name of the new Revision's target. */
  name?: string;
  wait: boolean;
  /** Seconds. */
  waitTimeout?: number;
}

type Lists = "buildArg" | "env" | "envFile" | "secret" | "pullSecret" | "label";

export function deployCommand(
  factory: Factory,
  run: (options: DeployOptions, factory: Factory) => Promise<void> = runDeploy,
): Command {
  const command = new Command("deploy")
    .description("Deploy an image, or source that is built, as a new revision of a service, and move the traffic to it")
    .option("--service <name>", "the service (default: the one last given in this directory)", serviceName)
    .option(
      "--image <image>",
      "the container image (default: the one last deployed from this directory); with a source, the name that its image gets",
    )
    .option(
      "--source <source>",
      "what to build: a directory, an archive (zip, tar, tar.gz), its URL, or a git URL[#BRANCH, TAG or COMMIT] (default: the one last deployed from this directory, else the directory)",
    )
    .option("--function [entry]", "build the source as a function, with this entry point or the one that is found")
    .option("--template <template>", "how to build it (default: what is found in the source)", templateOption)
    .option("--build-arg <NAME=VALUE>", "set a parameter of the template (repeatable)", keyValue(buildArgName, "NAME"))
    .option("--verbose", "show why a runtime was chosen, and what the build writes", false)
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
    .addOption(
      new Option("--protocol <protocol>", "what it speaks there; h2c is HTTP/2 without TLS, for gRPC").choices([
        "http1",
        "h2c",
      ]),
    )
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
    .option("--min-scale <number>", "fewest instances; 0: none while nobody asks", wholeNumber(0, 1000))
    .option("--max-scale <number>", "most instances; 0 leaves it to the platform", wholeNumber(0, 1000))
    .option(
      "--annotation <KEY=VALUE>",
      "set an annotation on the new revision, such as autoscaling.elafros.dev/target=20; KEY- removes it (repeatable)",
      keyChange(/^[A-Za-z0-9][-A-Za-z0-9_./]*$/, "KEY"),
    )
    .option("--no-traffic", "give the new revision no traffic: it is reachable under its own name")
    .option(
      "--name <name>",
      "the name of the new revision's own address (default with manual rollouts: next)",
      targetName,
    );
  waitFlags(command).option(
    "--wait-timeout <duration>",
    "how long to wait, such as 90, 90s or 5m (default: 600 for an image, 3600 for source)",
    duration,
  );
  outputOption(serverOptions(command));
  examples(command, [
    "elafros deploy --service hello --image registry.example.com/hello:v1",
    "elafros deploy --service hello --source .          # build this directory",
    "elafros deploy --service hello --source https://example.com/hello.git#v2",
    "elafros deploy --service on-upload --function      # this directory as a function",
    "elafros deploy --env GREETING=hi --env OLD-        # another revision, of the same image or source",
    "elafros deploy --image hello:v2 --no-traffic       # try it under next.hello... first",
  ]);
  return command.action(async (options: Omit<DeployOptions, Lists> & Partial<Pick<DeployOptions, Lists>>) =>
    run({ buildArg: [], env: [], envFile: [], secret: [], pullSecret: [], label: [], ...options }, factory),
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
