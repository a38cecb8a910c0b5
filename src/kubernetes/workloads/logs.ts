/** An instance's output, from its Pod. */
import type { HttpClient } from "../../client/http.ts";
import type { Informer } from "../../client/informer.ts";
import type { LogOptions } from "../../runtime/workloads.ts";
import type { Pod } from "../kinds/pod.ts";

interface LogRequest {
  instanceId: string;
  options: LogOptions;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** Lines, each with its end. @throws Error where there is no such instance */
export function readLogs(
  client: Pick<HttpClient, "podLog">,
  pods: Pick<Informer<Pod>, "list">,
  { instanceId, options, now }: LogRequest,
): AsyncIterable<string> {
  const pod = pods.list().find(({ metadata }) => metadata.name === instanceId);
  if (pod === undefined) throw new Error(`Cannot read logs: there is no instance "${instanceId}"`);
  const { follow, tailLines, since, timestamps, previous, signal } = options;
  const lines = client.podLog(
    { namespace: pod.metadata.namespace ?? "", name: instanceId },
    {
      follow,
      timestamps,
      previous,
      signal,
      ...(tailLines === undefined ? {} : { tailLines }),
      // Kubernetes takes no zero, and whole seconds.
      ...(since === undefined ? {} : { sinceSeconds: Math.max(1, Math.ceil((now() - since) / 1_000)) }),
    },
  );
  return (async function* () {
    for await (const line of lines) yield `${line}\n`;
  })();
}
