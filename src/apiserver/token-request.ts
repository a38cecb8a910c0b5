/** `serviceaccounts/NAME/token`: makes a token for a ServiceAccount (`kubectl create token`). */
import type { FastifyReply } from "fastify";

import { ApiError, type Cause } from "../api/meta/errors.ts";
import { rfc3339 } from "../lib/clock.ts";
import { decodeOptional } from "./body.ts";
import { formFor, type KindCall, rawBody } from "./call.ts";
import type { ServerParts } from "./context.ts";
import { isObject, type JsonObject } from "./json.ts";
import { systemUser } from "./rbac-cache.ts";
import { sendObject } from "./respond.ts";
import { checkType } from "./reviews.ts";
import { type BoundRef, issuer } from "./tokens.ts";

const apiVersion = "authentication.k8s.io/v1";
const defaultSeconds = 3600;
const leastSeconds = 600;
const mostSeconds = 2 ** 32;

/** Answers a TokenRequest. */
export async function handleToken(parts: ServerParts, call: KindCall): Promise<FastifyReply> {
  const { info, target, reply } = call;
  if (info.verb !== "create") {
    throw new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource", {
      details: {},
    });
  }
  const form = formFor(call);
  const body = (await decodeOptional(rawBody(call.request), "TokenRequest")) ?? {};
  checkType(body, { kind: "TokenRequest", apiVersion });
  const { metadata } = body as { metadata?: { name?: unknown } };
  if (metadata?.name !== undefined && metadata.name !== "" && metadata.name !== info.name) {
    throw new ApiError("BadRequest", `must match the service account name: ${JSON.stringify(metadata.name)}`);
  }
  const wanted = readSpec(body["spec"]);
  // The right to make tokens needs no right to read what they are for.
  const context = { ...call.context, user: systemUser };
  const account = await parts.service.get(context, target);
  const { name, namespace = "", uid = "" } = account.metadata;
  const bound = wanted.boundObjectRef === undefined ? undefined : await readBound(parts, call, wanted.boundObjectRef);
  const dryRun = call.query.get("dryRun") === "All";
  const issued = dryRun
    ? { token: "", expires: parts.clock.now() + wanted.expirationSeconds * 1000 }
    : await parts.tokens.issue({
        account: { namespace, name, uid },
        audiences: wanted.audiences,
        expirationSeconds: wanted.expirationSeconds,
        ...(bound === undefined ? {} : { bound }),
      });
  return sendObject(
    reply,
    {
      kind: "TokenRequest",
      apiVersion,
      metadata: { name, namespace, creationTimestamp: rfc3339(parts.clock.now()) },
      spec: { ...wanted, boundObjectRef: wanted.boundObjectRef ?? null },
      status: { token: issued.token, expirationTimestamp: rfc3339(issued.expires) },
    },
    { code: 201, form },
  );
}

interface TokenRequestSpec {
  audiences: string[];
  expirationSeconds: number;
  boundObjectRef?: JsonObject;
}

function readSpec(value: unknown): TokenRequestSpec {
  const spec = isObject(value) ? value : {};
  const audiences = Array.isArray(spec["audiences"])
    ? spec["audiences"].filter((one) => typeof one === "string" && one !== "")
    : [];
  const seconds = spec["expirationSeconds"] ?? defaultSeconds;
  const causes: Cause[] = [];
  const refuse = (why: string): void => {
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(seconds)}: ${why}`,
      field: "spec.expirationSeconds",
    });
  };
  if (typeof seconds !== "number" || !Number.isInteger(seconds)) refuse("must be an integer");
  else if (seconds < leastSeconds) refuse("may not specify a duration less than 10 minutes");
  else if (seconds > mostSeconds) refuse("may not specify a duration larger than 2^32 seconds");
  if (audiences.length > 64)
    causes.push({
      reason: "FieldValueTooMany",
      message: `Too many: ${audiences.length}: must have at most 64 items`,
      field: "spec.audiences",
    });
  if (causes.length > 0) {
    const group = "authentication.k8s.io";
    const text = causes.map(({ field, message }) => `${field}: ${message}`).join(", ");
    throw new ApiError("Invalid", `TokenRequest.${group} "" is invalid: ${text}`, {
      details: { group, kind: "TokenRequest", causes },
    });
  }
  const bound = spec["boundObjectRef"];
  return {
    audiences: audiences.length === 0 ? [issuer] : (audiences as string[]),
    expirationSeconds: seconds as number,
    ...(isObject(bound) ? { boundObjectRef: bound } : {}),
  };
}

/** The object that the token is bound to, as it is now; a given uid must be its. */
async function readBound(parts: ServerParts, call: KindCall, ref: JsonObject): Promise<BoundRef> {
  const { kind: kindName, name, uid } = ref;
  if ((kindName !== "Pod" && kindName !== "Secret") || typeof name !== "string") {
    throw new ApiError(
      "BadRequest",
      `cannot bind token for serviceaccount ${JSON.stringify(call.info.name)} to object of kind ${JSON.stringify(kindName)}: use Pod or Secret`,
    );
  }
  const kind = parts.kinds.find((candidate) => candidate.group === "" && candidate.kind === kindName);
  if (kind === undefined) throw new ApiError("NotFound", `${kindName} is not served`);
  const target = { kind, namespace: call.info.namespace, name };
  const object = await parts.service.get({ ...call.context, user: systemUser }, target);
  const found = object.metadata.uid ?? "";
  if (typeof uid === "string" && uid !== "" && uid !== found) {
    throw new ApiError(
      "Conflict",
      `the UID in the bound object reference (${uid}) does not match the UID in record (${found})`,
    );
  }
  return { kind: kindName, name, uid: found };
}
