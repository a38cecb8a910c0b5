/**
 * What the rollout commands share: change a Route's targets, remember what they were, follow until the gateways serve it.
 */
import type { Command } from "commander";
import { isReason } from "../../../api/meta/errors.ts";
import { deadline } from "../../await-object.ts";
import { changeObject } from "../../change.ts";
import { generationOf } from "../../conditions.ts";
import { FailureError } from "../../errors.ts";
import type { Factory, ServerOptions, Session } from "../../factory.ts";
import { followTraffic } from "../../follow.ts";
import { aside, createProgress } from "../../io.ts";
import { requireService } from "../../memory.ts";
import { Revision, Route, type TrafficTarget } from "../../objects.ts";
import {
  outputOption,
  type OutputOptions,
  serverOptions,
  serviceName,
  waitOptions,
  type WaitOptions,
} from "../../options.ts";
import { printView } from "../../print.ts";

export interface RolloutOptions extends ServerOptions, OutputOptions, WaitOptions {
  service?: string;
}

/** Adds the options of every rollout command. */
export function rolloutOptions(command: Command): Command {
  command.option("--service <name>", "the service (default: the one last given in this directory)", serviceName);
  return outputOption(serverOptions(waitOptions(command)));
}

/**
 * Changes the Route of the service and waits until every gateway serves it.
 * @param edit changes the Route in place; false where there is nothing to do
 */
export async function changeTraffic(
  options: RolloutOptions,
  factory: Factory,
  edit: (route: Route, service: string) => boolean | Promise<boolean>,
): Promise<void> {
  const service = await requireService(factory.cwd, options.service);
  const session = await factory.connect(options);
  const { client, namespace } = session;
  try {
    let changed = false;
    const { after } = await explainMissing(
      service,
      changeObject(client, Route, {
        key: { namespace, name: service },
        edit: async (route) => {
          changed = await edit(route, service);
        },
      }),
    );
    const route = options.wait && changed ? await settle({ options, factory, session, route: after }) : after;
    await printTraffic({ route, service, options, factory, session });
  } finally {
    client.close();
  }
}

/** Turns "not found" into words about services. */
export async function explainMissing<T>(service: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
    throw new FailureError(
      `There is no service "${service}": see 'elafros services list', or deploy it with 'elafros deploy --service ${service}' and --image or --source`,
      { cause: error },
    );
  }
}

async function settle(run: {
  options: RolloutOptions;
  factory: Factory;
  session: Session;
  route: Route;
}): Promise<Route> {
  const { options, factory, session, route } = run;
  const service = route.metadata.name;
  const io = options.output === "table" ? factory.io : aside(factory.io);
  const limit = deadline(factory.clock, {
    ms: options.timeout * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(
        `The traffic of service "${service}" did not move within ${options.timeout} seconds: it goes on; see 'elafros rollout status --service ${service}'`,
      ),
  });
  const progress = createProgress(io, factory.clock);
  try {
    progress.start("Promoting");
    const settled = await followTraffic(
      { session, clock: factory.clock, signal: limit.signal, service },
      { generation: route.metadata.generation ?? 0, served: () => true },
    );
    progress.done("Promoting");
    return settled;
  } catch (error) {
    progress.fail();
    throw error;
  } finally {
    limit.done();
  }
}

/** Prints who gets what, as the gateways serve it. */
export async function printTraffic(answer: {
  route: Route;
  service: string;
  options: OutputOptions;
  factory: Factory;
  session: Session;
}): Promise<void> {
  const { route, service, options, factory, session } = answer;
  const traffic: readonly TrafficTarget[] = route.status?.traffic ?? [];
  const ids = await revisionIds(session);
  await printView(factory.io, options.output, {
    table: {
      columns: ["Name", "Traffic", "Id", "Revision"],
      rows: traffic.map((target) => [
        target.name ?? "",
        `${target.percent}%`,
        ids.get(target.revisionName ?? "") ?? "",
        target.revisionName ?? "",
      ]),
    },
    data: route,
    names: [`service/${service}`],
    empty: `Service "${service}" serves nothing yet.`,
  });
}

async function revisionIds({ client, namespace }: Session): Promise<Map<string, string>> {
  const revisions = await client.list(Revision, { namespace });
  return new Map(revisions.items.map((one) => [one.metadata.name, `v${generationOf(one)}`]));
}
