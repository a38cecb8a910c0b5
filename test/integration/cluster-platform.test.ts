/** Elafros on a simulated Kubernetes, installed by its manifests: real controllers and gateways, and instances in real containers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ports } from "../../src/kubernetes/manifests/names.ts";
import { type ClusterPlatform, startClusterPlatform } from "../support/cluster-platform.ts";
import { makeImages, type SampleImage } from "../support/images.ts";
import { type Load, type LoadReport, startLoad } from "../support/load.ts";
import { eventually, request } from "../support/platform.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

let registry: TestRegistry;
let platform: ClusterPlatform;
let images: Record<SampleImage, string>;

beforeAll(async () => {
  registry = await startRegistry();
  images = await makeImages(registry);
  platform = await startClusterPlatform({ registries: [registry] });
});
afterAll(async () => {
  await platform?.stop();
  await registry?.close();
});

const elafros = "/apis/elafros.dev/v1alpha1/namespaces/default";
const host = (service: string) => `${service}.default.${platform.domain}`;

async function deploy(
  service: string,
  image: SampleImage,
  annotations: Record<string, string> = {},
  more: object = {},
): Promise<void> {
  const container = { image: images[image] };
  const specs = {
    configurations: {
      kind: "Configuration",
      spec: { revisionTemplate: { metadata: { annotations }, spec: { container, ...more } } },
    },
    routes: { kind: "Route", spec: { rollout: { traffic: [{ configurationName: service, percent: 100 }] } } },
  };
  for (const [plural, object] of Object.entries(specs)) {
    const body = { apiVersion: "elafros.dev/v1alpha1", metadata: { name: service }, ...object };
    const path = `${elafros}/${plural}/${service}?fieldManager=test&force=true`;
    const type = { "content-type": "application/apply-patch+yaml" };
    const { status, text } = await platform.call("PATCH", path, JSON.stringify(body), type);
    expect([200, 201], text).toContain(status);
  }
}

/** What each gateway answers. */
async function answers(service: string): Promise<string[]> {
  const gateways = await platform.pods("gateway");
  return Promise.all(
    gateways.map(async ({ address }) => {
      const { status, text } = await request(`http://${address}:${ports.http}/`, { headers: { host: host(service) } });
      return `${status} ${text.trim()}`;
    }),
  );
}

/** Load on each gateway. */
async function load(service: string, path = "/"): Promise<Load[]> {
  const gateways = await platform.pods("gateway");
  return gateways.map(({ address }) =>
    startLoad({ address, port: ports.http, host: host(service), path, perSecond: 20, connections: 4 }),
  );
}

/** The most requests that the service's only instance ever had at once, as it counts them. */
async function mostAtOnce(service: string): Promise<number> {
  const { text } = await platform.ask(host(service), "/concurrency");
  return (JSON.parse(text) as { most: number }).most;
}

async function end(loads: readonly Load[]): Promise<LoadReport[]> {
  const reports = await Promise.all(loads.map((one) => one.stop()));
  expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
  return reports;
}

const instances = async (service: string): Promise<number> => {
  const path = `/api/v1/namespaces/default/pods?labelSelector=elafros.dev%2Fconfiguration%3D${service}`;
  return ((await platform.json("GET", path)) as { items: unknown[] }).items.length;
};

const routeReady = (service: string, message = "serves") =>
  eventually(`Route ${service} ${message}`, async () => {
    const route = (await platform.json("GET", `${elafros}/routes/${service}`)) as {
      status?: { conditions?: { type: string; status: string }[] };
    };
    return route.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  });

describe("a service on a cluster", () => {
  it("is served by every gateway from the moment that its Route is ready", async () => {
    await deploy("steady", "app:1", { "autoscaling.elafros.dev/min-scale": "1" });
    await routeReady("steady");
    expect(await answers("steady")).toEqual(Array(2).fill("200 Hello World from 1"));
  });

  it("is rolled out without a lost request", async () => {
    const loads = await load("steady");
    await deploy("steady", "app:2", { "autoscaling.elafros.dev/min-scale": "1" });
    await eventually("every gateway sends to the new Revision", async () =>
      (await answers("steady")).every((answer) => answer === "200 Hello World from 2"),
    );
    await eventually("the old Revision's instances are gone", async () => (await instances("steady")) === 1);
    const reports = await end(loads);
    for (const { answers: got } of reports) expect(got.at(-1)?.version).toBe("2");
  });

  it("has no more requests at once in an instance than it takes, from all gateways together", async () => {
    const one = { "autoscaling.elafros.dev/min-scale": "1", "autoscaling.elafros.dev/max-scale": "1" };
    await deploy("single", "app:1", one, { concurrencyModel: "SingleThreaded" });
    await routeReady("single");
    const loads = await load("single", "/?ms=10");
    await eventually("each gateway has answers", () => Promise.resolve(loads.every((one) => one.answered() >= 40)));
    await end(loads);
    expect(await mostAtOnce("single")).toBe(1);
  });

  it("goes to zero, and comes from zero with the next request", async () => {
    const soon = { "autoscaling.elafros.dev/window": "6s", "autoscaling.elafros.dev/scale-to-zero-retention": "0s" };
    await deploy("sleepy", "app:1", soon);
    await routeReady("sleepy");
    await eventually("it has no instance", async () => (await instances("sleepy")) === 0, { timeoutMs: 60_000 });
    expect((await platform.ask(host("sleepy"))).text).toContain("Hello World from 1");
  });
});

describe("when a Pod goes", () => {
  it("an instance that somebody deletes is drained before it ends", async () => {
    const loads = await load("steady");
    const before = (await platform.json("GET", "/api/v1/namespaces/default/pods")) as {
      items: { metadata: { name: string; labels: Record<string, string> } }[];
    };
    const { name = "" } =
      before.items.find(({ metadata }) => metadata.labels["elafros.dev/configuration"] === "steady")?.metadata ?? {};
    await platform.call("DELETE", `/api/v1/namespaces/default/pods/${name}`);
    await eventually(
      "it is gone",
      async () => (await platform.call("GET", `/api/v1/namespaces/default/pods/${name}`)).status === 404,
    );
    await end(loads);
  });

  it("another controller takes over from the one that led, without a lost request or one too many at once", async () => {
    const loads = [...(await load("steady")), ...(await load("single", "/?ms=10"))];
    const before = await platform.leader();
    await platform.lose(before);
    await eventually("another one leads", async () => (await platform.leader()) !== before, { timeoutMs: 60_000 });
    await deploy("steady", "app:3", { "autoscaling.elafros.dev/min-scale": "1" });
    await eventually("it rolls out", async () =>
      (await answers("steady")).every((answer) => answer === "200 Hello World from 3"),
    );
    await end(loads);
    expect(await mostAtOnce("single")).toBe(1);
  });

  it("a gateway that is killed comes again with what it served; the other one serves on", async () => {
    const [first, second] = await platform.pods("gateway");
    if (first === undefined || second === undefined) throw new Error("There are no two gateways");
    const other = startLoad({ address: second.address, port: ports.http, host: host("steady"), perSecond: 20 });
    await platform.crash(first.name);
    await eventually("it is told not to be ready", async () => (await platform.pods("gateway")).length === 1);
    await eventually("it is ready again", async () => (await platform.pods("gateway")).length === 2);
    expect(await answers("steady")).toEqual(Array(2).fill("200 Hello World from 3"));
    await end([other]);
  });
});
