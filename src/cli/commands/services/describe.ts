import { Command } from "commander";
import { configurationLabel } from "../../../api/labels.ts";
import { age } from "../../age.ts";
import { explain, failureOf, generationOf } from "../../conditions.ts";
import { FailureError } from "../../errors.ts";
import type { Factory, ServerOptions, Session } from "../../factory.ts";
import { Configuration, Revision, Route } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { examples, outputOption, type OutputOptions, serverOptions } from "../../options.ts";
import { plainName, printView, tableLines } from "../../print.ts";
import { conditionLines, eventLines, headLines } from "../../resource/describe.ts";
import { rolloutRules } from "../../rollout-rules.ts";
import { isManual } from "../../traffic.ts";
import { revisionsTable } from "../revisions/list.ts";
import { readiness, type Service, serviceDocument, typeOf } from "./service.ts";

export interface ServicesDescribeOptions extends ServerOptions, OutputOptions {
  name: string;
}

export function servicesDescribeCommand(
  factory: Factory,
  run: (options: ServicesDescribeOptions, factory: Factory) => Promise<void> = runServicesDescribe,
): Command {
  const command = new Command("describe")
    .alias("get")
    .description("Show one service: its address, traffic, revisions, conditions and events")
    .argument("<name>", "the service");
  outputOption(serverOptions(command));
  examples(command, ["elafros services describe hello"]);
  return command.action(async (name: string, options: Omit<ServicesDescribeOptions, "name">) =>
    run({ ...options, name: plainName(name) }, factory),
  );
}

async function runServicesDescribe(options: ServicesDescribeOptions, factory: Factory): Promise<void> {
  const session = await factory.connect(options);
  try {
    const service = await getService(session, options.name);
    if (options.output === "table") await printService(service, session, factory);
    else {
      await printView(factory.io, options.output, {
        table: { columns: [], rows: [] },
        data: serviceDocument(service),
        names: [`service/${service.name}`],
      });
    }
  } finally {
    session.client.close();
  }
}

async function getService({ client, namespace }: Session, name: string): Promise<Service> {
  const [route, configuration] = await Promise.all([
    optional(client.get(Route, { namespace, name })),
    optional(client.get(Configuration, { namespace, name })),
  ]);
  if (route !== undefined && configuration !== undefined) return { name, namespace, route, configuration };
  const half = route === undefined ? configuration : route;
  throw new FailureError(
    half === undefined
      ? `There is no service "${name}" in namespace "${namespace}": see 'elafros services list'`
      : `"${name}" has only a ${half.kind}, and a service is a Route and a Configuration: see 'elafros ${half.kind.toLowerCase()}s describe ${name}'`,
  );
}

async function printService(service: Service, session: Session, factory: Factory): Promise<void> {
  const { route, configuration } = service;
  const now = factory.clock.now();
  const { items } = await session.client.list(Revision, {
    namespace: session.namespace,
    labelSelector: `${configurationLabel}=${service.name}`,
  });
  const revisions = items.sort((a, b) => generationOf(b) - generationOf(a));
  const ready = readiness(service);
  const newest = failureOf(revisions[0]);
  const lines = [
    ...headLines([
      ["Name", service.name],
      ["Namespace", service.namespace],
      ["Type", typeOf(service)],
      ["URL", route.status?.url ?? ""],
      ["Domains", (route.status?.domains ?? []).join(", ")],
      ["Image", configuration.spec.revisionTemplate.spec.container.image],
      ["Strategy", isManual(route.spec.rollout.traffic) ? "manual" : "automatic"],
      ...rolloutRules(route),
      ["Ready", `${ready.status}${ready.why === "" ? "" : ` (${ready.why})`}`],
      ["Problem", newest === undefined ? "" : `Revision ${revisions[0]?.metadata.name ?? ""}: ${explain(newest)}`],
      ["Created", `${route.metadata.creationTimestamp ?? ""} (${age(route.metadata.creationTimestamp, now)} ago)`],
    ]),
    "Revisions:",
    ...tableLines(revisionsTable(revisions, [route], false)).map((line) => `  ${line}`),
    ...conditionLines(route, now),
    ...(await eventLines(session, route, now)),
    ...(await eventLines(session, configuration, now)),
  ];
  for (const line of lines) factory.io.line(line);
}
