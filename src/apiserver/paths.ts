/** Requests that are not about resources: health, version, metrics, discovery and OpenAPI. */
import type { FastifyReply, FastifyRequest } from "fastify";

import { ApiError } from "../api/meta/errors.ts";
import type { ServerParts } from "./context.ts";
import { aggregatedGroups, aggregatedType, aggregatedVersion } from "./discovery-aggregated.ts";
import { negotiate } from "./negotiate.ts";
import { sendOpenApi } from "./openapi-answer.ts";
import { type PathRequest, queryOf } from "./request-info.ts";
import { commonHeaders, sendNoPage, sendObject, sendText } from "./respond.ts";

const metricsType = "text/plain; version=0.0.4; charset=utf-8";
const health = ["/livez", "/readyz", "/healthz"];

/** Paths that need no credentials. */
export function isOpenPath(path: string): boolean {
  return path === "/version" || health.some((root) => path === root || path.startsWith(`${root}/`));
}

/** Answers such a request. */
export function handlePath(
  parts: ServerParts,
  request: FastifyRequest,
  { reply, info }: { reply: FastifyReply; info: PathRequest },
): FastifyReply {
  const { path, verb } = info;
  if (verb !== "get" && verb !== "head") {
    if (known(parts, path) === undefined) return sendNoPage(reply);
    throw new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource", {
      details: {},
    });
  }
  const query = queryOf(request.raw.url);
  if (isOpenPath(path) && path !== "/version") return sendHealth(parts, reply, { path, verbose: query.has("verbose") });
  if (path.startsWith("/openapi/")) return sendOpenApi(parts.openapi, request, { reply, path, query });
  if (path === "/api" || path === "/apis") {
    const version = aggregatedVersion(request.headers.accept);
    if (version !== undefined) return sendAggregated(parts, reply, { core: path === "/api", version });
  }
  if (path === "/metrics" && parts.metrics !== undefined) {
    return reply.code(200).headers(commonHeaders()).header("content-type", metricsType).send(parts.metrics());
  }
  const answer = known(parts, path);
  if (answer === undefined) return sendNoPage(reply);
  const pretty = query.get("pretty") === "true";
  return sendObject(reply, answer, { form: negotiate(request.headers.accept, { pretty, transformable: false }) });
}

function sendAggregated(
  parts: ServerParts,
  reply: FastifyReply,
  options: { core: boolean; version: string },
): FastifyReply {
  const answer = aggregatedGroups(parts.kinds, parts.discovery.groupVersions, options);
  const type = aggregatedType(options.version);
  // As bytes: the framework would change the type of text, and clients compare it.
  return reply
    .headers({ ...commonHeaders(), vary: "Accept" })
    .header("content-type", type)
    .send(Buffer.from(JSON.stringify(answer)));
}

function known(parts: ServerParts, path: string): object | undefined {
  const { discovery } = parts;
  const [, root, group, version] = path.split("/");
  if (path === "/") return { paths: rootPaths(parts) };
  if (path === "/version") return versionInfo(parts.version);
  if (path === "/api") return discovery.core;
  if (path === "/apis") return discovery.groups;
  if (root === "api" && group !== undefined && version === undefined) return discovery.resources("", group);
  if (root === "apis" && group !== undefined)
    return version === undefined ? discovery.group(group) : discovery.resources(group, version);
  return undefined;
}

function rootPaths({ discovery }: ServerParts): string[] {
  const groups = discovery.groupVersions.flatMap(({ group, version }) =>
    group === "" ? [`/api/${version}`] : [`/apis/${group}`, `/apis/${group}/${version}`],
  );
  return ["/api", "/apis", ...groups, ...health, "/openapi/v3", "/version"].sort();
}

/** The Kubernetes version whose API this is, as far as clients need to know one, with Elafros' own behind. */
function versionInfo(version: string): object {
  return {
    major: "1",
    minor: "32",
    gitVersion: `v1.32.0+elafros.${version}`,
    gitCommit: "",
    gitTreeState: "",
    buildDate: "",
    goVersion: "",
    compiler: "",
    platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
}

function sendHealth(
  parts: ServerParts,
  reply: FastifyReply,
  { path, verbose }: { path: string; verbose: boolean },
): FastifyReply {
  const [, root = "", one] = path.split("/");
  const checks: Record<string, string | undefined> = { ping: undefined, ...(root === "livez" ? {} : parts.checks?.()) };
  if (one !== undefined) {
    if (!Object.hasOwn(checks, one)) return sendNoPage(reply);
    return checks[one] === undefined ? sendText(reply, 200, "ok") : sendText(reply, 500, `${checks[one]}\n`);
  }
  const failed = Object.values(checks).some((problem) => problem !== undefined);
  if (!failed && !verbose) return sendText(reply, 200, "ok");
  const lines = Object.entries(checks).map(([name, problem]) =>
    problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`,
  );
  return sendText(reply, failed ? 500 : 200, `${lines.join("\n")}\n${root} check ${failed ? "failed" : "passed"}\n`);
}
