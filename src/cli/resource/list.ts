import { Command, Option } from "commander";
import { configurationLabel } from "../../api/labels.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { Factory, ServerOptions } from "../factory.ts";
import { examples, outputOption, type OutputOptions, serverOptions, serviceName } from "../options.ts";
import { printView, qualifiedName } from "../print.ts";
import type { Noun } from "./noun.ts";

export interface ListOptions extends ServerOptions, OutputOptions {
  allNamespaces: boolean;
  selector?: string;
  service?: string;
}

/** `elafros NOUN list`. */
export function listCommand<T extends KubeObject>(
  noun: Noun<T>,
  factory: Factory,
  run: (options: ListOptions, factory: Factory) => Promise<void> = (options, factory) =>
    runList(noun, options, factory),
): Command {
  const command = new Command("list").alias("ls").description(`List ${noun.plural}`);
  if (noun.hasService === true) command.option("--service <name>", "only those of this service", serviceName);
  return listOptions(command, noun.examples.list).action(async (options: ListOptions) => run(options, factory));
}

/** Adds the options that every list has. */
export function listOptions(command: Command, lines: readonly string[]): Command {
  command
    .option("-A, --all-namespaces", "in all namespaces", false)
    .addOption(new Option("-l, --selector <selector>", "only those with these labels, such as team=shop"));
  return examples(outputOption(serverOptions(command)), lines);
}

async function runList<T extends KubeObject>(noun: Noun<T>, options: ListOptions, factory: Factory): Promise<void> {
  const { client, namespace } = await factory.connect(options);
  try {
    const selectors = [
      ...(noun.listed === undefined ? [] : [noun.listed]),
      ...(options.service === undefined ? [] : [`${configurationLabel}=${options.service}`]),
      ...(options.selector === undefined ? [] : [options.selector]),
    ];
    const list = await client.list(noun.kind, {
      ...(options.allNamespaces ? {} : { namespace }),
      ...(selectors.length === 0 ? {} : { labelSelector: selectors.join(",") }),
    });
    const now = factory.clock.now();
    const prefix = (object: T) => (options.allNamespaces ? [object.metadata.namespace ?? ""] : []);
    await printView(factory.io, options.output, {
      table: {
        columns: [...(options.allNamespaces ? ["Namespace"] : []), ...(noun.table?.columns ?? [])],
        rows: list.items.map((object) => [...prefix(object), ...(noun.table?.row(object, now) ?? [])]),
      },
      data: list.items,
      names: list.items.map(qualifiedName),
      empty: `No ${noun.plural} found${options.allNamespaces ? "" : ` in namespace "${namespace}"`}.`,
    });
  } finally {
    client.close();
  }
}
