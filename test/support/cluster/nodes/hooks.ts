/** What a kubelet does before it tells a container to end. */
import type { RequestOptions } from "node:http";
import { http } from "../../../../src/lib/node-http.ts";
import type { ControllerParts } from "../controllers/tools.ts";
import { containerOf, portNumber } from "./instance-spec.ts";
import { behind } from "./names.ts";
import type { PodRuntime, RealPod } from "./types.ts";

/** Runs the Pod's preStop hook to its end, or until `signal`. Rejects where it fails; the container is told to end all the same. */
export async function preStop(
  parts: ControllerParts,
  pod: RealPod,
  { runtime, address, signal }: { runtime: PodRuntime; address: string; signal: AbortSignal },
): Promise<void> {
  const container = containerOf(pod);
  const hook = container.lifecycle?.preStop;
  const { namespace = "", name } = pod.metadata;
  if (hook?.exec !== undefined) return runtime.exec({ namespace, name }, hook.exec.command, signal);
  if (hook?.httpGet === undefined) return;
  const { host = address, path = "/", port, httpHeaders = [] } = hook.httpGet;
  const number = portNumber(container, port);
  const place = host.startsWith("10.96.") ? behind(parts, host, number) : { address: host, port: number };
  if (place === undefined) throw new Error(`dial tcp ${host}:${number}: connect: connection refused`);
  const headers = Object.fromEntries(httpHeaders.map((one) => [one.name, one.value]));
  await get({ host: place.address, port: place.port, path, headers, signal, agent: false });
}

function get(options: RequestOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request(options);
    request.once("error", reject);
    request.once("response", (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      response.once("close", () =>
        statusCode < 400 ? resolve() : reject(new Error(`HTTP request failed with status code ${statusCode}`)),
      );
    });
    request.end();
  });
}
