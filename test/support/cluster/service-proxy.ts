/** The `proxy` subresource of Services: a request goes on to one of the ready Pods behind a Service, as an API server sends it. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { ApiError } from "../../../src/api/meta/errors.ts";
import type { ResourceRequest } from "../../../src/apiserver/request-info.ts";
import { splitUrl } from "../../../src/apiserver/request-info.ts";
import type { ControllerParts } from "./controllers/tools.ts";
import { behind } from "./nodes/names.ts";

/** What would tell the Pod who asks, or is for this hop alone. */
const left = new Set([
  "authorization",
  "connection",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Sends it on; `info.name` is `[SCHEME:]SERVICE[:PORT]`. */
export async function proxyToService(
  parts: ControllerParts,
  info: ResourceRequest,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const words = info.name.split(":");
  const [scheme, name = "", port = ""] = words.length === 3 ? words : ["http", ...words];
  const place = behind(parts, `${info.namespace}/${name}`, port);
  if (place === undefined) {
    throw new ApiError("ServiceUnavailable", `no endpoints available for service ${JSON.stringify(info.name)}`);
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([field]) => !left.has(field) && !field.startsWith("x-remote-")),
  );
  const [, search] = splitUrl(request.url ?? "/");
  const path = `/${info.rest.map(encodeURIComponent).join("/")}${search === "" ? "" : `?${search}`}`;
  const to = { host: place.address, port: place.port, method: request.method, path, headers, agent: false as const };
  // As an API server, which can't know who vouches for what is inside.
  const onward = scheme === "https" ? tlsRequest({ ...to, rejectUnauthorized: false }) : plainRequest(to);
  const answered = once(onward, "response") as Promise<[IncomingMessage]>;
  const sent = pipeline(request, onward);
  sent.catch(() => {}); // an answer may come before everything is sent
  const [answer] = await answered.catch((error: Error) => {
    throw new ApiError("ServiceUnavailable", `error trying to reach service: ${error.message}`);
  });
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, response);
}
