/**
 * The output of a Build's steps, which its Pod shows: a container for each step.
 */
import { buildNameLabel } from "../api/labels.ts";
import { isReason } from "../api/meta/errors.ts";
import type { Clock } from "../lib/clock.ts";
import { awaitObject, pause } from "./await-object.ts";
import { begunSteps, outcomeOf } from "./build-state.ts";
import { FailureError } from "./errors.ts";
import type { Session } from "./factory.ts";
import { Build, Pod } from "./objects.ts";

/** A line of a step's output. */
export interface StepLine {
  step: string;
  line: string;
}

/** What to read. */
export interface StepLogs {
  session: Session;
  build: string;
  /** One step alone. */
  step?: string | undefined;
  /** Only so many last lines of each step. */
  tail?: number | undefined;
  signal: AbortSignal;
}

/** Between two tries where the server was away. */
const pauseMs = 250;

/** What the steps that have begun have written so far. */
export async function* writtenLines(logs: StepLogs): AsyncGenerator<StepLine> {
  const { session, build: name } = logs;
  const build = await session.client.get(Build, { namespace: session.namespace, name });
  checkStep(logs, build);
  const pod = await podOf(session, name);
  for (const { name: step } of begunSteps(build)) {
    if (logs.step !== undefined && logs.step !== step) continue;
    for await (const line of linesOf(logs, { pod, step, follow: false })) yield { step, line };
  }
}

/** What the steps write, one step after the other, until the build has ended. */
export async function* followedLines(logs: StepLogs & { clock: Clock }): AsyncGenerator<StepLine> {
  const { session, build: name, clock, signal } = logs;
  const done = new Set<string>();
  for (;;) {
    const next = await awaitObject<Build, string | false>(session.client, Build, {
      namespace: session.namespace,
      name,
      clock,
      signal,
      check: (build) => {
        if (build === undefined) throw new FailureError(`Build "${name}" was deleted meanwhile`);
        checkStep(logs, build);
        const step = begunSteps(build).find((one) => !done.has(one.name) && (logs.step ?? one.name) === one.name);
        if (step !== undefined) return step.name;
        return outcomeOf(build) !== undefined || (done.size > 0 && logs.step !== undefined) ? false : undefined;
      },
    });
    if (next === false) return;
    done.add(next);
    yield* followStep({ ...logs, step: next });
  }
}

/** Follows one step to its end; where the server was away, it goes on after the last line. */
async function* followStep(logs: StepLogs & { clock: Clock; step: string }): AsyncGenerator<StepLine> {
  const { session, build, step, clock, signal } = logs;
  let seen = 0;
  for (;;) {
    let skip = seen;
    try {
      const pod = await podOf(session, build);
      for await (const line of linesOf(seen === 0 ? logs : { ...logs, tail: undefined }, { pod, step, follow: true })) {
        if (skip > 0) skip -= 1;
        else {
          seen += 1;
          yield { step, line };
        }
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!isReason(error, "ServiceUnavailable")) throw error;
    }
    await pause(clock, pauseMs, signal);
  }
}

async function* linesOf(
  { session, tail, signal }: StepLogs,
  { pod, step, follow }: { pod: string; step: string; follow: boolean },
): AsyncGenerator<string> {
  yield* session.client.podLog(
    { namespace: session.namespace, name: pod },
    { container: step, signal, ...(follow ? { follow } : {}), ...(tail === undefined ? {} : { tailLines: tail }) },
  );
}

async function podOf({ client, namespace }: Session, build: string): Promise<string> {
  const pods = await client.list(Pod, { namespace, labelSelector: `${buildNameLabel}=${build}` });
  const [pod] = pods.items;
  if (pod === undefined)
    throw new FailureError(`The output of build "${build}" isn't there: it has not begun, or it was removed`);
  return pod.metadata.name;
}

/** The steps' names are known once the build has begun. */
function checkStep({ build: name, step }: StepLogs, build: Build): void {
  const names = (build.status?.stepStates ?? []).map((one) => one.name);
  if (step === undefined || names.length === 0 || names.includes(step)) return;
  throw new FailureError(`Build "${name}" has no step "${step}": it has ${names.join(", ")}`);
}
