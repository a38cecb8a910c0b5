/**
 * Role-based access control, evaluated as Kubernetes does: rules only allow; whoever no rule allows is refused; the group
 * `system:masters` may do everything. All of this file is pure: rules, bindings and a question go in, a decision comes out.
 */
import { ApiError } from "../api/meta/errors.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import { qualifiedResource, type ResourceRequest } from "./request-info.ts";

export const rbacGroup = "rbac.authorization.k8s.io";
/** The group that may do everything, whatever the roles say. */
export const mastersGroup = "system:masters";

export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

interface Subject {
  kind: string;
  apiGroup?: string;
  name: string;
  namespace?: string;
}

export interface RoleRef {
  apiGroup: string;
  kind: string;
  name: string;
}

/** A Role or ClusterRole. */
export interface RoleObject extends KubeObject {
  rules?: PolicyRule[] | null;
}

/** A RoleBinding or ClusterRoleBinding. */
export interface BindingObject extends KubeObject {
  subjects?: Subject[] | null;
  roleRef: RoleRef;
}

/** What a user wants to do: to a resource, or with a path that is none. */
export interface Attributes {
  user: UserInfo;
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  /** Set for requests that aren't about resources; the fields above are then empty, except `user` and `verb`. */
  path?: string;
}

export interface Decision {
  allowed: boolean;
  /** Which binding allowed it. */
  reason?: string;
}

/** The roles and bindings there are, by place: `""` for cluster-wide ones. */
export interface RbacView {
  role(namespace: string, name: string): RoleObject | undefined;
  bindings(namespace: string): Iterable<BindingObject>;
}

/** A rule that applies to a user, and the binding that it comes from. */
export interface AppliedRule {
  rule: PolicyRule;
  binding: BindingObject;
  subject: Subject;
}

/** Attributes of a request that isn't about resources. */
export function pathAttributes(user: UserInfo, verb: string, path: string): Attributes {
  return { user, verb, path, group: "", resource: "", subresource: "", namespace: "", name: "" };
}

/** Attributes of a request on a resource. */
export function resourceAttributes(user: UserInfo, request: Omit<ResourceRequest, "path">): Attributes {
  const { verb, group, resource, subresource, namespace, name } = request;
  return { user, verb, group, resource, subresource, namespace, name };
}

/** Whether RBAC allows it. */
export function decide(view: RbacView, attributes: Attributes): Decision {
  if (attributes.user.groups.includes(mastersGroup)) return { allowed: true };
  for (const { rule, binding, subject } of rulesFor(view, attributes.user, attributes.namespace)) {
    if (ruleAllows(rule, attributes)) return { allowed: true, reason: reasonOf(binding, subject) };
  }
  return { allowed: false };
}

/** All rules that apply to a user in a namespace, cluster-wide ones included; `""` gives those alone. */
export function* rulesFor(view: RbacView, user: UserInfo, namespace: string): Generator<AppliedRule> {
  for (const place of namespace === "" ? [""] : ["", namespace]) {
    for (const binding of view.bindings(place)) {
      const subject = (binding.subjects ?? []).find((candidate) => isSubject(candidate, user, place));
      if (subject === undefined) continue;
      for (const rule of rulesOfRef(view, binding.roleRef, place) ?? []) yield { rule, binding, subject };
    }
  }
}

/** The rules that a binding in `namespace` grants; undefined where its role isn't there. */
export function rulesOfRef(view: RbacView, ref: RoleRef, namespace: string): PolicyRule[] | undefined {
  const role =
    ref.kind === "ClusterRole"
      ? view.role("", ref.name)
      : ref.kind === "Role" && namespace !== ""
        ? view.role(namespace, ref.name)
        : undefined;
  return role === undefined ? undefined : (role.rules ?? []);
}

function isSubject(subject: Subject, user: UserInfo, bindingNamespace: string): boolean {
  switch (subject.kind) {
    case "User":
      return user.username === subject.name;
    case "Group":
      return user.groups.includes(subject.name);
    case "ServiceAccount": {
      const namespace = subject.namespace ?? bindingNamespace;
      return namespace !== "" && user.username === `system:serviceaccount:${namespace}:${subject.name}`;
    }
    default:
      return false;
  }
}

function reasonOf(binding: BindingObject, subject: Subject): string {
  const { namespace } = binding.metadata;
  const place = namespace === undefined ? "" : `/${namespace}`;
  const who =
    subject.kind === "ServiceAccount" ? `${subject.name}/${subject.namespace ?? namespace ?? ""}` : subject.name;
  return `RBAC: allowed by ${binding.kind} "${binding.metadata.name}${place}" of ${binding.roleRef.kind} "${binding.roleRef.name}" to ${subject.kind} "${who}"`;
}

function includes(list: readonly string[] | undefined, value: string): boolean {
  return list !== undefined && (list.includes("*") || list.includes(value));
}

/** Whether one rule allows it. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!includes(rule.verbs, attributes.verb)) return false;
  const { path } = attributes;
  if (path !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, path));
  return (
    includes(rule.apiGroups, attributes.group) &&
    resourceMatches(rule.resources ?? [], attributes.resource, attributes.subresource) &&
    (isEmpty(rule.resourceNames) || (rule.resourceNames ?? []).includes(attributes.name))
  );
}

function isEmpty(list: readonly unknown[] | undefined): boolean {
  return list === undefined || list.length === 0;
}

/** `/apis/*` matches everything below `/apis/`; only a final `*` is a pattern. */
export function pathMatches(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1));
}

function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  const full = subresource === "" ? resource : `${resource}/${subresource}`;
  return resources.some(
    (candidate) => candidate === "*" || candidate === full || (subresource !== "" && candidate === `*/${subresource}`),
  );
}

/** The error of what isn't allowed, as Kubernetes words it. */
export function forbidden(attributes: Attributes): ApiError {
  const { user, verb, group, resource, subresource, namespace, name, path } = attributes;
  const who = `User ${JSON.stringify(user.username)}`;
  if (path !== undefined)
    return new ApiError("Forbidden", `forbidden: ${who} cannot ${verb} path ${JSON.stringify(path)}`, { details: {} });
  const qualified = qualifiedResource(resource, group);
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  const subject = name === "" ? qualified : `${qualified} ${JSON.stringify(name)}`;
  return new ApiError(
    "Forbidden",
    `${subject} is forbidden: ${who} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`,
    { details: { ...(name === "" ? {} : { name }), ...(group === "" ? {} : { group }), kind: resource } },
  );
}
