/**
 * What a real Kubernetes API server answered, exchange by exchange, compared with what the service answers. The comparison
 * leaves out what differs from run to run (times; uids and resourceVersions are translated) and what Elafros adds on purpose.
 */
import { readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { ApiError } from "../api/meta/errors.ts";
import type { Cause } from "../api/meta/errors.ts";
import type { DeleteOptions, FieldValidation, ListOptions, Target } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { Namespace } from "../api/namespace.ts";
import { recordedRoute } from "../../test/support/recordings/route.ts";
import { serviceBench } from "../../test/support/service.ts";
import type { ServiceBench } from "../../test/support/service.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { isObject } from "./json.ts";
import type { JsonObject } from "./json.ts";

interface Exchange {
  file: string;
  note: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  type?: string;
  body?: unknown;
  status: number;
  warning?: string | string[];
  answer: unknown;
}

const exchanges = readFileSync(new URL("../../test/support/recordings/routes.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Exchange);

/** Exchanges that aren't the service's to answer, or that Elafros answers otherwise, with the reason. */
const otherwise: Record<string, string> = {
  "fieldValidation with a wrong value": "the transport reads options",
  "dryRun with a wrong value": "the transport reads options",
  "unknown policy": "the transport reads options",
  "policy and orphanDependents": "the transport reads options",
  "DELETE with a body of another kind": "the transport reads options",
  "force on a merge patch": "the transport reads options",
  "wrong apiVersion": "warns of fields that the right version has",
  "limit not a number": "the transport reads options",
  "single GET with a resourceVersion in the future": "the transport reads options",
  "cluster-wide POST of a namespaced kind": "the transport reads paths",
  "no kind": "repeats the body's text, which the service doesn't see",
  "only the wrong-case field": "names are matched without regard to case",
  "only the wrong-case field, Ignore": "names are matched without regard to case",
  "unknown field in a merge patch, Strict": "repeats the whole object with its managedFields",
  "percent 100.0": "in JavaScript 100.0 is 100",
  "duplicate key in a list map": "the value is told as JSON, not as Go",
  "two controllers in ownerReferences": "the value is told as JSON, not as Go",
  "bad continue": "tells the way out instead of the parser's words",
  "resourceVersion=0": "lists always have an order",
};

/** Translates the recording's uids and resourceVersions into ours, and back. */
class Dictionary {
  readonly #ours = new Map<string, string>();

  /** Learns from two answers to the same request. */
  learn(recorded: unknown, ours: unknown): void {
    if (Array.isArray(recorded) && Array.isArray(ours)) {
      for (const [index, item] of recorded.entries()) this.learn(item, ours[index]);
    }
    if (!isObject(recorded) || !isObject(ours)) return;
    for (const [name, value] of Object.entries(recorded)) {
      const mine = ours[name];
      const identity = name === "uid" || name === "resourceVersion" || name === "continue";
      if (identity && typeof value === "string" && typeof mine === "string" && value !== "")
        this.#ours.set(value, mine);
      else this.learn(value, mine);
    }
  }

  /** Learns of an object that was made before the recording begins, from what an exchange says of it. */
  learnIdentity(exchange: string, { metadata }: KubeObject): void {
    const [, revision] = /record \((\d+)\)/.exec(exchange) ?? [];
    if (revision !== undefined && metadata.resourceVersion !== undefined)
      this.#ours.set(revision, metadata.resourceVersion);
    const recorded = [...exchange.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g)].map(([uid]) => uid);
    const [uid] = recorded.filter((one) => !one.startsWith("00000000"));
    if (uid !== undefined && metadata.uid !== undefined) this.#ours.set(uid, metadata.uid);
  }

  toOurs<T>(value: T): T {
    let text = JSON.stringify(value);
    for (const [recorded, mine] of this.#ours) {
      if (recorded.length > 6) text = text.replaceAll(recorded, mine);
      else
        text = text.replaceAll(
          new RegExp(`("resourceVersion":"|resourceVersion=)${recorded}(?=["&])`, "g"),
          `$1${mine}`,
        );
    }
    return JSON.parse(text) as T;
  }

  toRecorded(text: string): string {
    let result = text;
    for (const [recorded, mine] of this.#ours) {
      const place = mine.length > 6 ? mine : new RegExp(`(?<=record \\()${mine}(?=\\))|(?<=current: )${mine}$`, "g");
      result = result.replaceAll(place, recorded);
    }
    return result;
  }
}

/** An answer without what differs from run to run or on purpose. */
function comparable(answer: unknown): unknown {
  const copy = sorted(answer);
  tidy(copy);
  return copy;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => sorted(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((name) => [name, sorted(value[name])]),
  );
}

function tidy(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) tidy(item);
  if (!isObject(value)) return;
  if (isObject(value["metadata"])) tidyMetadata(value["metadata"]);
  if (value["kind"] === "Status") tidyStatus(value);
  for (const child of Object.values(value)) tidy(child);
}

function tidyMetadata(metadata: JsonObject): void {
  for (const name of ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "selfLink"]) {
    delete metadata[name];
  }
  if (metadata["generateName"] !== undefined) metadata["name"] = String(metadata["name"]).slice(0, -5);
  if (metadata["continue"] === "") delete metadata["continue"];
  else if (metadata["continue"] !== undefined) metadata["continue"] = "…";
  // Generation grows with spec and with nothing else here; Kubernetes also counts the deletion of a custom resource.
  if (metadata["deletionGracePeriodSeconds"] !== undefined) delete metadata["generation"];
  const annotations = metadata["annotations"];
  if (!isObject(annotations)) return;
  delete annotations["elafros.dev/creator"];
  delete annotations["elafros.dev/last-modifier"];
  if (Object.keys(annotations).length === 0) delete metadata["annotations"];
}

