/** Domains under the platform's own belong to the Routes that have them by their names: nobody may claim one. */
import { invalid, index, invalidObject } from "../../api/meta/faults.ts";
import { Route } from "../../api/route.ts";
import type { Admission } from "../../apiserver/service-types.ts";

/** @throws ApiError Invalid where a Route that is written claims such a domain, with one cause each */
export function refuseReservedDomains(platform: string, admission: Admission): void {
  const { operation, kind, object, old, subresource } = admission;
  if (operation === "delete" || subresource !== undefined || kind.kind !== Route.kind || kind.group !== Route.group)
    return;
  const { domains = [] } = (object as Route).spec;
  // The platform may have had another domain: what was written then doesn't keep anybody from changing the rest.
  const known = (old as Route | undefined)?.spec.domains ?? [];
  const causes = domains.flatMap((domain, position) => {
    if (known.includes(domain)) return [];
    const plain = domain.replace(/^\*\./, "");
    if (plain !== platform && !plain.endsWith(`.${platform}`)) return [];
    const words = `must not be under the platform's own domain, ${platform}: name the Route so, or choose another domain`;
    return [invalid(index("spec.domains", position), domain, words)];
  });
  if (causes.length > 0) throw invalidObject(Route, object.metadata.name, causes);
}
