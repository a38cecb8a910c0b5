/**
 * The last step of a deploy: the new Revision gets its traffic, or its own address.
 */
import { changeObject } from "../../change.ts";
import { followTraffic, type Follow } from "../../follow.ts";
import { Route, type TrafficTarget } from "../../objects.ts";
import { rememberTraffic } from "../../previous-traffic.ts";
import { afterGuard, withNext } from "../../traffic.ts";

/** Manual strategy: the new Revision gets its own address and no traffic. */
export async function addNext(
  follow: Follow,
  { revisionName, target }: { revisionName: string; target: string },
): Promise<Route> {
  const { after } = await changeObject(follow.session.client, Route, {
    key: { namespace: follow.session.namespace, name: follow.service },
    edit: (route) => {
      route.spec.rollout.traffic = withNext(afterGuard(route), revisionName, target);
    },
  });
  return after;
}

/** Waits until the gateways serve the new target. */
export async function followNext(
  follow: Follow,
  { revisionName, target, route }: { revisionName: string; target: string; route: Route },
): Promise<Route> {
  return followTraffic(follow, {
    generation: route.metadata.generation ?? 0,
    served: ({ status }) =>
      (status?.traffic ?? []).some((one) => one.revisionName === revisionName && one.name === target),
  });
}

/** Automatic strategy: the Route follows by itself; what it served before is remembered for `rollout undo`. */
export async function recordBefore(
  follow: Follow,
  { before, name }: { before: readonly TrafficTarget[]; name?: string },
): Promise<Route> {
  const { after } = await changeObject(follow.session.client, Route, {
    key: { namespace: follow.session.namespace, name: follow.service },
    edit: (route) => {
      rememberTraffic(route, before);
      const followed = route.spec.rollout.traffic.find((one) => one.configurationName === follow.service);
      if (name !== undefined && followed !== undefined) followed.name = name;
    },
  });
  return after;
}

/** Waits until the new Revision has all the traffic of its Configuration. */
export async function promote(
  follow: Follow,
  { revisionName, ...record }: { revisionName: string; before: readonly TrafficTarget[]; name?: string },
): Promise<Route> {
  const after = await recordBefore(follow, record);
  const wanted = after.spec.rollout.traffic
    .filter((one) => one.configurationName === follow.service)
    .reduce((sum, one) => sum + one.percent, 0);
  return followTraffic(follow, {
    generation: after.metadata.generation ?? 0,
    revision: revisionName,
    served: (route) =>
      (route.status?.traffic ?? [])
        .filter((one) => one.revisionName === revisionName)
        .reduce((sum, one) => sum + one.percent, 0) >= wanted,
  });
}
