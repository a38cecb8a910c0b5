/** The authorizer: RBAC over the roles and bindings in the store, kept current in memory. */
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService } from "../api/meta/service.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { createRbacCache } from "./rbac-cache.ts";
import { type Attributes, type Decision, decide, type PolicyRule, type RbacView, rbacGroup, rulesFor } from "./rbac.ts";

export interface Authorizer {
  /** Reads roles and bindings; before that everyone but `system:masters` is refused. */
  start(): Promise<void>;
  stop(): void;
  decide(attributes: Attributes): Decision;
  /** The rules that apply to a user in a namespace. */
  rules(user: UserInfo, namespace: string): PolicyRule[];
  /** Resolves when a role or binding that was written counts. */
  settled(object: KubeObject, gone: boolean): Promise<void>;
  /** The roles and bindings that decisions are made from. */
  readonly view: RbacView;
}

export interface AuthorizerOptions {
  service: Pick<ApiService, "list" | "watch">;
  kinds: readonly Kind[];
  clock: Clock;
  log: Log;
}

/** Makes the authorizer over the RBAC kinds among `kinds`. */
export function createAuthorizer({ service, kinds, clock, log }: AuthorizerOptions): Authorizer {
  const cache = createRbacCache({ service, kinds: kinds.filter((kind) => kind.group === rbacGroup), clock, log });
  return {
    start: () => cache.start(),
    stop: () => cache.stop(),
    decide: (attributes) => decide(cache, attributes),
    rules: (user, namespace) => [...rulesFor(cache, user, namespace)].map(({ rule }) => rule),
    settled: (object, gone) => cache.settled(object, gone),
    view: cache,
  };
}
