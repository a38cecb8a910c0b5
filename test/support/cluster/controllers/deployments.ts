/** Stand-in for the Deployment controller: a ReplicaSet for each template, and rolling from one to the next. */
import { createHash } from "node:crypto";
import type { KubeObject } from "../../../../src/api/meta/types.ts";
import { copyJson, equalJson } from "../../../../src/apiserver/json.ts";
import { Deployment, ReplicaSet } from "../kinds/workloads.ts";
import { boundsOf, deploymentStatus, type Sets, sum, withCondition } from "./deployment-status.ts";
import {
  type Controller,
  type ControllerParts,
  all,
  isOwnedBy,
  keyOfObject,
  ownerKeys,
  ownerReference,
} from "./tools.ts";
import { read, runController, systemContext, tell, writeStatus } from "./tools.ts";
import type { DeploymentObject, ReplicaSetObject, TemplateObject } from "./types.ts";

const component = "deployment-controller";
const hashLabel = "pod-template-hash";
const revisionAnnotation = "deployment.kubernetes.io/revision";

export function runDeployments(parts: ControllerParts): Controller {
  const controller = runController(parts, {
    name: "deployments",
    follows: [Deployment, ReplicaSet],
    keys: (kind, object) => (kind === ReplicaSet ? ownerKeys(Deployment, object) : [keyOfObject(Deployment, object)]),
    work: async (key) => {
      const due = await reconcile(parts, key);
      if (due !== undefined) controller.again(key, Math.max(0, due - parts.clock.now()) + 1000);
    },
  });
  return controller;
}

/** Does the next step. Gives when to look again, where a deadline runs. */
async function reconcile(parts: ControllerParts, key: string): Promise<number | undefined> {
  const deployment = read(parts, Deployment, key) as DeploymentObject | undefined;
  if (deployment === undefined) return undefined;
  const { namespace = "" } = deployment.metadata;
  const owned = all<ReplicaSetObject>(parts, ReplicaSet, namespace).filter((set) => isOwnedBy(set, deployment));
  const current = owned.find((set) => equalJson(plain(set.spec.template), plain(deployment.spec.template)));
  const sets: Sets = { current, old: owned.filter((set) => set !== current) };
  const alive = deployment.metadata.deletionTimestamp === undefined;
  if (alive && deployment.spec.paused !== true) {
    if (current === undefined) return createSet(parts, deployment, sets);
    if (await number(parts, deployment, { current, old: sets.old })) return undefined;
    if (await roll(parts, deployment, { current, old: sets.old })) return undefined;
  }
  const { status, dueMs } = deploymentStatus(deployment, sets, parts.clock.now());
  await writeStatus(parts, Deployment, { object: deployment, status });
  return dueMs;
}

/** A template without what the controller adds. */
function plain({ metadata = {}, spec }: TemplateObject): object {
  const { [hashLabel]: _, ...labels } = metadata.labels ?? {};
  return { labels, annotations: metadata.annotations ?? {}, spec };
}

function revisionOf({ metadata }: KubeObject): number {
  return Number(metadata.annotations?.[revisionAnnotation] ?? 0);
}

/** Counts what is rolled out: the newest has the highest number, and the Deployment has it too. Gives whether one was written. */
async function number(
  parts: ControllerParts,
  deployment: DeploymentObject,
  { current, old }: Sets & { current: ReplicaSetObject },
): Promise<boolean> {
  const revision = Math.max(revisionOf(current), ...old.map((set) => revisionOf(set) + 1));
  const { namespace = "" } = deployment.metadata;
  const body = { metadata: { annotations: { [revisionAnnotation]: String(revision) } } };
  for (const [kind, object] of [
    [ReplicaSet, current],
    [Deployment, deployment],
  ] as const) {
    if (revisionOf(object) === revision) continue;
    const target = { kind, namespace, name: object.metadata.name };
    await parts.service.patch(systemContext(), target, { type: "merge", body });
    return true;
  }
  return false;
}