function tidyStatus(status: JsonObject): void {
  // Kubernetes answers some errors without a reason.
  if (status["reason"] === "InternalError") delete status["reason"];
  if (typeof status["message"] === "string")
    status["message"] = status["message"].replace(/current: \d+$/, "current: …");
  const { details } = status;
  if (!isObject(details) || !Array.isArray(details["causes"])) return;
  // Which operation of a JSON patch failed is told here in a cause.
  if (details["causes"].some((cause) => isObject(cause) && cause["field"] === "patch")) delete details["causes"];
}

/** Whether the answers are the same, as far as they can be. */
function same(expected: unknown, actual: unknown): boolean {
  const causes = causesOf(expected);
  // Kubernetes leaves its rules unchecked where the schema finds faults, and says so. Here all faults come at once.
  if (causes.some(({ field }) => field === "<nil>")) {
    const known = new Set(causesOf(actual).map((cause) => JSON.stringify(cause)));
    return causes.every((cause) => cause.field === "<nil>" || known.has(JSON.stringify(cause)));
  }
  // It also tells some faults twice.
  if (new Set(causes.map((cause) => JSON.stringify(cause))).size < causes.length) {
    return causesOf(actual).every((cause) => causes.some((other) => JSON.stringify(other) === JSON.stringify(cause)));
  }
  return JSON.stringify(expected) === JSON.stringify(actual);
}

function causesOf(answer: unknown): Cause[] {
  const { details } = answer as { details?: { causes?: Cause[] } };
  return details?.causes ?? [];
}

/** Does what the request asks for; gives the answer with its warnings. */
async function ask(
  bench: ServiceBench,
  exchange: Exchange,
): Promise<{ answer: unknown; code: number; warnings: string[] }> {
  const { service, as } = bench;
  const [pathname = "", search = ""] = exchange.path.split("?");
  const query = new URLSearchParams(search);
  const found = /^\/apis\/elafros.dev\/v1alpha1\/(?:namespaces\/([^/]+)\/)?routes(?:\/([^/]+))?(?:\/(status))?$/.exec(
    pathname,
  );
  const [, namespace, name, subresource] = found ?? [];
  const target: Target = {
    kind: recordedRoute,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === "status" ? { subresource } : {}),
  };
  const context = as("recorder", "system:masters");
  const write = {
    dryRun: query.get("dryRun") === "All",
    ...(query.has("fieldValidation") ? { fieldValidation: query.get("fieldValidation") as FieldValidation } : {}),
  };
  const listed: ListOptions & DeleteOptions = { dryRun: write.dryRun };
  for (const option of [
    "labelSelector",
    "fieldSelector",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
  ] as const) {
    const value = query.get(option);
    if (value !== null) (listed as Record<string, unknown>)[option] = value;
  }
  if (query.has("limit")) listed.limit = Number(query.get("limit"));
  const removal = { ...(exchange.body as DeleteOptions | undefined), dryRun: write.dryRun };
  if (query.has("propagationPolicy")) {
    removal.propagationPolicy = query.get("propagationPolicy") as "Background" | "Foreground" | "Orphan";
  }
  const operations = {
    GET: () => (name === undefined ? service.list(context, target, listed) : service.get(context, target)),
    POST: () => service.create(context, target, exchange.body, write),
    PUT: () => service.update(context, target, exchange.body, write),
    PATCH: () => {
      const type = exchange.type === "application/json-patch+json" ? "json" : "merge";
      return service.patch(context, target, { type, body: exchange.body }, write);
    },
    DELETE: async () => {
      if (name === undefined) return service.deleteCollection(context, target, listed);
      const { object, gone } = await service.delete(context, target, removal);
      if (!gone) return object;
      const details = { name, group: "elafros.dev", kind: "routes", uid: object.metadata.uid };
      return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
    },
  };
  try {
    const answer = await operations[exchange.method]();
    return { answer, code: exchange.method === "POST" ? 201 : 200, warnings: context.warnings };
  } catch (error) {
    const { code } = ApiError.from(error);
    if (!(error instanceof ApiError)) throw error;
    return { answer: error.toStatus(), code, warnings: context.warnings };
  }
}

