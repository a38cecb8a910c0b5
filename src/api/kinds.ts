/**
 * Every kind that the API serves, in the order of discovery.
 *
 * A kind is declared in one file: its type and schema (one value, in the words of `meta/fields.ts`, from which TypeScript
 * derives the type), names, columns, what completes an object and what faults it can have; where that is long, beside it in
 * `x.validation.ts` and `x.conditions.ts`. From the declaration come tables, discovery, OpenAPI, `kubectl explain` and the
 * API reference. Nothing here does I/O or knows who reconciles.
 *
 * What a client sends goes through `foldNames`, `unknownFields` and `prune` (`meta/schema.ts`), `applyDefaults`, the kind's
 * `complete`, then `validateMetadata`, `validateSchema` and the kind's `validate`: each gives faults as data, and all of
 * them make one answer. `complete` sees objects of any form; `validate` reads a well-formed copy (`meta/guard.ts`).
 *
 * To add a kind: its file, its line here, a test of each fault, and `node scripts/api-reference.ts`. `kinds.test.ts` holds
 * what every schema owes: a description of each field, a maximum of each string, list, map and number.
 */
import { BuildTemplate } from "./build-template.ts";
import { Build } from "./build.ts";
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
  Build,
  BuildTemplate,
];
