/** Requests on resources: finds what the path names, and does what the verb says. */
import type { FastifyReply } from "fastify";

import { ApiError } from "../api/meta/errors.ts";
import { apiVersionOf, type Kind } from "../api/meta/kind.ts";
import type { RequestContext, Target } from "../api/meta/service.ts";
import type { KubeList, KubeObject } from "../api/meta/types.ts";
import { decodeObject, decodeOptional, decodePatch } from "./body.ts";
import {
  closeSignal,
  formFor,
  includeObject,
  type KindCall,
  notFound,
  rawBody,
  type ResourceCall,
  transformObject,
} from "./call.ts";
import type { ServerParts } from "./context.ts";
import type { JsonObject } from "./json.ts";
import type { Negotiated } from "./negotiate.ts";
import { handlePodSubresource } from "./pods.ts";
import { qualifiedResource, queryOf, type ResourceRequest } from "./request-info.ts";
import { readDeleteOptions, readListOptions, readWriteOptions } from "./query.ts";
import { sendListing } from "./respond-list.ts";
import { sendNoPage, sendObject, successStatus, warningHeaders } from "./respond.ts";
import { handleReview } from "./reviews.ts";
import { handleSource, isSourceRequest } from "./sources.ts";
import { rbacGroup } from "./rbac.ts";
import { metadataListHead, partialMetadata, tableHead, tableRow } from "./table.ts";
import { handleToken } from "./token-request.ts";
import { streamWatch } from "./watch.ts";

/** Answers a request that was allowed. */
export async function handleResource(parts: ServerParts, call: ResourceCall): Promise<FastifyReply> {
  const { info, request, reply } = call;
  if (isSourceRequest(info)) return handleSource(parts, call);
  const query = queryOf(request.raw.url);
  const review = await handleReview(parts, call);
  if (review !== undefined) return review;
  const kind = parts.kinds.find(
    (candidate) =>
      candidate.group === info.group && candidate.version === info.version && candidate.plural === info.resource,
  );
  if (kind === undefined) return notServed(reply, info);
  const inNamespace = info.namespace !== "" && !(kind.plural === "namespaces" && kind.group === "");
  const wide = kind.namespaced && !inNamespace;
  if (inNamespace && !kind.namespaced) return notServed(reply, info);
  if (wide && (info.named || !["list", "watch"].includes(info.verb))) return notServed(reply, info);

  const target: Target = { kind };
  if (kind.namespaced && inNamespace) target.namespace = info.namespace;
  // Lists have a name where a field selector names the one object: roles may allow just that.
  if (info.name !== "") target.name = info.name;
  const context: RequestContext = { user: call.user, warnings: [], signal: closeSignal(reply) };
  const full: KindCall = { ...call, target, kind, query, context };
  if (info.rest.length > 0 && info.resource !== "pods") return notServed(reply, info);
  if (info.subresource === "status" && kind.hasStatus) target.subresource = "status";
  else if (info.subresource !== "") return handleSubresource(parts, full);
  return handleKind(parts, full);
}

function notServed(reply: FastifyReply, info: ResourceRequest): FastifyReply {
  // Kubernetes answers so by where the path leads: its own groups have a Status, others plain text.
  if (info.group !== "" && !info.group.endsWith(".k8s.io")) return sendNoPage(reply);
  throw new ApiError("NotFound", "the server could not find the requested resource", { details: {} });
}

async function handleSubresource(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { kind, info } = call;
  if (kind.group === "" && kind.plural === "pods") return handlePodSubresource(parts, call);
  if (kind.group === "" && kind.plural === "serviceaccounts" && info.subresource === "token")
    return handleToken(parts, call);
  throw notFound(kind, info.name);
}

