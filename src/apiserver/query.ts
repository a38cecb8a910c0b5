/** Query parameters of API requests, read into the service's options, with Kubernetes' wording for what can't be read. */
import { ApiError, type Cause } from "../api/meta/errors.ts";
import type { DeleteOptions, FieldValidation, ListOptions, WatchOptions, WriteOptions } from "../api/meta/service.ts";
import { isTrue } from "./request-info.ts";

/** A refusal of request options, worded as Kubernetes words it. */
function invalidOptions(kind: string, causes: Cause[]): ApiError {
  const text = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const summary = text.length === 1 ? text.join("") : `[${text.join(", ")}]`;
  return new ApiError("Invalid", `${kind}.meta.k8s.io "" is invalid: ${summary}`, {
    details: { group: "meta.k8s.io", kind, causes },
  });
}

/** A query's integer; undefined when absent or empty. */
export function readInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d{1,18}$/.test(text)) {
    throw new ApiError("BadRequest", `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

function readText(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  return text === null || text === "" ? undefined : text;
}

/** Options of create, update and patch. `kind` names them in refusals (`CreateOptions`). */
export function readWriteOptions(query: URLSearchParams, kind: string): WriteOptions {
  const options: WriteOptions = {};
  const causes: Cause[] = [];
  if (readDryRun(query.getAll("dryRun"), causes)) options.dryRun = true;
  const validation = readText(query, "fieldValidation");
  if (validation === "Strict" || validation === "Warn" || validation === "Ignore") {
    options.fieldValidation = validation satisfies FieldValidation;
  } else if (validation !== undefined) {
    const supported = `supported values: "", "Ignore", "Strict", "Warn"`;
    causes.push(notSupported("fieldValidation", validation, supported));
  }
  const manager = readText(query, "fieldManager");
  if (manager !== undefined) {
    if (manager.length > 128) {
      causes.push({
        reason: "FieldValueTooLong",
        message: "Too long: may not be longer than 128",
        field: "fieldManager",
      });
    }
    options.fieldManager = manager;
  }
  if (causes.length > 0) throw invalidOptions(kind, causes);
  return options;
}

function notSupported(field: string, value: string, supported: string): Cause {
  return {
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${JSON.stringify(value)}: ${supported}`,
    field,
  };
}

function readDryRun(values: readonly string[], causes: Cause[]): boolean {
  let dryRun = false;
  for (const value of values) {
    if (value === "All") dryRun = true;
    else if (value !== "") causes.push(notSupported("dryRun", value, `supported values: "All"`));
  }
  return dryRun;
}

/** Options of list. */
export function readListOptions(query: URLSearchParams): ListOptions {
  const options: ListOptions = { ...readSelectors(query) };
  const limit = readInteger(query, "limit");
  if (limit !== undefined && limit > 0) options.limit = limit;
  const token = readText(query, "continue");
  if (token !== undefined) options.continue = token;
  const match = readText(query, "resourceVersionMatch");
  if (match !== undefined) options.resourceVersionMatch = readMatch(match, query, "list");
  if (isTrue(query.get("sendInitialEvents")) || query.get("sendInitialEvents") === "false") {
    throw invalidOptions("ListOptions", [forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]);
  }
  return options;
}

function forbidden(field: string, why: string): Cause {
  return { reason: "FieldValueForbidden", message: `Forbidden: ${why}`, field };
}

