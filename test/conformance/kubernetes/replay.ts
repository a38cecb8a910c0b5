/** Plays recorded requests against an API server and tells how its answers differ from the recorded ones. */
import { readFileSync } from "node:fs";

import type { Answer, ApiBench, Ask } from "../../support/api-server.ts";

type Json = Record<string, unknown>;

export interface RecordedRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** One recorded exchange, or what must be done before the next one. */
export interface Exchange {
  /** Who asks. Default: the administrator. */
  who?: "admin" | "anonymous" | "bad" | "basic" | "bot";
  setup?: RecordedRequest & { was?: { uid: string; resourceVersion: string } };
  note?: string;
  request?: RecordedRequest;
  response?: { status: number; headers: Record<string, string | string[]>; body?: unknown };
  /** The answer comes once the server has cleaned up behind an earlier request. */
  eventually?: boolean;
  /** A watch's events, */
  events?: Json[];
  /** and whether the server ended it after them. */
  ended?: boolean;
  /** What was written while the watch ran. */
  writes?: (RecordedRequest & { resourceVersion?: string })[];
}

/** Who sends a request. */
export type Sender = Pick<Ask, "as" | "token"> & { headers?: Record<string, string> };

/** The exchanges of a file beside this one. */
export function readExchanges(name: string): Exchange[] {
  const text = readFileSync(new URL(`./${name}.jsonl`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Exchange);
}

/** Values that differ in every run; what stood for what is learned from the answers, and put into later requests. */
const changing = new Set([
  "uid",
  "resourceVersion",
  "continue",
  "creationTimestamp",
  "deletionTimestamp",
  "expirationTimestamp",
  "lastTransitionTime",
  "token",
  "selfLink",
]);
/** What Elafros adds to every object. */
const addedAnnotations = new Set(["elafros.dev/creator", "elafros.dev/last-modifier"]);

/** Remembers which recorded value stands for which. */
export class Replay {
  readonly #bench: Pick<ApiBench, "ask">;
  readonly #actual = new Map<string, string>();

  constructor(bench: Pick<ApiBench, "ask">) {
    this.#bench = bench;
  }

  /** Sends a recorded request with the values of this run. */
  send(request: RecordedRequest, sender: Sender = {}): Promise<Answer> {
    const { body, headers = {} } = request;
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const translated = text === undefined ? undefined : this.#translate(text);
    return this.#bench.ask(request.method, this.translatePath(request.path), {
      ...sender,
      headers: { accept: "application/json", ...headers, ...sender.headers },
      ...(translated === undefined ? {} : { body: translated }),
    });
  }

  translatePath(path: string): string {
    return path.replaceAll(
      /((?:continue|resourceVersion)=)([^&]*)/g,
      (_, name: string, value: string) => name + (this.#actual.get(value) ?? value),
    );
  }

  /** Recorded values as this run has them, wherever they stand as whole words. */
  #translate(text: string): string {
    return text.replaceAll(/"([0-9a-f-]{36}|\d{3,})"/g, (whole, value: string) => {
      const actual = this.#actual.get(value);
      return actual === undefined ? whole : JSON.stringify(actual);
    });
  }

  /** Remembers that a recorded value stands for another one in this run. */
  learn(recorded: unknown, actual: unknown): void {
    if (typeof recorded === "string" && typeof actual === "string" && recorded !== "")
      this.#actual.set(recorded, actual);
  }

  knows(recorded: string): boolean {
    return this.#actual.has(recorded);
  }

  /** How the actual value differs; empty where it doesn't. */
  differences(recorded: unknown, actual: unknown, path = ""): string[] {
    if (Array.isArray(recorded) && Array.isArray(actual)) {
      if (recorded.length !== actual.length) return [`${path}: ${recorded.length} entries, got ${actual.length}`];
      return recorded.flatMap((item, index) => this.differences(item, actual[index], `${path}[${index}]`));
    }
    if (isObject(recorded) && isObject(actual)) return this.#objectDifferences(recorded, actual, path);
    if (typeof recorded === "string" && typeof actual === "string") {
      const ages = path.includes(".cells[") && [recorded, actual].every((text) => /^\d+s$/.test(text));
      if (ages || this.#words(recorded) === actual || recorded === actual) return [];
    } else if (recorded === actual) return [];
    return [`${path}: ${JSON.stringify(recorded)}, got ${JSON.stringify(actual)}`];
  }

  /** A message with this run's uids and versions. */
  #words(text: string): string {
    return text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\b\d{3,}\b/g, (word) => this.#actual.get(word) ?? word);
  }

  #objectDifferences(recorded: Json, actual: Json, path: string): string[] {
    const found: string[] = [];
    for (const name of new Set([...Object.keys(recorded), ...Object.keys(actual)])) {
      const where = `${path}.${name}`;
      const before = recorded[name];
      const now = name === "annotations" ? withoutAdded(actual[name]) : actual[name];
      if (name === "description" && path.includes("columnDefinitions")) continue;
      if (changing.has(name)) {
        const absent = before === undefined || before === "";
        if (name !== "selfLink" && absent !== (now === undefined || now === ""))
          found.push(`${where}: ${JSON.stringify(before)}, got ${JSON.stringify(now)}`);
        this.learn(before, now);
      } else if (before !== undefined || now !== undefined) found.push(...this.differences(before, now, where));
    }
    return found;
  }
}

const unchecked =
  '<nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

/** Kubernetes adds a cause that only says that rules in its own rule language weren't run. There are no such rules here. */
export function withoutUncheckedRules(body: unknown): unknown {
  if (!isObject(body) || typeof body["message"] !== "string" || !isObject(body["details"])) return body;
  const { causes } = body["details"];
  if (!Array.isArray(causes) || !body["message"].includes(unchecked)) return body;
  const rest = causes.filter((cause) => isObject(cause) && cause["field"] !== "<nil>");
  const shorter = body["message"].replace(`, ${unchecked}`, "");
  const message = rest.length === 1 ? shorter.replace(": [", ": ").replace(/\]$/, "") : shorter;
  return { ...body, message, details: { ...body["details"], causes: rest } };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutAdded(annotations: unknown): unknown {
  if (!isObject(annotations)) return annotations;
  const rest = Object.entries(annotations).filter(([name]) => !addedAnnotations.has(name));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}
