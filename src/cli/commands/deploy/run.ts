/**
 * What `deploy` does: writes the Configuration (and Route, the first time), then follows the new Revision until the traffic
 * has moved to it. A service is a Route and a Configuration of one name.
 */
import { deadline } from "../../await-object.ts";
import { conditionOf, explain } from "../../conditions.ts";
import { FailureError, UsageError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { followCreated, followReady, type Follow } from "../../follow.ts";
import { aside, createProgress } from "../../io.ts";
import { readMemory, remember, requireService } from "../../memory.ts";
import { Configuration, Route } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { printView } from "../../print.ts";
import { isManual, nextName, pinned } from "../../traffic.ts";
import { collectChanges } from "./changes.ts";
import type { DeployOptions } from "./deploy.ts";
import { failedRevision } from "./failure.ts";
import { addNext, addressOf, followNext, promote, recordBefore } from "./promote.ts";
import { watchUpload } from "./upload.ts";
import { createService, holdTraffic, updateConfiguration } from "./write.ts";

/** Runs `elafros deploy`. */
export async function runDeploy(options: DeployOptions, factory: Factory): Promise<void> {
  refuseUnbuilt(options);
  const service = await requireService(factory.cwd, options.service);
  const session = await factory.connect(options);
  try {
    await deployTo({ service, session, options, factory });
  } finally {
    session.client.close();
  }
}

interface Deployment {
  service: string;
  session: Session;
  options: DeployOptions;
  factory: Factory;
}

function refuseUnbuilt(options: DeployOptions): void {
  for (const flag of ["source", "function"] as const) {
    if (options[flag] !== undefined) {
      throw new UsageError(
        `--${flag} "${options[flag]}" is not supported yet: build the image with the tool of your choice, push it, and give it with --image`,
      );
    }
  }
}

async function deployTo({ service, session, options, factory }: Deployment): Promise<void> {
  // With another format than the table, standard output holds the answer alone.
  const io = options.output === "table" ? factory.io : aside(factory.io);
  const { client, namespace } = session;
  const key = { namespace, name: service };
  const [configuration, route] = await Promise.all([
    optional(client.get(Configuration, key)),
    optional(client.get(Route, key)),
  ]);
  const image = await chooseImage({ service, options, factory }, configuration);
  const changes = await collectChanges(options, factory, image);
  const target = options.name ?? nextName;
  if (route === undefined && !options.traffic) {
    throw new UsageError(`--no-traffic needs a service that has traffic: service "${service}" doesn't exist yet`);
  }
  const before = pinned(route?.status?.traffic ?? []);
  if (route !== undefined && !options.traffic) await holdTraffic({ client, key, before, service });

  let generation: number;
  if (configuration === undefined || route === undefined) {
    const label = `Creating service [${service}] in region [${session.region}]`;
    generation = await createService({ client, namespace, service, changes, hasRoute: route !== undefined, options });
    createProgress(io, factory.clock).done(label);
  } else {
    generation = await updateConfiguration(client, key, changes);
  }
  await remember(factory.cwd, { service, image });

  io.line(`Deploying app to service [${service}]:`);
  const manual = route !== undefined && (!options.traffic || isManual(route.spec.rollout.traffic));
  let last = "the revision is not made yet";
  const goesOn = `it goes on; see 'elafros rollout status --service ${service}'`;
  const limit = deadline(factory.clock, {
    ms: options.waitTimeout * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(
        `Service "${service}" was not deployed within ${options.waitTimeout} seconds (${last}): ${goesOn}, or wait longer with --wait-timeout`,
      ),
  });
  const follow: Follow = { session, clock: factory.clock, signal: limit.signal, service };
  const progress = createProgress(io, factory.clock);
  const printAnswer = async (data: Route) => {
    if (options.output === "table") return;
    const names = [`service/${service}`];
    await printView(factory.io, options.output, { table: { columns: [], rows: [] }, data, names });
  };
  try {
    progress.start("Starting");
    const revisionName = await followCreated(follow, generation);
    if (!options.wait) {
      progress.stop();
      const named = options.name === undefined ? {} : { name: options.name };
      const written = manual
        ? await addNext(follow, { revisionName, target })
        : await recordBefore(follow, { before, ...named });
      io.line(`Revision [${revisionName}] is starting. Follow it with 'elafros rollout status --service ${service}'`);
      await printAnswer(written);
      return;
    }
    const upload = watchUpload(follow, { revisionName, progress });
    const outcome = await followReady(follow, revisionName, (state) => {
      last = `revision "${revisionName}" is not ready: ${explain(conditionOf(state, "Ready")) || "it was just made"}`;
    }).catch((error: unknown) => {
      upload.stop();
      throw error;
    });
    if (!outcome.ready) {
      upload.stop();
      progress.fail();
      throw await failedRevision({ session, service, revisionName, reason: outcome.reason, served: before });
    }
    await upload.finish();
    progress.done("Starting");
    last = "the gateways don't serve it yet";
    progress.start("Promoting");
    const promoted = manual
      ? await followNext(follow, { revisionName, target, route: await addNext(follow, { revisionName, target }) })
      : await promote(follow, { revisionName, before, ...(options.name === undefined ? {} : { name: options.name }) });
    progress.done("Promoting");
    io.line("Done.");
    io.line(`Deployed to ${addressOf(promoted, manual ? target : undefined)}`);
    await printAnswer(promoted);
  } catch (error) {
    progress.fail();
    if (factory.signal.aborted) factory.io.note(`The deploy was accepted: ${goesOn}`);
    throw error;
  } finally {
    limit.done();
  }
}

/** The image given, else the one last deployed from this directory, else the one that the service has. */
async function chooseImage(
  { service, options, factory }: Omit<Deployment, "session">,
  configuration: Configuration | undefined,
): Promise<string> {
  if (options.image !== undefined) return options.image;
  const last = (await readMemory(factory.cwd)).images?.[service];
  const present = configuration?.spec.revisionTemplate.spec.container.image;
  const image = last ?? present;
  if (image === undefined) {
    throw new UsageError(
      `Nothing to deploy to service "${service}": no image was deployed from this directory before. Give one with --image IMAGE (--source, to build one, is not supported yet)`,
    );
  }
  if (last !== undefined && present !== undefined && last !== present) {
    factory.io.note(
      `Note: deploying "${last}", the last image from this directory; the service has "${present}". Choose with --image`,
    );
  }
  return image;
}
