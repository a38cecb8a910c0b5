import { ApiError } from "../../api/meta/errors.ts";
import type { LogOptions as Asked, LogSource } from "../../apiserver/logs.ts";
import type { Clock } from "../../lib/clock.ts";
import type { BuildState, BuildsPort } from "../../runtime/builds.ts";
import type { LogOptions, WorkloadsPort } from "../../runtime/workloads.ts";
import { buildPodName } from "./build-pods.ts";
import { containerName } from "./pods.ts";

/** What has written something. */
interface Writers extends Pick<WorkloadsPort, "list" | "logs"> {
  builds: Pick<BuildsPort, "list" | "logs">;
}

/** The output of instances and of builds' steps, as logs of their Pods. */
export function podLogs(writers: Writers, clock: Clock): LogSource {
  const linesOf = (namespace: string, pod: string, asked: Asked, options: LogOptions): AsyncIterable<string> => {
    const instance = writers
      .list()
      .flatMap(({ key, instances }) => (key.namespace === namespace ? instances : []))
      .find(({ id }) => id === pod);
    if (instance !== undefined) {
      checkContainer(pod, asked, [containerName]);
      if (options.previous && instance.restarts === 0) throw noPrevious(pod, containerName);
      return writers.logs(pod, options);
    }
    const build = writers.builds
      .list()
      .find(({ key }) => key.namespace === namespace && buildPodName(key.name) === pod);
    if (build === undefined) {
      throw new ApiError("NotFound", `pods "${pod}" not found`, { details: { name: pod, kind: "pods" } });
    }
    checkContainer(
      pod,
      asked,
      build.steps.map(({ name }) => name),
    );
    if (options.previous) throw noPrevious(pod, asked.container ?? build.steps[0]?.name ?? "");
    return stepsOf(writers.builds, build, asked.container, options);
  };

  return {
    async *open(namespace, pod, asked, signal) {
      const options: LogOptions = {
        follow: asked.follow ?? false,
        timestamps: asked.timestamps ?? false,
        previous: asked.previous ?? false,
        signal,
        ...(asked.tailLines === undefined ? {} : { tailLines: asked.tailLines }),
        ...sinceOf(asked, clock),
      };
      let left = asked.limitBytes ?? Infinity;
      for await (const line of linesOf(namespace, pod, asked, options)) {
        const bytes = Buffer.from(line);
        yield bytes.subarray(0, left);
        left -= bytes.length;
        if (left <= 0) return;
      }
    },
  };
}

/** The output of one step; of all, one after the other, where none is named (what `kubectl` never asks for, but a Build's `buildLogsLink` does). */
async function* stepsOf(
  builds: Pick<BuildsPort, "logs">,
  { key, steps }: BuildState,
  step: string | undefined,
  options: LogOptions,
): AsyncIterable<string> {
  for (const { name } of steps) {
    if (step === undefined || step === name) yield* builds.logs(key, name, options);
  }
}

function checkContainer(pod: string, { container }: Asked, names: readonly string[]): void {
  if (container === undefined || names.includes(container)) return;
  throw new ApiError("BadRequest", `container ${container} is not valid for pod ${pod}`);
}

function noPrevious(pod: string, container: string): ApiError {
  return new ApiError("BadRequest", `previous terminated container "${container}" in pod "${pod}" not found`);
}

function sinceOf(options: Asked, clock: Clock): { since?: number } {
  if (options.sinceTime !== undefined) return { since: Date.parse(options.sinceTime) };
  if (options.sinceSeconds !== undefined) return { since: clock.now() - options.sinceSeconds * 1000 };
  return {};
}
