/**
 * What to do about a Revision: wait for the Build that makes its image, or resolve its image once, run as many instances as the scaler says, tell the gateways its limits, and
 * say in conditions how it goes. Pure.
 */
import { protocolOf } from "../../api/container.ts";
import { configurationLabel, routedFinalizer } from "../../api/labels.ts";
import { revisionReasons, wasReady } from "../../api/revision.conditions.ts";
import { defaultTimeoutSeconds, requestLimit } from "../../api/revision-spec.ts";
import type { Condition } from "../../api/meta/types.ts";
import type { Revision, RevisionStatus } from "../../api/revision.ts";
import { autoscalingOf } from "../../api/autoscaling.ts";
import type { ScaleInput, ScalingStep } from "../../autoscaler/port.ts";
import type { Plan, PlannedEvent } from "../../controller/plan.ts";
import type { RevisionTraffic } from "../../routing/traffic.ts";
import type { InstanceSpec, RegistryAuth, WorkloadState } from "../../runtime/workloads.ts";
import type { BuildView } from "./build.ts";
import { healthConditions, waitingSince, withActivity } from "./conditions.ts";
import { eventsOf } from "./events.ts";
import { type ImageRequest, type Resolution, pullPolicy } from "./image-resolver.ts";
import type { InstanceSpecResult } from "./make-instance-spec.ts";
import { scalingEvents, scalingStatus } from "./scaling.ts";

export interface RevisionObserved {
  readonly revision: Revision;
  /** Routes that name it, or serve it. */
  readonly routes: readonly string[];
  /** Whether a Route leads to it, or will once it is ready. */
  readonly routed: boolean;
  readonly workload: WorkloadState | undefined;
  /** Of the Build that it names. */
  readonly build: BuildView;
  readonly image: Resolution;
  readonly auths: readonly RegistryAuth[];
  /** What an instance of this exact image is made from. Pure. */
  makeSpec(exactImage: string): InstanceSpecResult;
  /** How many instances the autoscaler would run. */
  decide: (input: ScaleInput) => number;
  /** The autoscaler's last changes in this run of control. */
  readonly steps: readonly ScalingStep[];
  /** `at` of the last one that an Event told. */
  readonly toldStepAt: number;
  /** `at` of the last problem that an Event told, in this run of control. */
  readonly toldProblemAt: number | undefined;
  readonly progressDeadlineMs: number;
  readonly logUrl: string;
  /** False: an instance can't be frozen here. */
  readonly freezes?: boolean;
}

export type RevisionAction =
  | { do: "resolveImage"; request: ImageRequest }
  | { do: "setTraffic"; traffic: RevisionTraffic }
  | { do: "scale"; spec: InstanceSpec; input: ScaleInput }
  | { do: "hold" }
  | { do: "stepsTold"; at: number }
  | { do: "removeWorkload" }
  | { do: "removeTraffic" }
  | { do: "problemTold"; at: number }
  | { do: "removeFinalizer"; revision: Revision };

/** What is left to do about a Revision that is gone. */
export const absentRevision: readonly RevisionAction[] = [{ do: "removeWorkload" }, { do: "removeTraffic" }];

export function planRevision(seen: RevisionObserved, now: number): Plan<RevisionStatus, RevisionAction> {
  const { revision, routes } = seen;
  const deleted = revision.metadata.deletionTimestamp !== undefined;
  if (deleted && routes.length === 0) {
    const finalizers = revision.metadata.finalizers ?? [];
    return {
      actions: [
        ...absentRevision,
        ...(finalizers.includes(routedFinalizer) ? [{ do: "removeFinalizer", revision } as const] : []),
      ],
      events: [],
    };
  }

  const status = revision.status ?? {};
  const exact = exactImage(seen);
  const waitsForBuild = seen.build.state === "building" || seen.build.state === "failed";
  const made = status.imageDigest === undefined ? undefined : seen.makeSpec(status.imageDigest);
  const missing = made !== undefined && "missing" in made ? made.missing : [];
  const ready = seen.workload?.instances.filter(({ phase }) => phase === "ready").length ?? 0;
  const health = healthConditions({ ...seen, missing, ready }, now);
  const input: ScaleInput = {
    wasReady: wasReady(health),
    routed: seen.routed,
    settings: autoscalingOf(revision.metadata.annotations),
    concurrency: requestLimit(revision.spec),
  };
  const count = waitsForBuild ? 0 : seen.decide(input);
  const frozen = seen.workload?.instances.some(({ phase }) => phase === "frozen") ?? false;
  const conditions = withActivity(health, { routed: seen.routed, ready, desired: count, frozen }, now);
  const deadlineIn = waitsForBuild ? undefined : deadlineAfter(conditions, seen.progressDeadlineMs, now);
  const retryIn = seen.image.state === "failed" ? Math.max(0, seen.image.retryAt - now) : undefined;
  const waits = [deadlineIn, exact === undefined ? retryIn : undefined].filter((ms) => ms !== undefined);

  return {
    actions: [
      { do: "setTraffic", traffic: trafficOf(seen, conditions, { canRun: made !== undefined && "spec" in made }) },
      ...(seen.build.state === "none" ? imageActions(seen, exact, now) : []),
      ...scaleActions(made, input, count),
      ...problemActions(seen),
      ...stepActions(seen),
    ],
    status: {
      ...status,
      conditions,
      ...(exact === undefined ? {} : { imageDigest: exact }),
      ...(seen.build.state === "complete" && seen.build.imageSource !== undefined
        ? { imageSource: seen.build.imageSource }
        : {}),
      actualReplicas: ready,
      desiredReplicas: count,
      ...scalingStatus(status, seen.steps),
      logUrl: seen.logUrl,
      observedGeneration: revision.metadata.generation ?? 1,
    },
    events: [
      ...(deleted ? [heldEvent(routes)] : []),
      ...eventsOf({ ...seen, missing }, conditions),
      ...scalingEvents(seen.steps, seen.toldStepAt),
    ],
    ...(waits.length === 0 ? {} : { requeueAfterMs: Math.min(...waits) }),
  };
}

