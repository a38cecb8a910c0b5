/**
 * What most end-to-end tests need: a registry with the sample images, a whole platform that pulls from it at once, and the few API calls
 * that make and change a service.
 */
import { imageCache, makeImages, type SampleImage } from "./images.ts";
import { type Answer, eventually, startPlatform, type TestPlatform } from "./platform.ts";
import { startRegistry, type TestRegistry } from "./registry.ts";

export const serving = "/apis/elafros.dev/v1alpha1/namespaces/default";

export interface Stage {
  platform: TestPlatform;
  images: Record<SampleImage, string>;
  registry: TestRegistry;
  close(): Promise<void>;
}

/** Starts registry and platform. `flags` are further flags of `up`. */
export async function startStage(flags: readonly string[] = []): Promise<Stage> {
  // Stands for the machine's own image store: pulls find every layer there.
  process.env["CONTAINERS_STORAGE_CONF"] = (await imageCache()).storageConf;
  const registry = await startRegistry();
  try {
    const images = await makeImages(registry);
    const platform = await startPlatform(flags);
    return {
      platform,
      images,
      registry,
      close: async () => {
        await platform.purge();
        await registry.close();
      },
    };
  } catch (error) {
    await registry.close();
    throw error;
  }
}

/** Only what tests look at. */
export interface RouteSeen {
  metadata: { generation: number };
  status?: {
    traffic?: { revisionName: string; name?: string; percent: number }[];
    observedGeneration?: number;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}

export interface ConfigurationSeen {
  metadata: { generation: number };
  status?: { latestCreatedRevisionName?: string; latestReadyRevisionName?: string; observedGeneration?: number };
}

export function expectOk(answer: Answer): void {
  if (answer.status < 200 || answer.status > 299) throw new Error(`HTTP ${answer.status}: ${answer.text}`);
}

/** The URL's path of an object of the group in namespace default. */
export const pathOf = (plural: string, name?: string): string =>
  name === undefined ? `${serving}/${plural}` : `${serving}/${plural}/${name}`;

export function configurationBody(name: string, image: string, env: Record<string, string> = {}): string {
  return JSON.stringify({
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name },
    spec: {
      revisionTemplate: {
        spec: { container: { image, env: Object.entries(env).map(([key, value]) => ({ name: key, value })) } },
      },
    },
  });
}

/** Makes a service that follows its Configuration, and waits until it answers with 200. */
export async function createService(platform: TestPlatform, name: string, image: string): Promise<void> {
  expectOk(await platform.call("POST", pathOf("configurations"), configurationBody(name, image), jsonBody));
  expectOk(
    await platform.call(
      "POST",
      pathOf("routes"),
      routeBody(name, [{ configurationName: name, percent: 100 }]),
      jsonBody,
    ),
  );
  await answers(platform, name);
}

export const jsonBody = { "content-type": "application/json" };
export const mergePatch = { "content-type": "application/merge-patch+json" };
const strategicPatch = { "content-type": "application/strategic-merge-patch+json" };

interface Target {
  configurationName?: string;
  revisionName?: string;
  percent: number;
}

export function routeBody(name: string, traffic: readonly Target[]): string {
  return JSON.stringify({
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name },
    spec: { rollout: { traffic } },
  });
}

export const hostOf = (name: string): string => `${name}.default.localhost`;

/** Waits until the service answers with 200. */
export async function answers(platform: TestPlatform, name: string, timeoutMs = 60_000): Promise<void> {
  await eventually(
    `${name} answers`,
    async () => {
      const { status, text } = await platform.ask(hostOf(name));
      if (status === 200) return true;
      throw new Error(`${status} ${text}`);
    },
    { timeoutMs },
  );
}

/** Changes the Configuration's image and, where given, one environment variable; gives the name of the Revision that this makes. */
export async function changeImage(
  platform: TestPlatform,
  name: string,
  change: { image?: string; env?: { name: string; value: string } },
): Promise<string> {
  const container = {
    ...(change.image === undefined ? {} : { image: change.image }),
    ...(change.env === undefined ? {} : { env: [change.env] }),
  };
  const patch = JSON.stringify({ spec: { revisionTemplate: { spec: { container } } } });
  const answer = await platform.call("PATCH", pathOf("configurations", name), patch, strategicPatch);
  expectOk(answer);
  const { generation } = (JSON.parse(answer.text) as ConfigurationSeen).metadata;
  return eventually(
    `${name} has a Revision for generation ${generation}`,
    async () => {
      const seen = (await platform.json("GET", pathOf("configurations", name))) as ConfigurationSeen;
      return (seen.status?.observedGeneration ?? 0) >= generation ? seen.status?.latestCreatedRevisionName : undefined;
    },
    { timeoutMs: 60_000 },
  );
}

/** Waits until every gateway serves exactly this split: `{ "app-00001": 90, … }`, for the newest generation of the Route. */
export async function served(
  platform: TestPlatform,
  name: string,
  split: Record<string, number>,
  timeoutMs = 60_000,
): Promise<void> {
  await eventually(
    `Route ${name} serves ${JSON.stringify(split)}`,
    async () => {
      const route = (await platform.json("GET", pathOf("routes", name))) as RouteSeen;
      const traffic = (route.status?.traffic ?? []).filter(({ percent }) => percent > 0);
      const now = Object.fromEntries(traffic.map(({ revisionName, percent }) => [revisionName, percent]));
      const complete = route.status?.conditions?.find(({ type }) => type === "RolloutComplete")?.status;
      const same =
        Object.keys(now).length === Object.keys(split).length &&
        Object.entries(split).every(([revision, percent]) => now[revision] === percent);
      if (same && complete === "True" && route.status?.observedGeneration === route.metadata.generation) return true;
      throw new Error(JSON.stringify(route.status));
    },
    { timeoutMs },
  );
}
