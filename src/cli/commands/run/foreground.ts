/**
 * What `run` does: a service for as long as this process runs. It is a Configuration that says when it expires, and owns everything
 * else; this process moves that time on while it runs, and deletes it when it ends. Killed, it leaves a service that the platform's
 * garbage collector removes within minutes.
 */
import { deadline } from "../../await-object.ts";
import { addressOf } from "../../address.ts";
import { CancelledError, FailureError } from "../../errors.ts";
import type { Factory, Session } from "../../factory.ts";
import { followBuild } from "../../follow-build.ts";
import { followCreated, followReady, followTraffic, type Follow } from "../../follow.ts";
import { followAll } from "../../instance-logs.ts";
import { createProgress, type Progress } from "../../io.ts";
import { lastWords } from "../../last-words.ts";
import { readMemory } from "../../memory.ts";
import { Revision } from "../../objects.ts";
import { revisionLabel } from "../../../api/labels.ts";
import { checkBuildArgs } from "../../source/build-args.ts";
import { chooseSource } from "../../source/choose.ts";
import { prepareSource, type PreparedSource } from "../../source/prepare.ts";
import { uploadArchive } from "../../source/upload.ts";
import { findTemplate } from "../../templates.ts";
import { readEnvironment, type Temporary, temporaryService } from "./temporary.ts";
import type { RunOptions } from "./run.ts";

/** Runs `elafros run`. Ends with what ended it: Ctrl-C, or a failure. */
export async function runForeground(options: RunOptions, factory: Factory): Promise<void> {
  const env = await readEnvironment(options, factory);
  const memory = await readMemory(factory.cwd);
  const { source: how } = chooseSource(options, memory, memory.service ?? "");
  const session = await factory.connect(options);
  try {
    if (how.template !== undefined) await findTemplate(session, how.template);
    const { cwd, signal } = factory;
    const source = await prepareSource(how, { cwd, env: factory.env, signal });
    try {
      const template = { named: how.template, detected: source.detection?.template };
      await checkBuildArgs(session, options.buildArg, template);
      const service = await temporaryService(session, { how, env, port: options.port, factory });
      try {
        await serve({ session, service, source, options, factory });
      } finally {
        await service.remove();
      }
    } finally {
      await source[Symbol.asyncDispose]();
    }
  } finally {
    session.client.close();
  }
}

interface Run {
  session: Session;
  service: Temporary;
  source: PreparedSource;
  options: RunOptions;
  factory: Factory;
}

async function serve(run: Run): Promise<void> {
  const { session, service, factory, options } = run;
  const progress = createProgress(factory.io, factory.clock);
  let last = "the revision is not made yet";
  const limit = deadline(factory.clock, {
    ms: options.timeout * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(`It doesn't run after ${options.timeout} seconds (${last}): wait longer with --timeout`),
  });
  const follow: Follow = { session, clock: factory.clock, signal: limit.signal, service: service.name };
  let revisionName: string;
  try {
    revisionName = await start(run, { follow, progress, told: (words) => (last = words) });
  } catch (error) {
    progress.fail();
    throw factory.signal.aborted ? (factory.signal.reason as Error) : error;
  } finally {
    limit.done();
  }
  await followAll({
    session,
    factory,
    labelSelector: `${revisionLabel}=${revisionName}`,
    what: `service "${service.name}"`,
    options: { follow: true, previous: false, timestamps: false },
    bare: true,
  });
  throw new CancelledError("Cancelled");
}

/** Sends, builds and starts it; gives its Revision's name. */
async function start(
  { session, service, source, options, factory }: Run,
  { follow, progress, told }: { follow: Follow; progress: Progress; told: (words: string) => void },
): Promise<string> {
  const { io } = factory;
  const { client, namespace } = session;
  if (source.archive !== undefined) await uploadArchive(session, source.archive, { progress, signal: follow.signal });
  if (source.detection !== undefined) {
    const why = options.verbose || io.terminal ? io.paint.dim(` (${source.detection.why})`) : "";
    progress.done(`Detected [${source.detection.runtime}] runtime${why}`);
  }
  progress.start("Building");
  const { generation, routeGeneration } = await service.create(source);
  // Sent: what was packed for it needn't lie about for as long as it runs.
  await source[Symbol.asyncDispose]();
  const revisionName = await followCreated(follow, generation);
  const { spec } = await client.get(Revision, { namespace, name: revisionName });
  if (spec.buildName !== undefined) {
    await followBuild(follow, { name: spec.buildName, io, progress, verbose: options.verbose }, told);
  }
  progress.start("Starting");
  const outcome = await followReady(follow, revisionName, () => told("it is not ready"));
  if (!outcome.ready) {
    throw new FailureError(`It can't be started: ${outcome.reason}`, {
      detail: await lastWords(session, revisionName),
    });
  }
  const route = await followTraffic(follow, {
    generation: routeGeneration,
    served: ({ status }) => (status?.traffic ?? []).some((target) => target.revisionName === revisionName),
  });
  progress.done("Starting");
  io.line(`Running at ${addressOf(route)} until Ctrl-C`);
  return revisionName;
}
