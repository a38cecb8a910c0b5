/**
 * What `deploy` does: writes the Configuration (and Route, the first time), then follows the new Revision until the traffic
 * has moved to it. A service is a Route and a Configuration of one name.
 */
import { isReason } from "../../../api/meta/errors.ts";
import type { HttpClient } from "../../../client/http.ts";
import { deadline } from "../../await-object.ts";
import { changeObject } from "../../change.ts";
import { FailureError, UsageError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { followCreated, followReady, followTraffic, type Follow } from "../../follow.ts";
import { aside, createProgress } from "../../io.ts";
import { readMemory, remember, requireService } from "../../memory.ts";
import { Configuration, Route, type TrafficTarget } from "../../objects.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { printView } from "../../print.ts";
import { automatic, isManual, nextName, pinned, withNext } from "../../traffic.ts";
import { collectChanges, type Chosen } from "./changes.ts";
import type { DeployOptions } from "./deploy.ts";
import { failedRevision } from "./failure.ts";
import { changeKeys, changeTemplate } from "./template.ts";
import { watchUpload } from "./upload.ts";

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
    found(client.get(Configuration, key)),
    found(client.get(Route, key)),
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
  const limit = deadline(factory.clock, {
    ms: options.waitTimeout * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(
        `Service "${service}" was not deployed within ${options.waitTimeout} seconds: it goes on; see 'elafros rollout status --service ${service}', or wait longer with --wait-timeout`,
      ),
  });
  const follow: Follow = { session, clock: factory.clock, signal: limit.signal, service };
  const progress = createProgress(io, factory.clock);
  try {
    progress.start("Starting");
    const revisionName = await followCreated(follow, generation);
    if (!options.wait) {
      progress.stop();
      if (manual) await addNext(follow, { revisionName, target });
      else await recordBefore(follow, { before, ...(options.name === undefined ? {} : { name: options.name }) });
      io.line(`Revision [${revisionName}] is starting. Follow it with 'elafros rollout status --service ${service}'`);
      return;
    }
    const upload = watchUpload(follow, { revisionName, progress });
    const outcome = await followReady(follow, revisionName, (state) => upload.onState(state)).finally(() =>
      upload.stop(),
    );
    if (!outcome.ready) {
      progress.fail();
      throw await failedRevision({ session, service, revisionName, reason: outcome.reason, served: before });
    }
    await upload.finish();
    progress.done("Starting");
    progress.start("Promoting");
    const promoted = manual
      ? await followNext(follow, { revisionName, target, route: await addNext(follow, { revisionName, target }) })
      : await promote(follow, { revisionName, before, ...(options.name === undefined ? {} : { name: options.name }) });
    progress.done("Promoting");
    io.line("Done.");
    io.line(`Deployed to ${addressOf(promoted, manual ? target : undefined)}`);
    if (options.output !== "table") {
      await printView(factory.io, options.output, {
        table: { columns: [], rows: [] },
        data: promoted,
        names: [`service/${service}`],
      });
    }
  } catch (error) {
    progress.fail();
    throw error;
  } finally {
    limit.done();
  }
}

/** The object, undefined where there is none. */
async function found<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
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

async function createService(plan: {
  client: HttpClient;
  namespace: string;
  service: string;
  changes: Chosen;
  hasRoute: boolean;
  options: DeployOptions;
}): Promise<number> {
  const { client, namespace, service, changes } = plan;
  const key = { namespace, name: service };
  const labels = changeKeys(undefined, changes.labels);
  const metadata = { name: service, namespace, ...(labels === undefined ? {} : { labels }) };
  const existing = await found(client.get(Configuration, key));
  const created =
    existing === undefined
      ? await client.create(Configuration, {
          apiVersion: "elafros.dev/v1alpha1",
          kind: "Configuration",
          metadata,
          spec: { revisionTemplate: changeTemplate(undefined, changes) },
        })
      : undefined;
  const generation = created?.metadata.generation ?? (await updateConfiguration(client, key, changes));
  if (plan.hasRoute) return generation;
  try {
    await client.create(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: service, namespace },
      spec: { rollout: { traffic: automatic(service, plan.options.name) } },
    });
  } catch (error) {
    // A service is both: with only one of them nothing would answer, so the half that was made goes again.
    if (created !== undefined) await client.delete(Configuration, key).catch(() => {});
    throw error;
  }
  return generation;
}

