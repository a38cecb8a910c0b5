/**
 * YAML as Kubernetes reads it: version 1.1's scalars (`0644` is octal, `on` is true) without its times and binary, and with a
 * bound on aliases, so that a small body can't become a large one. Large bodies are parsed in a thread of their own.
 */
import { once } from "node:events";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";

import { duplicateFields } from "./json-duplicates.ts";

/** What a text says, and what in it Kubernetes calls a fault without refusing it: repeated keys. */
export interface Parsed {
  value: unknown;
  faults: string[];
}

const require = createRequire(import.meta.url);
/** Loaded when the first YAML comes: most clients speak JSON only, and a start is faster without. */
// oxlint-disable-next-line typescript/consistent-type-imports -- the type of what `require` gives
const yaml = () => require("yaml") as typeof import("yaml");

/** Tags of YAML 1.1 that Kubernetes' parser doesn't know either: dates stay strings. */
const droppedTags = new Set(["timestamp", "binary", "omap", "pairs", "set"].map((name) => `tag:yaml.org,2002:${name}`));
/** Longer YAML would hold up other requests: a few milliseconds. */
const inlineChars = 8 * 1024;
/** The most time a thread gets for one body. */
const threadMs = 10_000;
const maxAliases = 50;

/** Parses one YAML (or JSON) document. Rejects with the parser's error, position included. */
export async function parseYaml(text: string): Promise<Parsed> {
  // JSON is YAML; its parser is a hundred times as fast, and most bodies are JSON.
  const first = text.trimStart()[0];
  if (first === "{" || first === "[") {
    try {
      return parseJson(text);
    } catch {
      // Flow-style YAML, or broken: the YAML parser says which.
    }
  }
  return text.length <= inlineChars ? parseYamlHere(text) : parseInThread(text);
}

/** Parses JSON. Throws SyntaxError. */
export function parseJson(text: string): Parsed {
  const value = JSON.parse(text) as unknown;
  return { value, faults: duplicateFields(text).map((path) => `duplicate field ${JSON.stringify(path)}`) };
}

/** Parses YAML in this thread. */
export function parseYamlHere(text: string): Parsed {
  const { isMap, isScalar, LineCounter, parseDocument, visit } = yaml();
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    version: "1.1",
    merge: true,
    prettyErrors: false,
    logLevel: "silent",
    uniqueKeys: false,
    lineCounter,
    customTags: (tags) =>
      tags.filter(
        (tag) => typeof tag === "string" || !(droppedTags.has(tag.tag) || ("format" in tag && tag.format === "TIME")),
      ),
  });
  const [error] = document.errors;
  if (error !== undefined) throw error;
  const repeated: string[] = [];
  visit(document, {
    Map: (_key, map) => {
      const seen = new Set<unknown>();
      for (const { key } of isMap(map) ? map.items : []) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value) && repeated.length < 32) {
          const { line } = lineCounter.linePos(key.range?.[0] ?? 0);
          repeated.push(`  line ${line}: key ${JSON.stringify(String(key.value))} already set in map`);
        }
        seen.add(key.value);
      }
    },
  });
  const faults = repeated.length === 0 ? [] : [`yaml: unmarshal errors:\n${repeated.join("\n")}`];
  return { value: document.toJS({ maxAliasCount: maxAliases }) as unknown, faults };
}

/** At most two bodies are parsed at once: each thread takes a core and much memory. */
const mostThreads = 2;
const waiting: (() => void)[] = [];
let threads = 0;

async function parseInThread(text: string): Promise<Parsed> {
  if (threads >= mostThreads) await new Promise<void>((resolve) => waiting.push(resolve));
  else threads += 1;
  try {
    return await runThread(text);
  } finally {
    // Whoever waits takes this one's place.
    const next = waiting.shift();
    if (next === undefined) threads -= 1;
    else next();
  }
}

async function runThread(text: string): Promise<Parsed> {
  const source = import.meta.url.endsWith(".ts");
  const url = source ? new URL("./yaml-worker.ts", import.meta.url) : new URL("./yaml-worker.js", import.meta.url);
  const worker = new Worker(url, {
    workerData: text,
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  });
  try {
    const [answer] = (await once(worker, "message", { signal: AbortSignal.timeout(threadMs) })) as [
      Parsed | { error: string },
    ];
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  } finally {
    await worker.terminate();
  }
}

/** Writes a value as YAML, keys sorted, as Kubernetes does. */
export function toYaml(value: unknown): string {
  return yaml().stringify(value, { sortMapEntries: true, lineWidth: 0, version: "1.1", aliasDuplicateObjects: false });
}
