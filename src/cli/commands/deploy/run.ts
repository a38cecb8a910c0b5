/**
 * What `deploy` does: sends the source where there is one, writes the Configuration (and Route, the first time), then follows the new
 * Revision until the traffic has moved to it. A service is a Route and a Configuration of one name.
 */
import { autoscalingPrefix } from "../../../api/autoscaling.ts";
import { UsageError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { aside, createProgress, type Io, type Progress } from "../../io.ts";
import { remember, requireService } from "../../memory.ts";
import { Configuration, Route } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { isKubernetes } from "../../server-kind.ts";
import { uploadArchive } from "../../source/upload.ts";
import { isManual, nextName, pinned } from "../../traffic.ts";
import { collectChanges } from "./changes.ts";
import { type DeployContent, prepareContent } from "./content.ts";
import type { DeployOptions } from "./deploy.ts";
import { followDeploy } from "./follow-deploy.ts";
import { createService, holdTraffic, type ServiceKey, writeConfiguration } from "./write.ts";

/** Runs `elafros deploy`. */
export async function runDeploy(options: DeployOptions, factory: Factory): Promise<void> {
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

async function deployTo({ service, session, options, factory }: Deployment): Promise<void> {
  // With another format than the table, standard output holds the answer alone.
  const io = options.output === "table" ? factory.io : aside(factory.io);
  const progress = createProgress(io, factory.clock);
  const { client, namespace } = session;
  const key = { namespace, name: service };
  const [configuration, route] = await Promise.all([
    optional(client.get(Configuration, key)),
    optional(client.get(Route, key)),
  ]);
  if (route === undefined && !options.traffic) {
    throw new UsageError(`--no-traffic needs a service that has traffic: service "${service}" doesn't exist yet`);
  }
  await noteFreeze({ service, session, options, factory });
  const content = await prepareContent({ service, session, options, factory }, configuration);
  const before = pinned(route?.status?.traffic ?? []);
  let generation: number;
  try {
    generation = await write({ service, session, options, factory }, content, {
      io,
      progress,
      isNew: configuration === undefined || route === undefined,
      hasRoute: route !== undefined,
      hold: route !== undefined && !options.traffic ? before : undefined,
    });
  } finally {
    await content.source?.[Symbol.asyncDispose]();
  }
  await remember(factory.cwd, { service, ...content.memory });
  const manual = route !== undefined && (!options.traffic || isManual(route.spec.rollout.traffic));
  await followDeploy(
    { service, session, options, factory },
    {
      io,
      progress,
      generation,
      before,
      manual,
      target: options.name ?? nextName,
      builds: content.source !== undefined,
    },
  );
}

/** What a cluster understands by `idle: freeze`. */
async function noteFreeze({ session, options, factory }: Deployment): Promise<void> {
  const asked = options.annotation?.findLast(({ key }) => key === `${autoscalingPrefix}idle`)?.value;
  if (asked !== "freeze" || !(await isKubernetes(session.client))) return;
  factory.io.note(
    `Warning: ${autoscalingPrefix}idle "freeze" means "stop" on a Kubernetes, where nothing can be frozen`,
  );
}

interface Writing {
  io: Io;
  progress: Progress;
  /** Whether one half of the service isn't there. */
  isNew: boolean;
  hasRoute: boolean;
  /** What is served now, where it is to stay so. */
  hold: Parameters<typeof holdTraffic>[1] | undefined;
}

/** Sends what is to be built, and writes the service; gives the Configuration's generation. Prints the lines that go with it. */
async function write(
  { service, session, options, factory }: Deployment,
  content: DeployContent,
  { io, progress, isNew, hasRoute, hold }: Writing,
): Promise<number> {
  const changes = { ...(await collectChanges(options, factory, content)), build: content.build };
  const key: ServiceKey = { client: session.client, namespace: session.namespace, service };
  const writeIt = async () => {
    if (hold !== undefined) await holdTraffic(key, hold);
    return writeConfiguration(key, changes);
  };
  const created = () => progress.done(`Creating service [${service}] in region [${session.region}]`);
  const heading = () => io.line(`Deploying ${content.shownType} to service [${service}]:`);
  const { source } = content;
  const target = options.name;
  if (source === undefined) {
    const generation = await (hasRoute
      ? writeIt()
      : createService(key, { target, write: writeIt, first: "Configuration" }));
    if (isNew) created();
    heading();
    return generation;
  }
  // The build needs its source: it is sent before the Configuration is written, and the Route makes the service before that.
  const send = async () => {
    if (isNew) created();
    heading();
    try {
      if (source.archive !== undefined) {
        await uploadArchive(session, source.archive, { progress, signal: factory.signal });
      }
      showDetection(content, { io, progress, verbose: options.verbose });
      return await writeIt();
    } catch (error) {
      progress.fail();
      throw error;
    }
  };
  return hasRoute ? send() : createService(key, { target, write: send, first: "Route" });
}

/** `Detected [node-24] runtime`; why, in dim letters on a terminal, on a pipe where it was asked for. */
function showDetection(
  { source }: DeployContent,
  { io, progress, verbose }: { io: Io; progress: Progress; verbose: boolean },
): void {
  if (source?.detection === undefined) return;
  const { runtime, why } = source.detection;
  progress.done(`Detected [${runtime}] runtime${verbose || io.terminal ? io.paint.dim(` (${why})`) : ""}`);
}
