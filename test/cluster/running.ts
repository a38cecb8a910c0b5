/** The steps that need Elafros to run: the normative scenarios, a node that is drained, an upgrade. */
import { Configuration } from "../../src/api/configuration.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { Route } from "../../src/api/route.ts";
import type { HttpClient } from "../../src/client/http.ts";
import { applyOne, install } from "../../src/kubernetes/install/install.ts";
import { rolloutState, until } from "../../src/kubernetes/install/wait.ts";
import { Pod } from "../../src/kubernetes/kinds/pod.ts";
import { manifests } from "../../src/kubernetes/manifests/manifests.ts";
import { type InstallOptions, nameOf } from "../../src/kubernetes/manifests/names.ts";
import { systemClock } from "../../src/lib/clock.ts";
import {
  playFirst,
  playOrders,
  playSecond,
  playShift,
  playThird,
  type Stage,
} from "../conformance/normative/player.ts";
import { eventually } from "../support/platform.ts";
import type { GatewayAccess } from "./gateway-access.ts";
import { type LoadOptions, underLoad } from "./load.ts";
import { cordon, evictAll, podsOn, schedulableNodes } from "./nodes.ts";
import type { Report } from "./report.ts";
import { clusterStage } from "./stage.ts";

export interface Running {
  client: HttpClient;
  access: GatewayAccess;
  /** What is installed. */
  options: InstallOptions;
  /** A namespace of the check's own. */
  namespace: string;
  images: Stage["images"];
  report: Report;
}

const patience = { timeoutMs: 180_000, everyMs: 500 };
const load = "load";

/** Scenarios 1 to 3. They leave nothing that is in the way of others. */
export async function playScenarios(running: Running): Promise<void> {
  const { options, report } = running;
  const stage = clusterStage({ ...running, domain: options.domain });
  const scenarios: [string, (stage: Stage) => Promise<void>][] = [
    ["2) creating Route and deploying first Revision", playSecond],
    ["1) automatic rollout of a new Revision", playFirst],
    ["1) with a duration, the traffic shifts through 75/25", playShift],
    ["3) manual rollout of a new Revision", playThird],
    ["Configuration first, and both at once", playOrders],
  ];
  for (const [title, play] of scenarios) await report.step(`normative scenario ${title}`, () => play(stage));
}

/** Evicts everything of Elafros and of the check from a node, while a service with two instances is under load. */
export async function drainNode(running: Running, wanted: string | undefined): Promise<void> {
  const { client, namespace, options, report } = running;
  await report.step("a node is drained under load, and no request fails", async () => {
    const nodes = await schedulableNodes(client);
    if (nodes.length < 2)
      return [`there are ${nodes.length} nodes that Pods may be put on, and draining one needs another: add a node`];
    const node = wanted ?? nodes.at(-1) ?? "";
    if (!nodes.includes(node))
      return [`node "${node}" isn't one of those that Pods may be put on: ${nodes.join(", ")}`];
    await deployLoad(running);
    const ours = [namespace, options.namespace];
    await spreadOnto(running, node);
    try {
      return await underLoad({ ...loadOptions(running), notOn: node }, async () => {
        await cordon(client, node, true);
        await evictAll(client, node, ours);
        await allReady(running);
      });
    } finally {
      await cordon(client, node, false);
    }
  });
}

/** Replaces every Pod of controllers and gateways, by another image where one is given, while a service is under load. */
export async function upgrade(running: Running, image: string | undefined): Promise<void> {
  const { client, options, report } = running;
  const waiting = { client, clock: systemClock };
  const quiet = { start: () => {}, done: () => {} };
  const how = image === undefined ? "restarted" : "upgraded";
  await report.step(`controllers and gateways are ${how} under load, and no request fails`, async () => {
    await deployLoad(running);
    return underLoad(loadOptions(running), async () => {
      if (image === undefined) {
        for (const deployment of deploymentsOf(options)) await applyOne(client, restarted(deployment));
        for (const one of deploymentsOf(options)) await until(waiting, one, rolloutState, 660_000);
      } else await install(waiting, { ...options, image }, { steps: quiet, rollout: true });
      await allReady(running);
    });
  });
}