function readMatch(match: string, query: URLSearchParams, verb: "list" | "watch"): "Exact" | "NotOlderThan" {
  const causes: Cause[] = [];
  const initial = isTrue(query.get("sendInitialEvents"));
  if (verb === "watch" && !initial) {
    causes.push(
      forbidden(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
      ),
    );
  }
  if (verb === "list" && readText(query, "resourceVersion") === undefined) {
    causes.push(
      forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
    );
  }
  if (readText(query, "continue") !== undefined) {
    causes.push(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"));
  }
  if (match !== "Exact" && match !== "NotOlderThan") {
    causes.push(notSupported("resourceVersionMatch", match, `supported values: "Exact", "NotOlderThan"`));
  } else if (match === "Exact" && query.get("resourceVersion") === "0") {
    causes.push(forbidden("resourceVersionMatch", 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'));
  }
  if (causes.length > 0) throw invalidOptions("ListOptions", causes);
  return match as "Exact" | "NotOlderThan";
}

/** Options of watch. */
export function readWatchOptions(query: URLSearchParams): WatchOptions {
  const options: WatchOptions = { ...readSelectors(query) };
  if (isTrue(query.get("allowWatchBookmarks"))) options.allowBookmarks = true;
  const timeout = readInteger(query, "timeoutSeconds");
  if (timeout !== undefined && timeout > 0) options.timeoutSeconds = timeout;
  const initial = query.get("sendInitialEvents");
  if (initial !== null) {
    options.sendInitialEvents = isTrue(initial);
    if (readText(query, "resourceVersionMatch") !== "NotOlderThan") {
      throw invalidOptions("ListOptions", [
        forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
      ]);
    }
  }
  const match = readText(query, "resourceVersionMatch");
  if (match !== undefined) readMatch(match, query, "watch");
  return options;
}

function readSelectors(
  query: URLSearchParams,
): Pick<ListOptions, "labelSelector" | "fieldSelector" | "resourceVersion"> {
  const options: Pick<ListOptions, "labelSelector" | "fieldSelector" | "resourceVersion"> = {};
  const labels = readText(query, "labelSelector");
  if (labels !== undefined) options.labelSelector = labels;
  const fields = readText(query, "fieldSelector");
  if (fields !== undefined) options.fieldSelector = fields;
  const version = readText(query, "resourceVersion");
  if (version !== undefined) options.resourceVersion = version;
  return options;
}

/** Options of delete and deletecollection, from the body if there is one, else from the query. */
export function readDeleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  const fromBody = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const policy = fromBody["propagationPolicy"] ?? readText(query, "propagationPolicy");
  const orphan = fromBody["orphanDependents"] ?? readOrphan(query);
  const causes: Cause[] = [];
  const options: DeleteOptions = {};
  if (policy === "Background" || policy === "Foreground" || policy === "Orphan") options.propagationPolicy = policy;
  else if (policy !== undefined && policy !== null) {
    const supported = `supported values: "Foreground", "Background", "Orphan", "nil"`;
    causes.push(
      notSupported("propagationPolicy", typeof policy === "string" ? policy : JSON.stringify(policy), supported),
    );
  }
  if (orphan !== undefined && orphan !== null) {
    if (policy !== undefined && policy !== null) {
      causes.push({
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(policy)}: orphanDependents and deletionPropagation cannot be both set`,
        field: "propagationPolicy",
      });
    } else options.propagationPolicy = orphan === true ? "Orphan" : "Background";
  }
  const dryRun = fromBody["dryRun"];
  if (readDryRun(Array.isArray(dryRun) ? dryRun.map(String) : query.getAll("dryRun"), causes)) options.dryRun = true;
  const grace = fromBody["gracePeriodSeconds"] ?? readInteger(query, "gracePeriodSeconds");
  if (typeof grace === "number") {
    if (Number.isInteger(grace) && grace >= 0) options.gracePeriodSeconds = grace;
    else {
      const message = `Invalid value: ${JSON.stringify(grace)}: must be a whole number of seconds, 0 or more`;
      causes.push({ reason: "FieldValueInvalid", message, field: "gracePeriodSeconds" });
    }
  }
  if (causes.length > 0) throw invalidOptions("DeleteOptions", causes);
  const preconditions = readPreconditions(fromBody["preconditions"]);
  if (preconditions !== undefined) options.preconditions = preconditions;
  return options;
}

function readOrphan(query: URLSearchParams): boolean | undefined {
  const text = query.get("orphanDependents");
  return text === null ? undefined : isTrue(text);
}

function readPreconditions(value: unknown): DeleteOptions["preconditions"] {
  if (typeof value !== "object" || value === null) return undefined;
  const { uid, resourceVersion } = value as Record<string, unknown>;
  const preconditions: NonNullable<DeleteOptions["preconditions"]> = {};
  if (typeof uid === "string") preconditions.uid = uid;
  if (typeof resourceVersion === "string") preconditions.resourceVersion = resourceVersion;
  return preconditions;
}