/** Makes what the recordings found there. */
async function prepare(bench: ServiceBench): Promise<void> {
  const { service, as } = bench;
  for (const name of ["recordings", "recordings2", "lists"]) {
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    await service.create(as("recorder"), { kind: Namespace }, namespace);
  }
  const spec = { rollout: { traffic: [{ configurationName: "a", percent: 100 }] } };
  const route = (namespace: string, name: string, labels?: object): Promise<KubeObject> =>
    service.create(
      as("recorder"),
      { kind: recordedRoute, namespace },
      { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name, labels }, spec },
    );
  for (let n = 0; n < 5; n += 1) await route("lists", `l${n}`, { n: String(n), even: String(n % 2 === 0) });
  const status = { domain: "l1.example", conditions: [{ type: "Ready", status: "False", reason: "NoTraffic" }] };
  const place = { kind: recordedRoute, namespace: "lists", name: "l1", subresource: "status" } as const;
  await service.patch(as("recorder"), place, { type: "merge", body: { status } });
}

/** What recordings changed outside of the exchanges. */
const created: Record<string, string> = {
  "precondition uid wrong": "del-a",
  Background: "del-b",
  "Foreground: finalizer, the collector takes it off": "del-c",
  Orphan: "del-d",
  "unknown policy": "del-e",
  "DELETE body unknown field": "del-e",
  "dependent with an ownerReference": "own",
};

describe("service", () => {
  test("answers as Kubernetes did, exchange by exchange", async () => {
    const kinds = [recordedRoute, Namespace];
    const bench = await serviceBench({ kinds });
    const { store, options, service, as } = bench;
    await prepare(bench);
    const housekeeping = await startHousekeeping({ ...options, store });
    onTestFinished(() => housekeeping.stop());
    const words = new Dictionary();
    for (const exchange of exchanges) {
      const name = created[exchange.note];
      if (name !== undefined) {
        const metadata = { name };
        const spec = { rollout: { traffic: [{ configurationName: "a", percent: 100 }] } };
        const object = { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata, spec };
        const made = await service.create(as("recorder"), { kind: recordedRoute, namespace: "recordings2" }, object);
        const about = exchanges.filter((one) => one.path.includes(`/${name}`) && one.file === exchange.file);
        words.learnIdentity(JSON.stringify(name === "del-e" ? exchange : about), made);
      }
      if (otherwise[exchange.note] !== undefined) continue;
      const difference = await compare(bench, exchange, words);
      // The collector works in the background there and here: what is read may come a moment later.
      if (difference !== undefined && exchange.status === 404) {
        await expect.poll(() => compare(bench, exchange, words)).toBeUndefined();
      } else expect(difference).toBeUndefined();
    }
  });
});

/** Sends a request; says how the answer differs from the recorded one. */
async function compare(bench: ServiceBench, exchange: Exchange, words: Dictionary): Promise<object | undefined> {
  const { answer, code, warnings } = await ask(bench, words.toOurs(exchange));
  words.learn(exchange.answer, answer);
  const [expected, actual] = [
    comparable(exchange.answer),
    comparable(JSON.parse(words.toRecorded(JSON.stringify(answer)))),
  ];
  const fine =
    code === exchange.status &&
    same(expected, actual) &&
    JSON.stringify(warnings) === JSON.stringify(warningsOf(exchange));
  return fine ? undefined : { note: exchange.note, code, warnings, actual, expected };
}

/** The texts of the recorded `Warning` headers. */
function warningsOf({ warning = [] }: Exchange): string[] {
  return [warning].flat().map((header) => JSON.parse(header.replace(/^299 - /, "")) as string);
}