/** What every instance runs: what a Build reports, never its tag; else what the tag meant when it was asked for. */
function exactImage({ revision, build, image }: RevisionObserved): string | undefined {
  if (revision.status?.imageDigest !== undefined) return revision.status.imageDigest;
  if (build.state !== "none") return build.state === "complete" ? build.imageDigest : undefined;
  return image.state === "resolved" ? image.exact : undefined;
}

function imageActions(seen: RevisionObserved, exact: string | undefined, now: number): RevisionAction[] {
  if (exact !== undefined || seen.image.state === "pending") return [];
  const { image, imagePullPolicy } = seen.revision.spec.container;
  const request = { reference: image, auths: seen.auths, policy: pullPolicy(image, imagePullPolicy) };
  if (seen.image.state === "failed" && now < seen.image.retryAt && sameAuths(seen.image.asked, request)) return [];
  return [{ do: "resolveImage", request }];
}

function sameAuths(a: ImageRequest, b: ImageRequest): boolean {
  return JSON.stringify(a.auths) === JSON.stringify(b.auths);
}

/**
 * The digest stands in the status before the first instance: after a crash in between, another digest could be resolved. While
 * something is missing, what runs goes on with what it was started with; only going to none needs no spec.
 */
function scaleActions(made: InstanceSpecResult | undefined, input: ScaleInput, count: number): RevisionAction[] {
  if (made === undefined) return [];
  if ("spec" in made) return [{ do: "scale", spec: made.spec, input }];
  return [{ do: count === 0 ? "removeWorkload" : "hold" }];
}

function stepActions({ steps, toldStepAt }: RevisionObserved): RevisionAction[] {
  const at = steps.at(-1)?.at ?? 0;
  return at > toldStepAt ? [{ do: "stepsTold", at }] : [];
}

function problemActions(seen: RevisionObserved): RevisionAction[] {
  const at = seen.workload?.problem?.at;
  return at === undefined || at === seen.toldProblemAt ? [] : [{ do: "problemTold", at }];
}

/** Milliseconds until the Revision must be ready, or undefined where that is decided. */
function deadlineAfter(conditions: RevisionStatus["conditions"], deadlineMs: number, now: number): number | undefined {
  const since = waitingSince(conditions);
  if (since === undefined) return undefined;
  const left = since + deadlineMs - now;
  return left > 0 ? left : undefined;
}

/**
 * Where instances can be made, the instances' own problem is what counts, and the table has it: what is told of an earlier one, of which
 * nothing runs any more, would keep the next request from waking another.
 */
function trafficOf(
  { revision, workload }: RevisionObserved,
  conditions: RevisionStatus["conditions"],
  { canRun }: { canRun: boolean },
): RevisionTraffic {
  const { metadata, spec } = revision;
  const isOver = canRun && (workload?.problem === undefined || workload.desired === 0);
  const namespace = metadata.namespace ?? "";
  const fault = conditions?.find(({ type, status }) => status === "False" && faultTypes.includes(type));
  return {
    revision: `${namespace}/${metadata.name}`,
    configuration: `${namespace}/${metadata.labels?.[configurationLabel] ?? ""}`,
    protocol: protocolOf(spec.container),
    concurrency: requestLimit(spec),
    timeoutMs: (spec.timeoutSeconds ?? defaultTimeoutSeconds) * 1000,
    ...(fault === undefined || isOver ? {} : { problem: { reason: reasonOf(fault), message: fault.message ?? "" } }),
  };
}

const faultTypes: readonly string[] = ["BuildComplete", "ContainerHealthy", "ResourcesAvailable"];

function reasonOf({ type, reason = revisionReasons.StartFailed }: Condition): string {
  return type === "BuildComplete" ? revisionReasons.BuildFailed : reason;
}

function heldEvent(routes: readonly string[]): PlannedEvent {
  const names = routes.map((route) => `"${route}"`).join(", ");
  return {
    type: "Warning",
    reason: "StillRouted",
    message: `Deletion waits, and the Revision serves on, until no Route leads to it: change or delete Route ${names}`,
    once: true,
  };
}
