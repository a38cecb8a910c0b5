/** Sequences of objects recorded from a Kubernetes 1.26.5, held against what the simulated cluster's controllers make of the same requests. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Event } from "../../../src/api/event.ts";
import { Namespace } from "../../../src/api/namespace.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import { type ApiBench, asker } from "../../support/api-server.ts";
import { type Cluster, startCluster } from "../../support/cluster/cluster.ts";
import type { Fate } from "../../support/cluster/controllers/fate.ts";
import { systemContext } from "../../support/cluster/controllers/tools.ts";
import { Node, PodDisruptionBudget, ResourceQuota } from "../../support/cluster/kinds/kinds.ts";
import { isReady, type PodObject } from "../../support/cluster/controllers/types.ts";
import { EndpointSlice, Service } from "../../support/cluster/kinds/services.ts";
import { Deployment, Pod, ReplicaSet } from "../../support/cluster/kinds/workloads.ts";
import { type Expected, recordedScenarios } from "./recorded-scenarios.ts";
import { recordedEvents, recordedSteps, StepPlayer } from "./recorded-steps.ts";
import { type Allowed, unexpected } from "./unexpected.ts";
import { scenarios, type Step } from "./workload-scenarios.ts";
import { storyDifferences, type StoryEvent, storyOf } from "./workload-story.ts";

const watched: readonly Kind[] = [Deployment, ReplicaSet, Pod, EndpointSlice, Event, PodDisruptionBudget, Node];
const kinds = [...watched, Service, ResourceQuota];
const good = { kind: "runs", startMs: 50, readyMs: 50, stopMs: 50 } as const;

let cluster: Cluster;
let ask: ApiBench["ask"];
/** By namespace: containers that are to end don't before. */
const held = new Map<string, PromiseWithResolvers<void>>();

function fateOf(pod: PodObject): Fate {
  const { namespace = "" } = pod.metadata;
  const own = scenarios.find(({ name }) => name === namespace)?.fate?.(pod);
  const hold = held.get(namespace);
  return own ?? (hold === undefined ? good : { ...good, endsAfter: hold.promise });
}

beforeAll(async () => {
  cluster = await startCluster({ fate: fateOf });
  const { port, pki } = cluster;
  const admin = await pki.issueClient({ user: "recorder", groups: ["system:masters"] });
  ask = asker({ port, ca: pki.ca, admin });
});
afterAll(() => cluster.stop());

/** Makes a namespace, and watches everything in it from its beginning, until the signal. */
async function stage(namespace: string, signal: AbortSignal): Promise<StoryEvent[]> {
  const made = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  await cluster.service.create(systemContext(), { kind: Namespace }, made);
  const events: StoryEvent[] = [];
  for (const kind of watched) {
    void (async () => {
      const context = { ...systemContext(), signal };
      const target = kind.namespaced ? { kind, namespace } : { kind };
      for await (const { type, object } of cluster.service.watch(context, target)) {
        events.push({ type, kind: kind.kind, object });
      }
    })().catch(() => {});
  }
  return events;
}

async function take(namespace: string, { verb, kind: kindName, name, body, policy }: Step): Promise<void> {
  const kind = kinds.find((one) => one.kind === kindName);
  if (kind === undefined) throw new Error(`The scenario names ${kindName}, which isn't there`);
  const context = systemContext();
  const target = { kind, namespace, ...(name === undefined ? {} : { name }) };
  if (verb === "create") await cluster.service.create(context, target, structuredClone(body));
  else if (verb === "patch") await cluster.service.patch(context, target, { type: "strategic", body });
  else await cluster.service.delete(context, target, policy === undefined ? {} : { propagationPolicy: policy });
}

async function readyPods(namespace: string): Promise<number> {
  const { items } = await cluster.service.list(systemContext(), { kind: Pod, namespace });
  return (items as PodObject[]).filter(isReady).length;
}

async function wait(namespace: string, events: readonly StoryEvent[], { told, ready }: Expected): Promise<void> {
  if (ready !== undefined) await expect.poll(() => readyPods(namespace)).toBe(ready);
  if (told !== undefined) await expect.poll(() => JSON.stringify(storyOf(events))).toMatch(told);
}

/** Waits until the story is the recorded one, but for what is listed. */
async function expectStory(name: string, events: readonly StoryEvent[], differences?: Allowed): Promise<void> {
  const expected = storyOf(recordedEvents(name));
  const found = () => unexpected(storyDifferences(expected, storyOf(events)), differences);
  await expect.poll(found).toEqual({});
}

describe("the simulated cluster's controllers do as Kubernetes' did", () => {
  it.each(scenarios)("storyOf() tells the same of $name", async ({ name, steps: own, differences }) => {
    const abort = new AbortController();
    const events = await stage(name, abort.signal);
    for (const { until, ready, ...step } of own) {
      await take(name, step);
      await wait(name, events, { told: until, ready });
    }
    await expectStory(name, events, differences);
    abort.abort();
  });

  it.each(recordedScenarios)(
    "StepPlayer is answered the same in $name, and storyOf() tells the same",
    async (scenario) => {
      const { name, before, endsAt, differences, answers } = scenario;
      const hold = Promise.withResolvers<void>();
      if (endsAt !== undefined) held.set(name, hold);
      const abort = new AbortController();
      const events = await stage(name, abort.signal);
      const player = new StepPlayer({ ask });
      for (const step of recordedSteps(name)) {
        if (step.name === endsAt) hold.resolve();
        await wait(name, events, before[step.name] ?? {});
        await player.take(step, events);
      }
      expect(unexpected(player.differences, answers)).toEqual({});
      await expectStory(name, events, differences);
      abort.abort();
    },
  );
});
