/** The steps of a recorded scenario, sent as they were recorded: with the names of this run, and held to the recorded answers. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Answer, ApiBench } from "../../support/api-server.ts";
import { isObject } from "../../../src/apiserver/json.ts";
import { type RecordedRequest, Replay } from "./replay.ts";
import type { StoryEvent } from "./workload-story.ts";

interface RecordedAnswer {
  status: number;
  body?: unknown;
}

/** One line of a recording: what was asked for, or what was seen. */
type Line =
  | { step: string; requests?: { request: RecordedRequest; response: RecordedAnswer }[] }
  | (StoryEvent & { step?: undefined });

export interface RecordedStep {
  name: string;
  requests: readonly { request: RecordedRequest; response: RecordedAnswer }[];
  /** What was seen before it. */
  before: readonly StoryEvent[];
}

function linesOf(name: string): Line[] {
  const file = new URL(`../../support/recordings/workloads/${name}.jsonl`, import.meta.url);
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

/** What was seen of a scenario, in order. */
export function recordedEvents(name: string): StoryEvent[] {
  return linesOf(name).flatMap((line) => (line.step === undefined ? [line] : []));
}

/** What was asked for. */
export function recordedSteps(name: string): RecordedStep[] {
  const before: StoryEvent[] = [];
  return linesOf(name).flatMap((line) => {
    if (line.step === undefined) {
      before.push(line);
      return [];
    }
    return [{ name: line.step, requests: line.requests ?? [], before: [...before] }];
  });
}

/** Sends recorded steps. */
export class StepPlayer {
  readonly #replay: Replay;
  /** What the answers differ in, by step and request. */
  readonly differences: Record<string, string[]> = {};

  constructor(server: Pick<ApiBench, "ask">) {
    this.#replay = new Replay(server);
  }

  /** @param seen what was seen here so far: Pods are named in the order in which they came */
  async take({ name, requests, before }: RecordedStep, seen: readonly StoryEvent[]): Promise<void> {
    const [there, here] = [podNames(before), podNames(seen)];
    for (const [index, { request, response }] of requests.entries()) {
      const text = JSON.stringify(request).replaceAll(madeName, (pod) => here[there.indexOf(pod)] ?? pod);
      const mine = JSON.parse(text) as RecordedRequest;
      const about = requests.length === 1 ? name : `${name}: ${request.method} ${request.path}`;
      // kubectl asks again and again until it is as it should be.
      const again = requests[index + 1]?.request;
      if (again !== undefined && JSON.stringify(again) === JSON.stringify(request)) continue;
      let answer = await this.#replay.send(mine);
      if (mine.method === "GET" && response.status === 404) {
        const status = async () => (answer = await this.#replay.send(mine)).status;
        await expect.poll(status, { message: about }).toBe(404);
      }
      this.differences[about] = this.#compare(response, answer);
    }
  }

  #compare({ status, body }: RecordedAnswer, answer: Answer): string[] {
    const found = answer.status === status ? [] : [`status: ${status}, got ${answer.status} ${answer.text}`];
    if (body === undefined) return found;
    return [...found, ...this.#replay.differences(body, shown(answer), "body")];
  }
}

const madeName = /\bapp-[0-9a-z]{8,10}-[0-9a-z]{5}\b/g;

/** The names of Pods that a Deployment has made, in the order in which they came. */
function podNames(events: readonly StoryEvent[]): string[] {
  const names = events.filter(({ kind }) => kind === "Pod").map(({ object }) => object.metadata.name);
  return [...new Set(names)].filter((name) => new RegExp(`^${madeName.source}$`).test(name));
}

/** Of Pods only this was kept of recorded answers. */
function shown({ json, text }: Answer): unknown {
  if (json?.["kind"] !== "Pod" || !isObject(json["status"])) return json ?? text;
  const { kind, apiVersion, metadata, status } = json;
  return { kind, apiVersion, metadata, status: { phase: (status as { phase?: string }).phase } };
}
