/** Sequences of objects recorded from a Kubernetes 1.26.5, held against what the simulated cluster's controllers make of the same requests. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Event } from "../../../src/api/event.ts";
import { Namespace } from "../../../src/api/namespace.ts";
import type { Kind } from "../../../src/api/meta/kind.ts";
import { type Cluster, startCluster } from "../../support/cluster/cluster.ts";
import { systemContext } from "../../support/cluster/controllers/tools.ts";
import { ResourceQuota } from "../../support/cluster/kinds/kinds.ts";
import { isReady, type PodObject } from "../../support/cluster/controllers/types.ts";
import { EndpointSlice, Service } from "../../support/cluster/kinds/services.ts";
import { Deployment, Pod, ReplicaSet } from "../../support/cluster/kinds/workloads.ts";
import { scenarios, type Step } from "./workload-scenarios.ts";
import { type Story, type StoryEvent, storyOf } from "./workload-story.ts";

const watched: readonly Kind[] = [Deployment, ReplicaSet, Pod, EndpointSlice, Event];
const kinds = [...watched, Service, ResourceQuota];

function recorded(name: string): StoryEvent[] {
  const file = new URL(`../../support/recordings/workloads/${name}.jsonl`, import.meta.url);
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as StoryEvent)
    .filter(({ kind }) => kind !== undefined);
}

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({
    fate: (pod) => scenarios.find(({ name }) => name === pod.metadata.namespace)?.fate?.(pod) ?? good,
  });
});
afterAll(() => cluster.stop());

const good = { kind: "runs", startMs: 50, readyMs: 50, stopMs: 50 } as const;

/** Watches everything in a namespace, from its beginning. */
function watch(namespace: string, signal: AbortSignal): StoryEvent[] {
  const events: StoryEvent[] = [];
  for (const kind of watched) {
    void (async () => {
      const context = { ...systemContext(), signal };
      for await (const { type, object } of cluster.service.watch(context, { kind, namespace })) {
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

/** The lines of a story but for those that are listed. */
function lines(story: Story, differences: Readonly<Record<string, string>>): string[] {
  return allLines(story).filter((line) => differences[line] === undefined);
}

/** Sorted by what they are about; within that in the story's order. */
function allLines(story: Story): string[] {
  return Object.keys(story)
    .toSorted()
    .flatMap((about) => (story[about] ?? []).map((line) => `${about}: ${line}`));
}

async function readyPods(namespace: string): Promise<number> {
  const { items } = await cluster.service.list(systemContext(), { kind: Pod, namespace });
  return (items as PodObject[]).filter(isReady).length;
}

describe("the simulated cluster's controllers do as Kubernetes' did", () => {
  it.each(scenarios)("storyOf() tells the same of $name", async ({ name, steps, differences = {} }) => {
    await cluster.service.create(
      systemContext(),
      { kind: Namespace },
      {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name },
      },
    );
    const abort = new AbortController();
    const events = watch(name, abort.signal);
    for (const { until, ready, ...step } of steps) {
      await take(name, step);
      if (ready !== undefined) await expect.poll(() => readyPods(name)).toBe(ready);
      if (until !== undefined) {
        await expect.poll(() => JSON.stringify(storyOf(events))).toMatch(until);
      }
    }
    const expected = storyOf(recorded(name));
    await expect.poll(() => lines(storyOf(events), differences)).toEqual(lines(expected, differences));
    const [there, here] = [allLines(expected), allLines(storyOf(events))];
    for (const line of Object.keys(differences)) expect(there.includes(line), line).not.toBe(here.includes(line));
    abort.abort();
  });
});
