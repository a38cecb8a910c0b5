/** Every kind that the API serves, in the order of discovery. */
import { ClusterRoleBinding } from "./cluster-role-binding.ts";
import { ClusterRole } from "./cluster-role.ts";
import { ConfigMap } from "./config-map.ts";
import { Configuration } from "./configuration.ts";
import { Event } from "./event.ts";
import type { Kind } from "./meta/kind.ts";
import { Namespace } from "./namespace.ts";
import { Pod } from "./pod.ts";
import { Revision } from "./revision.ts";
import { RoleBinding } from "./role-binding.ts";
import { Role } from "./role.ts";
import { Route } from "./route.ts";
import { Secret } from "./secret.ts";
import { ServiceAccount } from "./service-account.ts";

export const allKinds: readonly Kind[] = [
  ConfigMap,
  Event,
  Namespace,
  Pod,
  Secret,
  ServiceAccount,
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  Configuration,
  Revision,
  Route,
];
