/**
 * Nobody grants what they don't have: whoever writes a role must hold all of its rules, or may `escalate` it; whoever writes a
 * binding must hold all rules of the role, or may `bind` it. Without this, the right to write roles would be the right to everything.
 */
import { ApiError } from "../api/meta/errors.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import { equalJson } from "./json.ts";
import { describeRule, uncovered } from "./rbac-cover.ts";
import {
  type BindingObject,
  decide,
  mastersGroup,
  type PolicyRule,
  type RbacView,
  rbacGroup,
  type RoleObject,
  rulesFor,
  rulesOfRef,
} from "./rbac.ts";
import { qualifiedResource } from "./request-info.ts";

/** A role or binding on its way into the store. */
export interface RbacWrite {
  user: UserInfo;
  /** The plural of its kind. */
  resource: string;
  object: KubeObject;
  /** The stored object, on update. */
  old?: KubeObject;
}

/** Throws Forbidden where the write would grant what the user doesn't have. */
export function checkEscalation(view: RbacView, write: RbacWrite): void {
  if (write.user.groups.includes(mastersGroup)) return;
  if (write.resource.endsWith("bindings")) checkBinding(view, write);
  else checkRole(view, write);
}

function checkRole(view: RbacView, write: RbacWrite): void {
  const { object, old, user, resource } = write;
  const wanted = (object as RoleObject).rules ?? [];
  if (old !== undefined && equalJson((old as RoleObject).rules ?? [], wanted)) return;
  const { namespace = "", name } = object.metadata;
  const question = { user, verb: "escalate", group: rbacGroup, resource, subresource: "", namespace, name };
  if (decide(view, question).allowed) return;
  checkCovered(view, write, wanted);
}

function checkBinding(view: RbacView, write: RbacWrite): void {
  const { user } = write;
  const binding = write.object as BindingObject;
  const old = write.old as BindingObject | undefined;
  if (
    old !== undefined &&
    equalJson(old.subjects ?? [], binding.subjects ?? []) &&
    equalJson(old.roleRef, binding.roleRef)
  )
    return;
  const { namespace = "" } = binding.metadata;
  const { kind, name } = binding.roleRef;
  const resource = kind === "ClusterRole" ? "clusterroles" : "roles";
  if (decide(view, { user, verb: "bind", group: rbacGroup, resource, subresource: "", namespace, name }).allowed)
    return;
  const rules = rulesOfRef(view, binding.roleRef, namespace);
  if (rules === undefined) {
    throw new ApiError("NotFound", `${qualifiedResource(resource, rbacGroup)} ${JSON.stringify(name)} not found`, {
      details: { name, group: rbacGroup, kind: resource },
    });
  }
  checkCovered(view, write, rules);
}

function checkCovered(view: RbacView, { user, resource, object }: RbacWrite, wanted: readonly PolicyRule[]): void {
  const { namespace = "", name } = object.metadata;
  const owned = [...rulesFor(view, user, namespace)].map(({ rule }) => rule);
  const missing = uncovered(owned, wanted);
  if (missing.length === 0) return;
  const shown = missing.slice(0, 20).map(describeRule);
  if (missing.length > shown.length) shown.push(`and ${missing.length - shown.length} more`);
  const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
  throw new ApiError(
    "Forbidden",
    `${qualifiedResource(resource, rbacGroup)} ${JSON.stringify(name)} is forbidden: user ${JSON.stringify(user.username)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${shown.join("\n")}`,
    { details: { name, group: rbacGroup, kind: resource } },
  );
}
