import { Command } from "commander";
import { followedLines, type StepLine, writtenLines } from "../../build-logs.ts";
import { outcomeOf } from "../../build-state.ts";
import { CancelledError, FailureError } from "../../errors.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import { readMemory } from "../../memory.ts";
import { Build } from "../../objects.ts";
import { examples, serverOptions, serviceName, wholeNumber } from "../../options.ts";
import { plainName } from "../../print.ts";
import { printable } from "../../printable.ts";
import { chooseBuild } from "./resolve.ts";

export interface BuildsLogsOptions extends ServerOptions {
  name?: string;
  service?: string;
  follow: boolean;
  step?: string;
  tail?: number;
}

export function buildsLogsCommand(
  factory: Factory,
  run: (options: BuildsLogsOptions, factory: Factory) => Promise<void> = runBuildsLogs,
): Command {
  const command = new Command("logs")
    .description(
      "Print what the steps of a build write. With --follow until it has ended; exit status 1 where it failed then",
    )
    .argument("[name]", "the build (default: the newest of the service)")
    .option("--service <name>", "the service (default: the one last given in this directory)", serviceName)
    .option("-f, --follow", "go on as it writes", false)
    .option("--step <name>", "only this step")
    .option("--tail <lines>", "only so many last lines of each step", wholeNumber(0, 1_000_000));
  serverOptions(command);
  examples(command, [
    "elafros builds logs -f                 # the newest build of this directory's service",
    "elafros builds logs hello-00003 --step build --tail 20",
  ]);
  return command.action(async (name: string | undefined, options: Omit<BuildsLogsOptions, "name">) =>
    run(name === undefined ? options : { ...options, name: plainName(name) }, factory),
  );
}

async function runBuildsLogs(options: BuildsLogsOptions, factory: Factory): Promise<void> {
  const { io, clock, signal } = factory;
  const service = options.service ?? (await readMemory(factory.cwd)).service;
  const session = await factory.connect(options);
  try {
    const build = await chooseBuild(session, { name: options.name, service });
    const logs = { session, build, step: options.step, tail: options.tail, signal };
    await print(options.follow ? followedLines({ ...logs, clock }) : writtenLines(logs), options, factory);
    if (!options.follow) return;
    const outcome = outcomeOf(await session.client.get(Build, { namespace: session.namespace, name: build }));
    if (outcome?.succeeded === false) throw new FailureError(`Build "${build}" failed: ${outcome.why}`);
    if (outcome?.succeeded === true) io.note(`Build [${build}] succeeded`);
  } catch (error) {
    if (signal.aborted) throw new CancelledError("Cancelled", { cause: error });
    throw error;
  } finally {
    session.client.close();
  }
}

/** Each line begins with its step, where there is more than one. */
async function print(lines: AsyncIterable<StepLine>, options: BuildsLogsOptions, { io }: Factory): Promise<void> {
  for await (const { step, line } of lines) {
    // A terminal must not be rewritten by what a build prints; a pipe gets the bytes.
    const text = io.terminal ? printable(line) : line;
    io.line(options.step === undefined ? `[${step}] ${text}` : text);
  }
}
