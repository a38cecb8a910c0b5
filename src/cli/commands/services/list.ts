import { Command } from "commander";
import { age } from "../../age.ts";
import type { Factory } from "../../factory.ts";
import { Configuration, Route } from "../../objects.ts";
import { type ServiceType, typeOption } from "../../options.ts";
import { printView } from "../../print.ts";
import { type ListOptions, listOptions } from "../../resource/list.ts";
import { pairServices, readiness, serviceDocument, typeOf } from "./service.ts";

export interface ServicesListOptions extends ListOptions {
  type?: ServiceType;
}

export function servicesListCommand(
  factory: Factory,
  run: (options: ServicesListOptions, factory: Factory) => Promise<void> = runServicesList,
): Command {
  const command = new Command("list").alias("ls").description("List services with their addresses");
  const lines = ["elafros services list", "elafros services list --type function", "elafros services list -A -o json"];
  return listOptions(typeOption(command), lines).action(async (options: ServicesListOptions) => run(options, factory));
}

async function runServicesList(options: ServicesListOptions, factory: Factory): Promise<void> {
  const { client, namespace } = await factory.connect(options);
  const scope = {
    ...(options.allNamespaces ? {} : { namespace }),
    ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
  };
  try {
    // Labels are the Configuration's: `deploy --label` sets them there.
    const { labelSelector: _, ...everywhere } = scope;
    const [routes, configurations] = await Promise.all([
      client.list(Route, everywhere),
      client.list(Configuration, scope),
    ]);
    const services = pairServices(routes.items, configurations.items).filter(
      (service) => options.type === undefined || typeOf(service) === options.type,
    );
    const now = factory.clock.now();
    await printView(factory.io, options.output, {
      table: {
        columns: [...(options.allNamespaces ? ["Namespace"] : []), "Name", "URL", "Latest", "Ready", "Age", "Reason"],
        rows: services.map((service) => {
          const ready = readiness(service);
          return [
            ...(options.allNamespaces ? [service.namespace] : []),
            service.name,
            service.route.status?.url ?? "",
            service.configuration.status?.latestReadyRevisionName ?? "",
            ready.status,
            age(service.configuration.metadata.creationTimestamp, now),
            ready.why,
          ];
        }),
      },
      data: services.map(serviceDocument),
      names: services.map((service) => `service/${service.name}`),
      empty: `No services found${options.allNamespaces ? "" : ` in namespace "${namespace}"`}.`,
    });
  } finally {
    client.close();
  }
}
