import type { Route } from "./objects.ts";

/** The Route's URL, or that of one of its named targets. */
export function addressOf(route: Route, target?: string): string {
  const url = route.status?.url ?? `https://${route.status?.domain ?? route.metadata.name}`;
  return target === undefined ? url : url.replace("://", `://${target}.`);
}