async function handleKind(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { info, query, context, target, request } = call;
  const { service } = parts;
  const collection = !info.named;
  if (collection && (info.verb === "update" || info.verb === "patch"))
    throw new ApiError("BadRequest", "name must be provided");
  switch (info.verb) {
    case "watch":
      return streamWatch(parts, call);
    case "list": {
      const form = formFor(call);
      const list = await service.list(context, target, readListOptions(query));
      return sendList(parts, call, { list, form });
    }
    case "get": {
      const form = formFor(call);
      const object = await service.get(context, target);
      return sendOne(parts, call, { object, form });
    }
    case "create": {
      const form = formFor(call);
      const options = readWriteOptions(query, "CreateOptions");
      const { name: pathName, ...place } = target;
      const { value, faults } = await decodeObject(rawBody(request), target.kind.kind);
      completeType(target.kind, value);
      if (pathName !== undefined) checkName(value, pathName);
      const object = await service.create(context, place, value, { ...options, decodeFaults: faults });
      await settle(parts, call, { object, gone: false, dryRun: options.dryRun });
      return sendOne(parts, call, { object, form, code: 201 });
    }
    case "update": {
      const form = formFor(call);
      const options = readWriteOptions(query, "UpdateOptions");
      const { value, faults } = await decodeObject(rawBody(request), target.kind.kind);
      completeType(target.kind, value);
      const object = await service.update(context, target, value, { ...options, decodeFaults: faults });
      await settle(parts, call, { object, gone: false, dryRun: options.dryRun });
      return sendOne(parts, call, { object, form });
    }
    case "patch": {
      const form = formFor(call);
      const options = readWriteOptions(query, "PatchOptions");
      const { faults, ...patch } = await decodePatch(rawBody(request));
      const object = await service.patch(context, target, patch, { ...options, decodeFaults: faults });
      await settle(parts, call, { object, gone: false, dryRun: options.dryRun });
      return sendOne(parts, call, { object, form });
    }
    case "delete":
      return handleDelete(parts, call);
    case "deletecollection": {
      const form = formFor(call);
      const body = await decodeOptional(rawBody(request), "DeleteOptions");
      const options = { ...readListOptions(query), ...readDeleteOptions(query, body) };
      const list = await service.deleteCollection(context, target, options);
      return sendList(parts, call, { list, form });
    }
    default:
      throw notSupported(info, "");
  }
}

function notSupported({ group, resource }: ResourceRequest, verb: string): ApiError {
  return new ApiError(
    "MethodNotAllowed",
    `${verb} is not supported on resources of kind ${JSON.stringify(qualifiedResource(resource, group))}`,
    { details: { ...(group === "" ? {} : { group }), kind: resource } },
  );
}

async function handleDelete(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { kind, target, query, context, request } = call;
  if (target.subresource !== undefined) {
    throw notSupported(call.info, "delete");
  }
  const form = formFor(call);
  const body = await decodeOptional(rawBody(request), "DeleteOptions");
  const options = readDeleteOptions(query, body);
  const { object, gone } = await parts.service.delete(context, target, options);
  await settle(parts, call, { object, gone, dryRun: options.dryRun });
  if (!gone) return sendOne(parts, call, { object, form });
  addWarnings(call);
  const { name, uid } = object.metadata;
  return sendObject(call.reply, successStatus({ name, group: kind.group, kind: kind.plural, uid }), { form });
}

/** A role or binding that was written counts before its writer is answered. */
async function settle(
  parts: ServerParts,
  call: KindCall,
  { object, gone, dryRun }: { object: KubeObject; gone: boolean; dryRun: boolean | undefined },
): Promise<void> {
  await parts.turns.take(); // one transaction ends many requests at once
  if (call.kind.group === rbacGroup && dryRun !== true) await parts.authorizer.settled(object, gone);
}

/** Kubernetes' own kinds may be sent without saying what they are (its typed clients do so), others not. */
function completeType(kind: Kind, body: JsonObject): void {
  if (kind.group !== "" && !kind.group.endsWith(".k8s.io")) return;
  if (textOf(body["kind"]) === "") body["kind"] = kind.kind;
  if (textOf(body["apiVersion"]) === "") body["apiVersion"] = apiVersionOf(kind);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function checkName(body: unknown, name: string): void {
  const { metadata } = body as { metadata?: { name?: unknown } };
  if (metadata?.name !== name) {
    throw new ApiError(
      "BadRequest",
      `the name of the object (${textOf(metadata?.name)}) does not match the name on the URL (${name})`,
    );
  }
}

function sendList(
  parts: ServerParts,
  call: KindCall,
  { list, form }: { list: KubeList<KubeObject>; form: Negotiated },
): FastifyReply {
  addWarnings(call);
  const { kind, query, reply } = call;
  const { items, ...head } = list;
  if (form.transform === "Table") {
    const options = { now: parts.clock.now(), include: includeObject(query) };
    const show = (object: KubeObject): unknown => tableRow(kind, object, options);
    return sendListing(
      reply,
      { head: { ...tableHead(kind, list.metadata) }, field: "rows", entries: items, show },
      form,
    );
  }
  if (form.transform === undefined)
    return sendListing(reply, { head, field: "items", entries: items, show: (item) => item }, form);
  return sendListing(
    reply,
    { head: metadataListHead(list), field: "items", entries: items, show: partialMetadata },
    form,
  );
}

function sendOne(
  parts: ServerParts,
  call: KindCall,
  { object, form, code }: { object: KubeObject; form: Negotiated; code?: number },
): FastifyReply {
  addWarnings(call);
  return sendObject(call.reply, transformObject(parts, call, { object, form }), {
    form,
    ...(code === undefined ? {} : { code }),
  });
}

function addWarnings({ reply, context }: Pick<KindCall, "reply" | "context">): void {
  const values = warningHeaders(context.warnings);
  if (values.length > 0) reply.header("warning", values);
}
