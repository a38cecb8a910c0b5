import { ApiError } from "../api/meta/errors.ts";
import { forbidden as forbiddenField } from "../api/meta/faults.ts";
import { apiVersionOf } from "../api/meta/kind.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { ListOptions, RequestContext, Target, Verb } from "../api/meta/service.ts";
import type { KubeList, KubeObject } from "../api/meta/types.ts";
import type { Entry } from "../store/store.ts";
import { parseFieldSelector } from "./field-selector.ts";
import { copyJson, isObject } from "./json.ts";
import { parseLabelSelector } from "./label-selector.ts";
import { badRequest, invalidOptions, notFound, parseRevision, tooLargeRevision } from "./service-errors.ts";
import { keyOf, prefixOf } from "./service-names.ts";
import type { ServiceCore, Source } from "./service-types.ts";

/** Asks the authorizer, once per operation. */
export async function authorize(
  core: ServiceCore,
  { context, target }: { context: RequestContext; target: Target },
  verb: Verb,
): Promise<void> {
  const { kind, namespace, name, subresource } = target;
  await core.authorize(context.user, {
    verb,
    group: kind.group,
    version: kind.version,
    resource: kind.plural,
    ...(subresource === undefined ? {} : { subresource }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  });
}

/** The name that the request must have. */
export function nameOf(target: Target): string {
  if (target.name === undefined || target.name === "") throw badRequest("name must be provided");
  return target.name;
}

/** The stored entry that the request is about, or `NotFound`. */
export function findEntry(core: ServiceCore, target: Target): Entry {
  const name = nameOf(target);
  const entry = core.source(target.kind).view.get(keyOf(target.kind, target.namespace, name));
  if (entry === undefined) throw notFound(target.kind, name);
  return entry;
}

/** Whether an object meets both selectors; `everything` says that there is nothing to ask. */
export function parseSelectors(
  kind: Kind,
  options: Pick<ListOptions, "labelSelector" | "fieldSelector">,
): { everything: boolean; matches: (object: KubeObject) => boolean } {
  const { labelSelector = "", fieldSelector = "" } = options;
  const byLabels = parseLabelSelector(labelSelector);
  const byFields = parseFieldSelector(fieldSelector, kind);
  const everything = labelSelector.trim() === "" && fieldSelector === "";
  return { everything, matches: (object) => byLabels(object) && byFields(object) };
}

export async function getObject(core: ServiceCore, context: RequestContext, target: Target): Promise<KubeObject> {
  nameOf(target);
  await authorize(core, { context, target }, "get");
  return copyJson(findEntry(core, target).value);
}

export async function listObjects(
  core: ServiceCore,
  { context, target }: { context: RequestContext; target: Target },
  options: ListOptions,
): Promise<KubeList<KubeObject>> {
  await authorize(core, { context, target }, "list");
  return selectList(core, target, options);
}

/** Where a paged list goes on: at which revision, after which key. */
interface Continue {
  revision: number;
  after: string;
}

/** The list, without authorization. Its items are the stored, frozen objects. */
export function selectList(core: ServiceCore, target: Target, options: ListOptions): KubeList<KubeObject> {
  const { kind, namespace } = target;
  const source = core.source(kind);
  const { everything, matches } = parseSelectors(kind, options);
  const from = parseContinue(options);
  const prefix = prefixOf(kind, namespace);
  const { entries, revision } = snapshot(source, { prefix, options, from });
  // Kubernetes answers "any version" from its cache, whole.
  const limited = (options.limit ?? 0) > 0 && options.resourceVersion !== "0";
  const limit = limited ? (options.limit ?? 0) : Number.POSITIVE_INFINITY;
  const items: KubeObject[] = [];
  let last = "";
  let index = 0;
  for (; index < entries.length && items.length < limit; index += 1) {
    const entry = entries[index];
    if (entry === undefined || (from !== undefined && entry.key < prefix + from.after)) continue;
    if (!everything && !matches(entry.value)) continue;
    items.push(entry.value);
    last = entry.key;
  }
  const metadata: KubeList<KubeObject>["metadata"] = { resourceVersion: String(revision) };
  if (index < entries.length) {
    metadata.continue = formatContinue({ revision, after: `${last.slice(prefix.length)}\0` });
    if (everything) metadata.remainingItemCount = entries.length - index;
  }
  return { apiVersion: apiVersionOf(kind), kind: kind.listKind, metadata, items };
}

/** The entries to choose from, all of one revision. */
function snapshot(
  source: Source,
  { prefix, options, from }: { prefix: string; options: ListOptions; from: Continue | undefined },
): { entries: readonly Entry[]; revision: number } {
  const { view } = source;
  const current = source.revision();
  if (from !== undefined) {
    if (from.revision < 0) return { entries: view.range(prefix), revision: current };
    const entries = view.rangeAt(prefix, from.revision);
    if (entries !== undefined) return { entries, revision: from.revision };
    throw new ApiError("Expired", expiredContinue, { continue: formatContinue({ revision: -1, after: from.after }) });
  }
  const { resourceVersion = "", resourceVersionMatch } = options;
  if (resourceVersion === "") {
    if (resourceVersionMatch === undefined) return { entries: view.range(prefix), revision: current };
    const why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
    throw invalidOptions("ListOptions", forbiddenField("resourceVersionMatch", why));
  }
  const asked = parseRevision(resourceVersion, `resourceVersion: Invalid value: ${JSON.stringify(resourceVersion)}: `);
  if (asked > current) throw tooLargeRevision(asked, current);
  if (resourceVersionMatch !== "Exact") return { entries: view.range(prefix), revision: current };
  const entries = view.rangeAt(prefix, asked);
  if (entries === undefined) throw new ApiError("Expired", "The resourceVersion for the provided list is too old.");
  return { entries, revision: asked };
}

const expiredContinue =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the " +
  "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with " +
  "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the " +
  "first chunk was returned and now may show up in the list.";

function formatContinue({ revision, after }: Continue): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: after })).toString("base64url");
}

function parseContinue(options: ListOptions): Continue | undefined {
  const token = options.continue ?? "";
  if (token === "") return undefined;
  const { resourceVersion = "" } = options;
  if (resourceVersion !== "" && resourceVersion !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (isObject(parsed)) {
      const { v, rv, start } = parsed;
      if (v === "meta.k8s.io/v1" && typeof rv === "number" && Number.isSafeInteger(rv) && typeof start === "string") {
        return { revision: rv, after: start };
      }
    }
  } catch {
    // The same answer as to JSON of another form.
  }
  throw badRequest("invalid continue token: continue key is not valid: start the list anew without it");
}
