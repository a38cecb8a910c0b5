/**
 * The authorizer: RBAC over the roles and bindings in the store, kept current in memory. The ApiService asks it about every
 * operation and every write of a role; it reads roles through that same service, so it is made first and started after.
 */
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService } from "../api/meta/service.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { createRbacCache } from "./rbac-cache.ts";
import { ensureDefaultRoles } from "./rbac-defaults.ts";
import { checkEscalation } from "./rbac-escalation.ts";
import { type Attributes, type Decision, decide, forbidden, type PolicyRule, rbacGroup, rulesFor } from "./rbac.ts";
import type { Admission, Authorize } from "./service-types.ts";

export interface Authorizer {
  /**
   * Makes the default roles and reads all there are, through the service that this authorizer is of; before that, everyone but
   * `system:masters` is refused.
   */
  start(service: ApiService): Promise<void>;
  /** Ends following the store. */
  stop(): void;
  decide(attributes: Attributes): Decision;
  /** The rules that apply to a user in a namespace. */
  rules(user: UserInfo, namespace: string): PolicyRule[];
  /** Resolves when a role or binding that was written counts. */
  settled(object: KubeObject, gone: boolean): Promise<void>;
  /** For `ApiServiceOptions.authorize`. */
  readonly authorize: Authorize;
  /** For `ApiServiceOptions.admit`: refuses roles and bindings that grant more than their writer has. */
  readonly admit: (admission: Admission) => Promise<void>;
}

/** Makes the authorizer over the RBAC kinds among `kinds`. */
export function createAuthorizer({
  kinds,
  clock,
  log,
}: {
  kinds: readonly Kind[];
  clock: Clock;
  log: Log;
}): Authorizer {
  const cache = createRbacCache({ kinds: kinds.filter((kind) => kind.group === rbacGroup), clock, log });
  return {
    start: async (service) => {
      await ensureDefaultRoles(service, kinds);
      await cache.start(service);
    },
    stop: () => cache.stop(),
    decide: (attributes) => decide(cache, attributes),
    rules: (user, namespace) => [...rulesFor(cache, user, namespace)].map(({ rule }) => rule),
    settled: (object, gone) => cache.settled(object, gone),
    authorize: async (user, { verb, group, resource, subresource = "", namespace, name = "" }) => {
      // A Namespace is "in" itself, so that its own roles can allow reading it.
      const place = group === "" && resource === "namespaces" ? name : (namespace ?? "");
      const attributes: Attributes = { user, verb, group, resource, subresource, namespace: place, name };
      if (!decide(cache, attributes).allowed) throw forbidden(attributes);
    },
    admit: async ({ operation, kind, user, object, old }) => {
      if (kind.group !== rbacGroup || operation === "delete") return;
      checkEscalation(cache, { user, resource: kind.plural, object, ...(old === undefined ? {} : { old }) });
    },
  };
}
