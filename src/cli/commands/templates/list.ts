import { Command } from "commander";
import { age } from "../../age.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import { examples, outputOption, type OutputOptions, serverOptions } from "../../options.ts";
import { printView, qualifiedName } from "../../print.ts";
import { usableTemplates } from "../../templates.ts";

export interface TemplatesListOptions extends ServerOptions, OutputOptions {}

export function templatesListCommand(
  factory: Factory,
  run: (options: TemplatesListOptions, factory: Factory) => Promise<void> = runTemplatesList,
): Command {
  const command = new Command("list")
    .alias("ls")
    .description("List the build templates that services can use: the namespace's own, and the platform's");
  outputOption(serverOptions(command));
  examples(command, ["elafros templates list"]);
  return command.action(async (options: TemplatesListOptions) => run(options, factory));
}

async function runTemplatesList(options: TemplatesListOptions, factory: Factory): Promise<void> {
  const session = await factory.connect(options);
  try {
    const templates = await usableTemplates(session);
    const now = factory.clock.now();
    await printView(factory.io, options.output, {
      table: {
        columns: ["Name", "Namespace", "Parameters", "Age"],
        rows: templates.map(({ metadata, spec }) => [
          metadata.name,
          metadata.namespace ?? "",
          (spec.parameters ?? []).map(({ name }) => name).join(","),
          age(metadata.creationTimestamp, now),
        ]),
      },
      data: templates,
      names: templates.map(qualifiedName),
      empty: `No build templates found in namespace "${session.namespace}", nor any of the platform's.`,
    });
  } finally {
    session.client.close();
  }
}
