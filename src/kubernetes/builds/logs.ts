/** The output of a build's steps, from its Pod. */
import type { HttpClient } from "../../client/http.ts";
import type { Clock } from "../../lib/clock.ts";
import type { BuildKey, BuildState } from "../../runtime/builds.ts";
import type { LogOptions } from "../../runtime/workloads.ts";
import { buildPodName } from "./names.ts";

interface StepLogRequest {
  key: BuildKey;
  step: string;
  now: () => BuildState | undefined;
  subscribe: (listener: () => void) => () => void;
  clock: Clock;
}

/** Lines of a step, each with its end. @throws Error where there is no such build or step */
export function stepLog(
  client: Pick<HttpClient, "podLog">,
  request: StepLogRequest,
  options: LogOptions,
): AsyncIterable<string> {
  const { key, step, now, clock } = request;
  const name = `${key.namespace}/${key.name}`;
  const state = now();
  if (state === undefined) throw new Error(`Cannot read logs: there is no build "${name}"`);
  if (!state.steps.some((one) => one.name === step)) {
    throw new Error(`Cannot read logs: build "${name}" has no step "${step}"`);
  }
  const { follow, tailLines, since, timestamps, signal } = options;
  return (async function* () {
    if (!(await hasBegun(request, options))) return;
    const lines = client.podLog(
      { namespace: key.namespace, name: buildPodName(key) },
      {
        container: step,
        follow,
        timestamps,
        signal,
        ...(tailLines === undefined ? {} : { tailLines }),
        // Kubernetes takes no zero, and whole seconds.
        ...(since === undefined ? {} : { sinceSeconds: Math.max(1, Math.ceil((clock.now() - since) / 1_000)) }),
      },
    );
    for await (const line of lines) yield `${line}\n`;
  })();
}

/** Whether the step has begun; where it is followed, waits until it has, or never will. */
async function hasBegun({ step, now, subscribe }: StepLogRequest, { follow, signal }: LogOptions): Promise<boolean> {
  const begun = () => now()?.steps.some(({ name, startedAt }) => name === step && startedAt !== undefined) ?? false;
  const over = () => signal.aborted || now() === undefined || now()?.endedAt !== undefined;
  while (!begun()) {
    if (!follow || over()) return false;
    const next = Promise.withResolvers<void>();
    const end = subscribe(() => next.resolve());
    const onAbort = () => next.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    // What has changed before this was subscribed to.
    if (begun() || over()) next.resolve();
    await next.promise;
    end();
    signal.removeEventListener("abort", onAbort);
  }
  return true;
}
