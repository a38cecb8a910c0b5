/** Load on a service from inside the cluster, by a Pod that runs Elafros' own image; and what became of its requests. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject } from "../../src/api/meta/types.ts";
import type { HttpClient } from "../../src/client/http.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { eventually } from "../support/platform.ts";

interface LoadCount {
  answered: number;
  failed: number;
  slowestMs: number;
  failures: string[];
}

export interface LoadOptions {
  client: HttpClient;
  namespace: string;
  image: string;
  /** The gateways' Service as Pods reach it, `HOST:PORT`. */
  target: string;
  host: string;
  /** A node that it must not run on. */
  notOn?: string;
}

/** Runs `work` under load, from when requests are answered until some were after it. Gives what failed, as faults. */
export async function underLoad(options: LoadOptions, work: () => Promise<void>): Promise<string[]> {
  const { client, namespace } = options;
  const pod = await client.create<KubeObject>(Pod, loadPod(options));
  const key = { namespace, name: pod.metadata.name };
  const answered = async (more: number): Promise<LoadCount> =>
    eventually(
      `the load in ${namespace}/${key.name} has ${more} answers`,
      async () => {
        const count = await lastCount(client, key);
        return count !== undefined && count.answered >= more && count;
      },
      { timeoutMs: 180_000, everyMs: 500 },
    );
  try {
    await answered(100);
    await work();
    const before = await answered(0);
    const count = await answered(before.answered + 200);
    const told = count.failures.slice(0, 10).map((failure) => `a request failed: ${failure}`);
    return count.failed === 0 ? [] : [`${count.failed} requests failed, and ${count.answered} were answered`, ...told];
  } finally {
    await client.delete(Pod, key, { gracePeriodSeconds: 1 });
  }
}

async function lastCount(client: HttpClient, key: { namespace: string; name: string }): Promise<LoadCount | undefined> {
  let last: string | undefined;
  for await (const line of client.podLog(key, { tailLines: 1 })) last = line;
  return last === undefined ? undefined : (JSON.parse(last) as LoadCount);
}

/** At the level restricted; it needs no right. */
function loadPod({ namespace, image, target, host, notOn }: LoadOptions): KubeObject {
  const program = readFileSync(join(import.meta.dirname, "load-pod.mjs"), "utf8");
  const elsewhere = { key: "metadata.name", operator: "NotIn", values: [notOn] };
  const terms = { nodeSelectorTerms: [{ matchFields: [elsewhere] }] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, generateName: "load-" } as KubeObject["metadata"],
    spec: {
      automountServiceAccountToken: false,
      restartPolicy: "Never",
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: "RuntimeDefault" } },
      ...(notOn === undefined
        ? {}
        : { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } } }),
      containers: [
        {
          name: "load",
          image,
          command: ["node", "--input-type=module", "--eval", program],
          env: [
            { name: "TARGET", value: target },
            { name: "HOST", value: host },
          ],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        },
      ],
    },
  } as KubeObject;
}
