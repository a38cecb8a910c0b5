import { Command } from "commander";
import { awaitObject, deadline } from "../../await-object.ts";
import { outcomeOf } from "../../build-state.ts";
import { FailureError } from "../../errors.ts";
import type { Factory, ServerOptions, Session } from "../../factory.ts";
import { readMemory } from "../../memory.ts";
import { Build } from "../../objects.ts";
import { examples, serverOptions, serviceName, waitOptions, type WaitOptions } from "../../options.ts";
import { plainName } from "../../print.ts";
import { resolveBuild } from "./resolve.ts";

export interface BuildsCancelOptions extends ServerOptions, WaitOptions {
  names: string[];
  service?: string;
}

export function buildsCancelCommand(
  factory: Factory,
  run: (options: BuildsCancelOptions, factory: Factory) => Promise<void> = runBuildsCancel,
): Command {
  const command = new Command("cancel")
    .description("Cancel builds that wait or run. What served goes on serving")
    .argument("<name...>", "the builds")
    .option("--service <name>", "the service that an Id such as v3 belongs to", serviceName);
  serverOptions(waitOptions(command));
  examples(command, ["elafros builds cancel hello-00003"]);
  return command.action(async (names: string[], options: Omit<BuildsCancelOptions, "names">) =>
    run({ ...options, names: names.map(plainName) }, factory),
  );
}

async function runBuildsCancel(options: BuildsCancelOptions, factory: Factory): Promise<void> {
  const session = await factory.connect(options);
  try {
    const service = options.service ?? (await readMemory(factory.cwd)).service;
    for (const given of options.names) {
      await cancel(session, await resolveBuild(session, given, service), { options, factory });
    }
  } finally {
    session.client.close();
  }
}

async function cancel(
  session: Session,
  name: string,
  { options, factory }: { options: BuildsCancelOptions; factory: Factory },
): Promise<void> {
  const { client, namespace } = session;
  const { io, clock } = factory;
  const already = outcomeOf(await client.get(Build, { namespace, name }));
  if (already !== undefined) {
    io.note(`Build "${name}" has ended already: ${already.succeeded ? "it succeeded" : already.why}`);
    return;
  }
  await client.patch(Build, { namespace, name }, { type: "merge", body: { spec: { status: "BuildCancelled" } } });
  if (options.wait) {
    const limit = deadline(clock, {
      ms: options.timeout * 1000,
      parent: factory.signal,
      reason: () =>
        new FailureError(
          `Build "${name}" is to be cancelled, but it hasn't ended after ${options.timeout} seconds: see 'elafros builds describe ${name}'`,
        ),
    });
    try {
      await awaitObject(client, Build, {
        namespace,
        name,
        clock,
        signal: limit.signal,
        check: (build) => (build === undefined || outcomeOf(build) !== undefined ? true : undefined),
      });
    } finally {
      limit.done();
    }
  }
  io.line(`${io.paint.green("✓")} Cancelled build [${name}]`);
}
