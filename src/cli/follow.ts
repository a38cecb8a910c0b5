/**
 * Following a rollout: from a Configuration's generation to its Revision, from that to ready, and from a Route's change to the
 * traffic that is really served.
 */
import { configurationLabel } from "../api/labels.ts";
import type { Clock } from "../lib/clock.ts";
import { awaitObject } from "./await-object.ts";
import { conditionOf, explain, failureOf, generationOf, isTrue } from "./conditions.ts";
import { FailureError } from "./errors.ts";
import type { Session } from "./factory.ts";
import { Configuration, Revision, Route } from "./objects.ts";

/** What the steps below need. */
export interface Follow {
  session: Session;
  clock: Clock;
  /** Ends all waiting. */
  signal: AbortSignal;
  service: string;
}

/** Waits until the Configuration's controller has made the Revision of that generation, and gives its name. */
export async function followCreated(follow: Follow, generation: number): Promise<string> {
  const { service, session } = follow;
  const found = await awaitObject(session.client, Configuration, {
    ...place(follow, service),
    check: (configuration) => {
      if (configuration === undefined) throw deletedMeanwhile(`Configuration "${service}"`);
      return (configuration.status?.observedGeneration ?? 0) >= generation ? configuration : undefined;
    },
  });
  const revisions = await session.client.list(Revision, {
    namespace: session.namespace,
    labelSelector: `${configurationLabel}=${service}`,
  });
  const revision = revisions.items.find((one) => generationOf(one) === generation);
  if (revision !== undefined) return revision.metadata.name;
  if ((found.metadata.generation ?? 0) > generation) throw overtaken(service);
  throw new FailureError(
    `Service "${service}" has no revision for generation ${generation}: ${explain(conditionOf(found, "Ready")) || `see 'elafros configurations describe ${service}'`}`,
  );
}

/** Waits until a Revision is ready. Returns its failure instead where it failed. `onState` is told each state. */
export async function followReady(
  follow: Follow,
  revisionName: string,
  onState: (revision: Revision) => void,
): Promise<{ ready: true } | { ready: false; reason: string }> {
  return awaitObject<Revision, { ready: true } | { ready: false; reason: string }>(follow.session.client, Revision, {
    ...place(follow, revisionName),
    check: (revision) => {
      if (revision === undefined) throw deletedMeanwhile(`Revision "${revisionName}"`);
      onState(revision);
      if (isTrue(revision, "Ready")) return { ready: true };
      const failure = failureOf(revision);
      return failure === undefined ? undefined : { ready: false, reason: explain(failure) };
    },
  });
}

/**
 * Waits until every gateway serves what the Route asks for.
 * @param options.generation of the Route, that its status must be about
 * @param options.served whether this status shows the traffic that is waited for
 * @param options.revision the Revision that is to get the traffic of its Configuration: when a newer one gets it, the wait fails
 */
export async function followTraffic(
  follow: Follow,
  options: { generation: number; served: (route: Route) => boolean; revision?: string },
): Promise<Route> {
  const stop = new AbortController();
  const signal = AbortSignal.any([follow.signal, stop.signal]);
  const { revision } = options;
  const others = revision === undefined ? undefined : watchOvertaking({ ...follow, signal }, stop, revision);
  try {
    return await awaitObject(follow.session.client, Route, {
      ...place({ ...follow, signal }, follow.service),
      check: (route) => {
        if (route === undefined) throw deletedMeanwhile(`Route "${follow.service}"`);
        if ((route.status?.observedGeneration ?? 0) < options.generation) return undefined;
        // Where HTTPS is served, the address only works with the certificate; one that can't be had is told, and not waited for.
        const certified = conditionOf(route, "CertificateReady")?.status !== "Unknown";
        if (options.served(route) && certified && isTrue(route, "RolloutComplete")) return route;
        const stuck = conditionOf(route, "RolloutComplete");
        if (stuck?.reason === "GuardTripped" && isAbout(route, revision)) {
          throw new FailureError(
            `The guard of service "${follow.service}" has taken traffic back: ${stuck.message ?? ""}`,
          );
        }
        if (stuck?.status === "False" && stuck.reason === "ProgressDeadlineExceeded") {
          throw new FailureError(`Cannot move the traffic of service "${follow.service}": ${explain(stuck)}`);
        }
        return undefined;
      },
    });
  } finally {
    stop.abort(new Error("The wait is over"));
    await others;
  }
}

/** Whether the guard has taken traffic from the Revision that is waited for, or from any where none is. */
function isAbout({ status }: Route, revision: string | undefined): boolean {
  if (revision === undefined) return true;
  return (status?.guard ?? []).some(({ to, trippedAt }) => to === revision && trippedAt !== undefined);
}

/** Ends the wait when a newer Revision of the service has become ready, which gets the traffic instead. */
async function watchOvertaking(follow: Follow, stop: AbortController, revision: string): Promise<void> {
  try {
    await awaitObject(follow.session.client, Configuration, {
      ...place(follow, follow.service),
      check: (configuration) =>
        numberOf(configuration?.status?.latestReadyRevisionName ?? "") > numberOf(revision) ? true : undefined,
    });
    stop.abort(overtaken(follow.service));
  } catch {
    // The wait is over, or the Configuration can't be read, which the wait for the Route tells as well.
  }
}

/** Revisions are named `{configuration}-{generation}`. */
function numberOf(revisionName: string): number {
  return Number(/-(\d+)$/.exec(revisionName)?.[1] ?? 0);
}

function place(follow: Follow, name: string) {
  return { namespace: follow.session.namespace, name, clock: follow.clock, signal: follow.signal };
}

function deletedMeanwhile(what: string): FailureError {
  return new FailureError(`${what} was deleted meanwhile`);
}

function overtaken(service: string): FailureError {
  return new FailureError(
    `Another deploy to service "${service}" came after this one and took its place: see 'elafros revisions list --service ${service}'`,
  );
}
