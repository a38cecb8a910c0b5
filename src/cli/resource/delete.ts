import { Command } from "commander";
import { isReason } from "../../api/meta/errors.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { awaitObject, deadline } from "../await-object.ts";
import { FailureError } from "../errors.ts";
import type { Factory, ServerOptions, Session } from "../factory.ts";
import { readMemory } from "../memory.ts";
import {
  examples,
  outputOption,
  type OutputOptions,
  serverOptions,
  serviceName,
  waitOptions,
  type WaitOptions,
} from "../options.ts";
import { plainName, printView, qualifiedName } from "../print.ts";
import type { Noun } from "./noun.ts";

export interface DeleteOptions extends ServerOptions, OutputOptions, WaitOptions {
  names: string[];
  service?: string;
  ignoreNotFound: boolean;
}

/** `elafros NOUN delete NAME...`. */
export function deleteCommand<T extends KubeObject>(
  noun: Noun<T>,
  factory: Factory,
  run: (options: DeleteOptions, factory: Factory) => Promise<void> = (options, factory) =>
    runDelete(noun, options, factory),
): Command {
  const command = new Command("delete")
    .alias("rm")
    .description(`Delete ${noun.plural}`)
    .argument("<name...>", `the ${noun.plural}`);
  if (noun.hasService === true) {
    command.option("--service <name>", "the service that an Id such as v3 belongs to", serviceName);
  }
  return deleteOptions(command, noun.examples.delete).action(
    async (names: string[], options: Omit<DeleteOptions, "names">) =>
      run({ ...options, names: names.map(plainName) }, factory),
  );
}

/** Adds the options that every delete has. */
export function deleteOptions(command: Command, lines: readonly string[]): Command {
  command.option("--ignore-not-found", "succeed where there is none", false);
  return examples(outputOption(serverOptions(waitOptions(command))), lines);
}

async function runDelete<T extends KubeObject>(noun: Noun<T>, options: DeleteOptions, factory: Factory): Promise<void> {
  const session = await factory.connect(options);
  try {
    const service = options.service ?? (noun.hasService === true ? (await readMemory(factory.cwd)).service : undefined);
    for (const given of options.names) {
      const name = (await noun.resolve?.(session, given, service)) ?? given;
      await deleteOne(noun, { name, options, factory, session });
    }
  } finally {
    session.client.close();
  }
}

async function deleteOne<T extends KubeObject>(
  noun: Noun<T>,
  run: { name: string; options: DeleteOptions; factory: Factory; session: Session },
): Promise<void> {
  const { name, options, factory, session } = run;
  const { io } = factory;
  try {
    await session.client.delete(noun.kind, { namespace: session.namespace, name });
  } catch (error) {
    if (options.ignoreNotFound && isReason(error, "NotFound")) return;
    throw error;
  }
  const after = await noun.afterDelete?.(session, name);
  if (after?.note !== undefined) io.note(after.note);
  if (after?.held === true) return;
  if (options.wait) await waitUntilGone(noun, run);
  const { group, version, kind } = noun.kind;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  const object = { apiVersion, kind, metadata: { name, namespace: session.namespace } };
  await printDeleted(factory, options, { what: noun.singular, object, qualified: qualifiedName(object) });
}

/** Says that something was deleted; for programs, what it was. */
export async function printDeleted(
  { io }: Pick<Factory, "io">,
  { output }: OutputOptions,
  deleted: { what: string; object: { metadata: { name: string } }; qualified: string },
): Promise<void> {
  if (output === "table") io.line(`${io.paint.green("✓")} Deleted ${deleted.what} [${deleted.object.metadata.name}]`);
  else {
    const table = { columns: [], rows: [] };
    await printView(io, output, { table, data: deleted.object, names: [deleted.qualified] });
  }
}

/** Waits until an object isn't there any more. */
export async function waitUntilGone<T extends KubeObject>(
  noun: Pick<Noun<T>, "kind" | "singular">,
  { name, options, factory, session }: { name: string; options: WaitOptions; factory: Factory; session: Session },
): Promise<void> {
  const limit = deadline(factory.clock, {
    ms: options.timeout * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(
        `Deletion of ${noun.singular} "${name}" was accepted, but it is still there after ${options.timeout} seconds: a finalizer holds it`,
      ),
  });
  try {
    await awaitObject(session.client, noun.kind, {
      namespace: session.namespace,
      name,
      clock: factory.clock,
      signal: limit.signal,
      check: (object) => (object === undefined ? true : undefined),
    });
  } finally {
    limit.done();
  }
}
