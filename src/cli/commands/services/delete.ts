import { Command } from "commander";
import { FailureError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { Configuration, Route } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { plainName } from "../../print.ts";
import { type DeleteOptions, deleteOptions, printDeleted, waitUntilGone } from "../../resource/delete.ts";

export function servicesDeleteCommand(
  factory: Factory,
  run: (options: DeleteOptions, factory: Factory) => Promise<void> = runServicesDelete,
): Command {
  const command = new Command("delete")
    .alias("rm")
    .description("Delete services: the route, the configuration and all revisions")
    .argument("<name...>", "the services");
  return deleteOptions(command, ["elafros services delete hello"]).action(
    async (names: string[], options: Omit<DeleteOptions, "names">) =>
      run({ ...options, names: names.map(plainName) }, factory),
  );
}

async function runServicesDelete(options: DeleteOptions, factory: Factory): Promise<void> {
  const session = await factory.connect(options);
  try {
    for (const name of options.names) await deleteService({ name, options, factory, session });
  } finally {
    session.client.close();
  }
}

async function deleteService(run: {
  name: string;
  options: DeleteOptions;
  factory: Factory;
  session: Session;
}): Promise<void> {
  const { name, options, factory, session } = run;
  const { client, namespace } = session;
  // The address goes first, so that no request finds a service whose revisions are going.
  const route = await optional(client.delete(Route, { namespace, name }));
  const configuration = await optional(client.delete(Configuration, { namespace, name }));
  if (route === undefined && configuration === undefined) {
    if (options.ignoreNotFound) return;
    throw new FailureError(`There is no service "${name}" in namespace "${namespace}": see 'elafros services list'`);
  }
  if (options.wait) {
    await waitUntilGone({ kind: Route, singular: "route" }, run);
    await waitUntilGone({ kind: Configuration, singular: "configuration" }, run);
  }
  const object = { kind: "Service", metadata: { name, namespace } };
  await printDeleted(factory, options, { what: "service", object, qualified: `service/${name}` });
}
