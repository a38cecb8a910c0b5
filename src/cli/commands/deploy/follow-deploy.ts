/**
 * Follows a deploy that was written until the traffic has moved.
 */
import { addressOf } from "../../address.ts";
import { deadline } from "../../await-object.ts";
import { conditionOf, explain } from "../../conditions.ts";
import { FailureError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { followBuild } from "../../follow-build.ts";
import { followCreated, followReady, type Follow } from "../../follow.ts";
import type { Io, Progress } from "../../io.ts";
import { Revision, type Route, type TrafficTarget } from "../../objects.ts";
import { defaultWaitSeconds } from "../../options.ts";
import { printView } from "../../print.ts";
import type { DeployOptions } from "./deploy.ts";
import { failedDeploy, failedRevision } from "./failure.ts";
import { addNext, followNext, promote, recordBefore } from "./promote.ts";
import { watchUpload } from "./upload.ts";

/** A build may wait for others, and has a time limit of its own. */
const defaultBuildWaitSeconds = 3600;

export interface Written {
  io: Io;
  progress: Progress;
  /** Of the Configuration. */
  generation: number;
  /** What was served before. */
  before: readonly TrafficTarget[];
  /** The new Revision gets its own address, and no traffic. */
  manual: boolean;
  /** The name of that address. */
  target: string;
  /** Whether the new Revision's image is built. */
  builds: boolean;
}

interface Deployment {
  service: string;
  session: Session;
  options: DeployOptions;
  factory: Factory;
}

export async function followDeploy(
  { service, session, options, factory }: Deployment,
  written: Written,
): Promise<void> {
  const { io, progress, generation, before, manual, target } = written;
  let last = "the revision is not made yet";
  const goesOn = `it goes on; see 'elafros rollout status --service ${service}'`;
  const seconds = options.waitTimeout ?? (written.builds ? defaultBuildWaitSeconds : defaultWaitSeconds);
  const limit = deadline(factory.clock, {
    ms: seconds * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(
        `Service "${service}" was not deployed within ${seconds} seconds (${last}): ${goesOn}, or wait longer with --wait-timeout`,
      ),
  });
  const follow: Follow = { session, clock: factory.clock, signal: limit.signal, service };
  const named = options.name === undefined ? {} : { name: options.name };
  const printAnswer = async (data: Route) => {
    if (options.output === "table") return;
    const names = [`service/${service}`];
    await printView(factory.io, options.output, { table: { columns: [], rows: [] }, data, names });
  };
  const told = (words: string) => {
    last = words;
  };
  try {
    progress.start(written.builds ? "Building" : "Starting");
    const revisionName = await followCreated(follow, generation);
    if (!options.wait) {
      progress.stop();
      const route = await (manual
        ? addNext(follow, { revisionName, target })
        : recordBefore(follow, { before, ...named }));
      const doing = written.builds ? "building" : "starting";
      io.line(`Revision [${revisionName}] is ${doing}. Follow it with 'elafros rollout status --service ${service}'`);
      await printAnswer(route);
      return;
    }
    if (written.builds) await build(follow, { revisionName, options, written, told });
    await start(follow, { revisionName, written, told });
    told("the gateways don't serve it yet");
    progress.start("Promoting");
    const promoted = manual
      ? await followNext(follow, { revisionName, target, route: await addNext(follow, { revisionName, target }) })
      : await promote(follow, { revisionName, before, ...named });
    progress.done("Promoting");
    io.line("Done.");
    io.line(`Deployed to ${addressOf(promoted, manual ? target : undefined)}`);
    const certificate = conditionOf(promoted, "CertificateReady");
    if (certificate?.status === "False") factory.io.note(`HTTPS is not ready: ${explain(certificate)}`);
    await printAnswer(promoted);
  } catch (error) {
    progress.fail();
    if (factory.signal.aborted) factory.io.note(`The deploy was accepted: ${goesOn}`);
    throw error;
  } finally {
    limit.done();
  }
}

interface Step {
  revisionName: string;
  written: Written;
  told: (words: string) => void;
}

/** Waits for the Revision's build, or says which earlier one made its image. */
async function build(
  follow: Follow,
  { revisionName, options, written, told }: Step & { options: DeployOptions },
): Promise<void> {
  const { io, progress, before } = written;
  const { client, namespace } = follow.session;
  const { spec } = await client.get(Revision, { namespace, name: revisionName });
  if (spec.buildName === undefined) return;
  if (spec.buildName !== revisionName) {
    progress.done(`Reusing build [${spec.buildName}]`);
    return;
  }
  try {
    await followBuild(follow, { name: spec.buildName, io, progress, verbose: options.verbose }, told);
  } catch (error) {
    throw error instanceof FailureError ? failedDeploy(error, { service: follow.service, served: before }) : error;
  }
}

/** Waits until the Revision is ready. */
async function start(follow: Follow, { revisionName, written, told }: Step): Promise<void> {
  const { progress, before: served } = written;
  progress.start("Starting");
  const upload = written.builds ? undefined : watchUpload(follow, { revisionName, progress });
  try {
    const outcome = await followReady(follow, revisionName, (state) => {
      told(`revision "${revisionName}" is not ready: ${explain(conditionOf(state, "Ready")) || "it was just made"}`);
    });
    if (!outcome.ready) {
      upload?.stop();
      progress.fail();
      throw await failedRevision({
        session: follow.session,
        service: follow.service,
        revisionName,
        reason: outcome.reason,
        served,
      });
    }
    await upload?.finish();
    progress.done("Starting");
  } finally {
    upload?.stop();
  }
}
