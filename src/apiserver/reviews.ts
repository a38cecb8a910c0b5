/** Questions about who someone is and what someone may do: nothing of them is stored. */
import type { FastifyReply } from "fastify";

import { ApiError, type Cause } from "../api/meta/errors.ts";
import type { UserInfo } from "../api/meta/types.ts";
import { rfc3339 } from "../lib/clock.ts";
import { decodeObject } from "./body.ts";
import { rawBody, type ResourceCall } from "./call.ts";
import type { ServerParts } from "./context.ts";
import { isObject, type JsonObject } from "./json.ts";
import { negotiate } from "./negotiate.ts";
import { type Attributes, mastersGroup, pathAttributes } from "./rbac.ts";
import { queryOf } from "./request-info.ts";
import { sendObject } from "./respond.ts";
import { issuer, TokenError } from "./tokens.ts";
import { virtualResources } from "./virtual.ts";

const authorizationGroup = "authorization.k8s.io";
const authenticationGroup = "authentication.k8s.io";

/** What a review answers: the object's `spec` and `status`. */
interface Review {
  spec?: unknown;
  status: unknown;
  metadata?: JsonObject;
}

/** Answers a review; undefined where the request is about something else. */
export async function handleReview(parts: ServerParts, call: ResourceCall): Promise<FastifyReply | undefined> {
  const { info, request, reply, user } = call;
  const review = virtualResources.find(
    ({ group, version, name }) =>
      group !== "" && group === info.group && version === info.version && name === info.resource,
  );
  if (review === undefined) return undefined;
  if (info.verb !== "create" || info.named || info.subresource !== "") {
    throw new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource", {
      details: {},
    });
  }
  const query = queryOf(request.raw.url);
  const form = negotiate(request.headers.accept, { pretty: query.get("pretty") === "true", transformable: false });
  const { value: body } = await decodeObject(rawBody(request), review.kind);
  const apiVersion = `${review.group}/${review.version}`;
  checkType(body, { kind: review.kind, apiVersion });
  const spec = isObject(body["spec"]) ? body["spec"] : {};
  const answer = await answerReview(parts, { kind: review.kind, spec, user, namespace: info.namespace });
  const { metadata = {}, ...rest } = answer;
  const object = { kind: review.kind, apiVersion, metadata: { creationTimestamp: null, ...metadata }, ...rest };
  return sendObject(reply, object, { code: 201, form });
}

/** Refuses a body of another kind. Both fields may be left out. */
export function checkType(body: JsonObject, expected: { kind: string; apiVersion: string }): void {
  const { kind, apiVersion } = body;
  if (apiVersion !== undefined && apiVersion !== expected.apiVersion) {
    throw new ApiError(
      "BadRequest",
      `the API version in the data (${text(apiVersion)}) does not match the expected API version (${expected.apiVersion})`,
    );
  }
  if (kind !== undefined && kind !== expected.kind) {
    throw new ApiError(
      "BadRequest",
      `${text(kind)} in version ${JSON.stringify(apiVersion ?? "")} cannot be handled as a ${expected.kind}`,
    );
  }
}

interface Question {
  kind: string;
  spec: JsonObject;
  user: UserInfo;
  namespace: string;
}

async function answerReview(parts: ServerParts, { kind, spec, user, namespace }: Question): Promise<Review> {
  switch (kind) {
    case "SelfSubjectAccessReview":
      return access(parts, spec, user);
    case "SubjectAccessReview":
      return access(parts, spec, namedUser(spec));
    case "LocalSubjectAccessReview":
      return { ...access(parts, localSpec(spec, namespace), namedUser(spec)), metadata: { namespace } };
    case "SelfSubjectRulesReview":
      return { spec: {}, status: rulesStatus(parts, user, requiredNamespace(spec)) };
    case "SelfSubjectReview":
      return { status: { userInfo: user }, metadata: { creationTimestamp: rfc3339(parts.clock.now()) } };
    default:
      return tokenReview(parts, spec);
  }
}

function invalid(group: string, causes: Cause[]): ApiError {
  const text = causes.map((cause) => `${cause.field}: ${cause.message}`).join(", ");
  return new ApiError("Invalid", `.${group} "" is invalid: ${text}`, { details: { group, causes } });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function access(parts: ServerParts, spec: JsonObject, user: UserInfo): Review {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (isObject(resource) === isObject(path)) {
    const message = `Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must be specified`;
    throw invalid(authorizationGroup, [{ reason: "FieldValueInvalid", message, field: "spec.resourceAttributes" }]);
  }
  const attributes = isObject(path)
    ? pathAttributes(user, text(path["verb"]), text(path["path"]))
    : asked(user, resource as JsonObject);
  const { allowed, reason } = parts.authorizer.decide(attributes);
  return { spec, status: { allowed, ...(reason === undefined ? {} : { reason }) } };
}

function asked(user: UserInfo, resource: JsonObject): Attributes {
  return {
    user,
    verb: text(resource["verb"]),
    group: text(resource["group"]),
    resource: text(resource["resource"]),
    subresource: text(resource["subresource"]),
    namespace: text(resource["namespace"]),
    name: text(resource["name"]),
  };
}

function namedUser(spec: JsonObject): UserInfo {
  const groups = Array.isArray(spec["groups"]) ? spec["groups"].filter((group) => typeof group === "string") : [];
  const username = text(spec["user"]);
  if (username === "" && groups.length === 0) {
    const message = `Invalid value: "": at least one of user or group must be specified`;
    throw invalid(authorizationGroup, [{ reason: "FieldValueInvalid", message, field: "spec.user" }]);
  }
  return { username, groups };
}

function localSpec(spec: JsonObject, namespace: string): JsonObject {
  const resource = spec["resourceAttributes"];
  if (!isObject(resource) || text(resource["namespace"]) !== namespace) {
    const found = isObject(resource) ? text(resource["namespace"]) : "";
    const message = `Invalid value: ${JSON.stringify(found)}: must match metadata.namespace`;
    throw invalid(authorizationGroup, [
      { reason: "FieldValueInvalid", message, field: "spec.resourceAttributes.namespace" },
    ]);
  }
  return spec;
}

function requiredNamespace(spec: JsonObject): string {
  const namespace = text(spec["namespace"]);
  if (namespace === "") throw new ApiError("BadRequest", "no namespace on request");
  return namespace;
}

function rulesStatus(parts: ServerParts, user: UserInfo, namespace: string): object {
  const everything = [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ];
  const rules = user.groups.includes(mastersGroup) ? everything : parts.authorizer.rules(user, namespace);
  return {
    resourceRules: rules.filter((rule) => (rule.resources ?? []).length > 0),
    nonResourceRules: rules.filter((rule) => (rule.nonResourceURLs ?? []).length > 0),
    incomplete: false,
  };
}

async function tokenReview(parts: ServerParts, spec: JsonObject): Promise<Review> {
  const token = text(spec["token"]);
  if (token === "")
    throw new ApiError(
      "BadRequest",
      `token is required for TokenReview in ${authenticationGroup.split(".", 1).join("")}`,
    );
  const asks = Array.isArray(spec["audiences"])
    ? spec["audiences"].filter((audience) => typeof audience === "string")
    : [];
  try {
    const { user, audiences } = await parts.tokens.review(token, asks.length === 0 ? [issuer] : asks);
    return { spec, status: { authenticated: true, user, audiences } };
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const why = error.message === "invalid bearer token" ? error.message : `[invalid bearer token, ${error.message}]`;
    return { spec, status: { user: {}, error: why } };
  }
}