async function createSet(parts: ControllerParts, deployment: DeploymentObject, { old }: Sets): Promise<undefined> {
  const { namespace = "", name } = deployment.metadata;
  const { replicas, selector, template, strategy } = deployment.spec;
  const hash = createHash("sha256")
    .update(JSON.stringify(plain(template)))
    .digest("hex")
    .slice(0, 9);
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  const revision = Math.max(0, ...old.map(revisionOf)) + 1;
  const { surge } = boundsOf(deployment);
  const room = replicas + surge - sum(old, ({ spec }) => spec.replicas);
  const recreating = strategy.type === "Recreate" && sum(old, ({ status }) => status?.replicas) > 0;
  const wanted = recreating ? 0 : Math.max(0, Math.min(replicas, room));
  const made = await parts.service.create(
    systemContext(),
    { kind: ReplicaSet, namespace },
    {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name: `${name}-${hash}`,
        labels,
        annotations: { [revisionAnnotation]: String(revision) },
        ownerReferences: [ownerReference(Deployment, deployment)],
      },
      spec: {
        replicas: wanted,
        selector: { matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
        template: copyJson({ ...template, metadata: { ...template.metadata, labels } }),
      },
    },
  );
  const message = `Created new replica set "${made.metadata.name}"`;
  const condition = { type: "Progressing", status: "True", reason: "NewReplicaSetCreated", message };
  const conditions = withCondition(deployment.status?.conditions ?? [], condition, parts.clock.now());
  await writeStatus(parts, Deployment, { object: deployment, status: { ...deployment.status, conditions } });
  if (wanted > 0) await tellScaled(parts, deployment, `Scaled up replica set ${made.metadata.name} to ${wanted}`);
  return undefined;
}

/** One step of rolling; false where there is none to do now. */
async function roll(
  parts: ControllerParts,
  deployment: DeploymentObject,
  { current, old }: Sets & { current: ReplicaSetObject },
): Promise<boolean> {
  const { replicas, strategy } = deployment.spec;
  const { surge, unavailable } = boundsOf(deployment);
  const spread = sum(old, ({ spec }) => spec.replicas);
  const mine = current.spec.replicas;
  const scaleTo = async (set: ReplicaSetObject, to: number): Promise<boolean> => {
    const from = set.spec.replicas;
    if (from === to) return false;
    const { namespace = "", name } = set.metadata;
    const patch = { type: "merge", body: { spec: { replicas: to } } } as const;
    await parts.service.patch(systemContext(), { kind: ReplicaSet, namespace, name }, patch);
    await tellScaled(
      parts,
      deployment,
      `Scaled ${to > from ? "up" : "down"} replica set ${name} to ${to} from ${from}`,
    );
    return true;
  };
  if (mine > replicas) return scaleTo(current, replicas);
  if (strategy.type === "Recreate") {
    for (const set of old) if (await scaleTo(set, 0)) return true;
    return sum(old, ({ status }) => status?.replicas) > 0 ? false : scaleTo(current, replicas);
  }
  const room = replicas + surge - spread - mine;
  if (mine < replicas && room > 0 && (await scaleTo(current, Math.min(replicas, mine + room)))) return true;
  if (spread === 0) return false;
  const least = replicas - unavailable;
  const notYet = mine - (current.status?.availableReplicas ?? 0);
  let removable = spread + mine - least - notYet;
  for (const set of old) {
    const idle = set.spec.replicas - (set.status?.availableReplicas ?? 0);
    const step = Math.min(Math.max(0, removable), idle);
    if (step > 0) return scaleTo(set, set.spec.replicas - step);
  }
  removable = Math.min(removable, sum([...old, current], ({ status }) => status?.availableReplicas) - least);
  for (const set of old) {
    const step = Math.min(Math.max(0, removable), set.spec.replicas);
    if (step > 0) return scaleTo(set, set.spec.replicas - step);
  }
  return false;
}

function tellScaled(parts: ControllerParts, deployment: DeploymentObject, message: string): Promise<void> {
  return tell(parts, Deployment, { object: deployment, what: { reason: "ScalingReplicaSet", message, component } });
}