async function updateConfiguration(
  client: HttpClient,
  key: { namespace: string; name: string },
  changes: Chosen,
): Promise<number> {
  const { after } = await changeObject(client, Configuration, {
    key,
    edit: (object) => {
      object.spec.revisionTemplate = changeTemplate(object.spec.revisionTemplate, changes);
      const labels = changeKeys(object.metadata.labels, changes.labels);
      if (labels !== undefined) object.metadata.labels = labels;
    },
  });
  return after.metadata.generation ?? 0;
}

/** Pins what is served now, so that the new Revision gets nothing by itself. */
async function holdTraffic(plan: {
  client: HttpClient;
  key: { namespace: string; name: string };
  before: readonly TrafficTarget[];
  service: string;
}): Promise<void> {
  const { before } = plan;
  if (before.length === 0) {
    throw new FailureError(
      `Service "${plan.service}" serves no revision yet, so there is nothing to keep the traffic on: deploy it without --no-traffic first`,
    );
  }
  await changeObject(plan.client, Route, {
    key: plan.key,
    edit: (route) => {
      if (isManual(route.spec.rollout.traffic)) return;
      rememberTraffic(route, route.spec.rollout.traffic);
      route.spec.rollout.traffic = [...before];
    },
  });
}

/** Manual strategy: the new Revision gets its own address and no traffic. */
async function addNext(
  follow: Follow,
  { revisionName, target }: { revisionName: string; target: string },
): Promise<Route> {
  const { after } = await changeObject(follow.session.client, Route, {
    key: { namespace: follow.session.namespace, name: follow.service },
    edit: (route) => {
      route.spec.rollout.traffic = withNext(route.spec.rollout.traffic, revisionName, target);
    },
  });
  return after;
}

async function followNext(
  follow: Follow,
  { revisionName, target, route }: { revisionName: string; target: string; route: Route },
): Promise<Route> {
  return followTraffic(follow, {
    generation: route.metadata.generation ?? 0,
    served: ({ status }) =>
      (status?.traffic ?? []).some((one) => one.revisionName === revisionName && one.name === target),
  });
}

/** Automatic strategy: the Route follows by itself; what it served before is remembered for `rollout undo`. */
async function recordBefore(
  follow: Follow,
  { before, name }: { before: readonly TrafficTarget[]; name?: string },
): Promise<Route> {
  const { after } = await changeObject(follow.session.client, Route, {
    key: { namespace: follow.session.namespace, name: follow.service },
    edit: (route) => {
      rememberTraffic(route, before);
      const followed = route.spec.rollout.traffic.find((one) => one.configurationName === follow.service);
      if (name !== undefined && followed !== undefined) followed.name = name;
    },
  });
  return after;
}

async function promote(
  follow: Follow,
  { revisionName, ...record }: { revisionName: string; before: readonly TrafficTarget[]; name?: string },
): Promise<Route> {
  const after = await recordBefore(follow, record);
  const wanted = after.spec.rollout.traffic
    .filter((one) => one.configurationName === follow.service)
    .reduce((sum, one) => sum + one.percent, 0);
  return followTraffic(follow, {
    generation: after.metadata.generation ?? 0,
    revision: revisionName,
    served: (route) =>
      (route.status?.traffic ?? [])
        .filter((one) => one.revisionName === revisionName)
        .reduce((sum, one) => sum + one.percent, 0) >= wanted,
  });
}

/** The Route's URL, or that of one of its named targets. */
export function addressOf(route: Route, target?: string): string {
  const url = route.status?.url ?? `https://${route.status?.domain ?? route.metadata.name}`;
  return target === undefined ? url : url.replace("://", `://${target}.`);
}
