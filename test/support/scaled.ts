/** Services with settings of autoscaling, and what is seen of their scaling. */
import { eventually, type TestPlatform } from "./platform.ts";
import { answers, expectOk, jsonBody, pathOf, routeBody } from "./stage.ts";

/** The shortest window, and nothing kept after it: a service goes to none 6 to 8 s after its last request. */
export const quick: Record<string, string> = { window: "6s", "scale-to-zero-retention": "0s" };

export interface ScaledService {
  name: string;
  image: string;
  /** Without their prefix. */
  settings?: Record<string, string>;
  env?: readonly object[];
  /** Of the Revision's spec, beside the container. */
  spec?: object;
}

/** Makes a service that follows its Configuration, and waits until it answers with 200. */
export async function createScaled(platform: TestPlatform, service: ScaledService): Promise<void> {
  const { name, image, settings = quick, env = [], spec = {} } = service;
  const annotations = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`autoscaling.elafros.dev/${key}`, value]),
  );
  const configuration = {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name },
    spec: { revisionTemplate: { metadata: { annotations }, spec: { container: { image, env }, ...spec } } },
  };
  expectOk(await platform.call("POST", pathOf("configurations"), JSON.stringify(configuration), jsonBody));
  const route = routeBody(name, [{ configurationName: name, percent: 100 }]);
  expectOk(await platform.call("POST", pathOf("routes"), route, jsonBody));
  await answers(platform, name);
}

/** What a Revision's status says. */
export interface ScaledRevision {
  status: {
    actualReplicas: number;
    desiredReplicas: number;
    scaling?: { time: string; from: number; to: number; message: string }[];
    conditions: { type: string; status: string; reason?: string; message?: string }[];
  };
}

export async function revisionOf(platform: TestPlatform, revision: string): Promise<ScaledRevision> {
  return (await platform.json("GET", pathOf("revisions", revision))) as ScaledRevision;
}

export async function conditionOf(platform: TestPlatform, revision: string, type: string): Promise<string[]> {
  const { status } = await revisionOf(platform, revision);
  const found = status.conditions.find((one) => one.type === type);
  return [found?.status ?? "", found?.reason ?? ""];
}

/** Waits until so many instances are ready, and none is on its way. */
export async function hasInstances(platform: TestPlatform, revision: string, count: number): Promise<void> {
  await eventually(
    `${revision} has ${count} instances`,
    async () => {
      const { status } = await revisionOf(platform, revision);
      if (status.actualReplicas === count && status.desiredReplicas === count) return true;
      throw new Error(JSON.stringify(status));
    },
    { timeoutMs: 60_000 },
  );
}

/** Waits until nothing is left of a Revision's instances on the machine. */
export async function isAtZero(platform: TestPlatform, revision: string): Promise<void> {
  await hasInstances(platform, revision, 0);
  const pods = `/api/v1/namespaces/default/pods?labelSelector=${encodeURIComponent(`elafros.dev/revision=${revision}`)}`;
  await eventually(
    `nothing runs of ${revision}`,
    async () => ((await platform.json("GET", pods)) as { items: unknown[] }).items.length === 0,
    { timeoutMs: 60_000 },
  );
}