const deploymentsOf = (options: InstallOptions) => manifests(options).filter(({ kind }) => kind === "Deployment");

/** The same with another annotation of its Pods, for which each is replaced. */
function restarted(deployment: ReturnType<typeof deploymentsOf>[number]): typeof deployment {
  const copy = structuredClone(deployment) as typeof deployment & {
    spec: { template: { metadata: { annotations?: Record<string, string> } } };
  };
  copy.spec.template.metadata.annotations = { "elafros.dev/restarted-at": new Date().toISOString() };
  return copy;
}

/** A service with two instances that stay. Deployed once. */
async function deployLoad({ client, namespace, images, access, options }: Running): Promise<void> {
  const minScale = { "autoscaling.elafros.dev/min-scale": "2" };
  const metadata = { name: load, namespace };
  const container = { image: images["app:1"] };
  const { items } = await client.list(Configuration, { namespace });
  if (!items.some((one) => one.metadata.name === load)) {
    await client.create(Configuration, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Configuration",
      metadata,
      spec: { revisionTemplate: { metadata: { annotations: minScale }, spec: { container } } },
    } as KubeObject);
    await client.create(Route, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata,
      spec: { rollout: { traffic: [{ configurationName: load, percent: 100 }] } },
    } as KubeObject);
  }
  const host = hostOf(namespace, options);
  await eventually(`${host} is served`, async () => (await access.ask(host, "/")).status === 200, patience);
  await eventually("two instances are ready", async () => (await readyInstances(client, namespace)) >= 2, patience);
}

const hostOf = (namespace: string, { domain }: InstallOptions) => `${load}.${namespace}.${domain}`;

async function readyInstances(client: HttpClient, namespace: string): Promise<number> {
  const { items } = await client.list(Pod, { namespace, labelSelector: `elafros.dev/configuration=${load}` });
  return items.filter(({ status }) => status?.conditions?.some((one) => one.type === "Ready" && one.status === "True"))
    .length;
}

function loadOptions({ client, namespace, options }: Running): LoadOptions {
  const target = `${nameOf("gateway")}.${options.namespace}.svc:80`;
  return { client, namespace, image: options.image, target, host: hostOf(namespace, options) };
}

/** Has at least one instance of the service on the node, by asking for more. */
async function spreadOnto({ client, namespace }: Running, node: string): Promise<void> {
  const onNode = async () =>
    (await podsOn(client, node, [namespace])).some(({ metadata }) => metadata.name.startsWith(`${load}-0`));
  if (await onNode()) return;
  const [pod] = (await client.list(Pod, { namespace, labelSelector: `elafros.dev/configuration=${load}` })).items;
  // The other nodes take no more until one is there.
  const others = (await schedulableNodes(client)).filter((name) => name !== node);
  for (const other of others) await cordon(client, other, true);
  try {
    if (pod !== undefined) await client.delete(Pod, { namespace, name: pod.metadata.name });
    await eventually(`an instance runs on ${node}`, onNode, patience);
  } finally {
    for (const other of others) await cordon(client, other, false);
  }
  await eventually("two instances are ready", async () => (await readyInstances(client, namespace)) >= 2, patience);
}

/** Waits until controllers, gateways and instances are all as they should be, and what was replaced has gone. */
async function allReady({ client, namespace, options }: Running): Promise<void> {
  for (const deployment of deploymentsOf(options)) {
    await until({ client, clock: systemClock }, deployment, rolloutState, 660_000);
  }
  await eventually(
    "what was replaced has gone",
    async () => {
      const lists = await Promise.all(
        [namespace, options.namespace].map((one) => client.list(Pod, { namespace: one })),
      );
      return lists.every(({ items }) => items.every(({ metadata }) => metadata.deletionTimestamp === undefined));
    },
    { timeoutMs: 900_000, everyMs: 1_000 },
  );
  await eventually("two instances are ready", async () => (await readyInstances(client, namespace)) >= 2, patience);
}
