/** What a build's Pod waits for, and whether it waits in vain. Pure. */
import type { BuildFailure } from "../../runtime/builds.ts";
import { noStartWords } from "../../runtime/build-words.ts";
import type { Pod } from "../kinds/pod.ts";
import { imageReasons, pullWords, sentence } from "../workloads/problem.ts";
import { failureOf } from "./step-state.ts";

export interface Waiting {
  /** For people. */
  message: string;
  /** The container that waits in vain, where one does: what it waits for isn't going to come by itself. */
  vain?: { container: string; why: string };
}

/** Reasons of a container that can't be made as its Pod says. */
const noContainer: ReadonlySet<string> = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);

/** Undefined where it waits for nothing, or for what is part of every start. */
export function waitingOf({ status, spec }: Pod): Waiting | undefined {
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    return { message: `Waiting for a node: ${sentence(scheduled.reason ?? "Unschedulable", scheduled.message)}` };
  }
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  // The first that hasn't ended: those behind it wait for it.
  const next = all.find(({ state }) => state?.terminated === undefined);
  const waiting = next?.state?.waiting;
  if (next === undefined || waiting === undefined) return undefined;
  const { reason = "", message = "" } = waiting;
  const image = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find(
    ({ name }) => name === next.name,
  )?.image;
  if (imageReasons.has(reason)) {
    const why = `Unable to fetch image "${image ?? next.image}": ${pullWords(message === "" ? reason : message)}`;
    return { message: why, vain: { container: next.name, why } };
  }
  if (noContainer.has(reason)) {
    const why = sentence(reason, message);
    return { message: why, vain: { container: next.name, why } };
  }
  return undefined;
}

/**
 * Why a build is over whose Pod waits in vain; undefined where it doesn't.
 * @param said what it waited for before: a back-off has lost the message of what it follows
 */
export function vainFailure(pod: Pod, said: Waiting | undefined): BuildFailure | undefined {
  const now = waitingOf(pod);
  if (now?.vain === undefined) return undefined;
  const isBackOff = now.vain.why.includes("Back-off pulling image");
  const { container, why } = (isBackOff ? said?.vain : undefined) ?? now.vain;
  const of = pod.spec?.initContainers?.find(({ name }) => name === container);
  return failureOf({ name: container, message: noStartWords(why) }, of);
}
