/** What the failure tests share: services made and looked at on a real platform, and what a person sees of a failure in each place. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { type Answer, type CommandResult, eventually, type TestPlatform } from "./platform.ts";

export const elafrosApi = "/apis/elafros.dev/v1alpha1/namespaces/default";
export const coreApi = "/api/v1/namespaces/default";

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export interface EventView {
  type: string;
  reason: string;
  message: string;
  count: number;
}

interface Status {
  conditions?: Condition[];
  traffic?: { revisionName: string; name?: string; percent: number }[];
  latestReadyRevisionName?: string;
}

export interface ObjectView {
  metadata: { name: string; uid: string; deletionTimestamp?: string; finalizers?: string[] };
  status?: Status;
}

/** `elafros ARGS` in a directory of its own, which remembers no service of another test. */
export async function command(platform: TestPlatform, ...args: string[]): Promise<CommandResult> {
  const cwd = await mkdtemp(join(tmpdir(), "elafros-cwd-"));
  try {
    return await platform.elafros(args, { cwd });
  } finally {
    await rm(cwd, { recursive: true });
  }
}

/** `elafros deploy`; the test fails where it does. */
export async function deploy(
  platform: TestPlatform,
  service: string,
  image: string,
  ...args: string[]
): Promise<CommandResult> {
  const result = await command(platform, "deploy", "--service", service, "--image", image, ...args);
  expect(result.code, result.stdout + result.stderr).toBe(0);
  return result;
}

/** Writes an object, as JSON. */
export async function post(platform: TestPlatform, path: string, object: object): Promise<void> {
  const answer = await platform.call("POST", path, JSON.stringify(object), { "content-type": "application/json" });
  expect(answer.status, answer.text).toBe(201);
}

/** Changes an object with a merge patch. */
export async function patch(platform: TestPlatform, path: string, change: object): Promise<Answer> {
  const type = { "content-type": "application/merge-patch+json" };
  return platform.call("PATCH", path, JSON.stringify(change), type);
}

/** Makes a service by the API: a Configuration with this container (and further fields of the Revision's spec), and a Route. */
export async function makeService(
  platform: TestPlatform,
  name: string,
  { container, metadata, ...spec }: { container: object; metadata?: object; [field: string]: unknown },
): Promise<void> {
  const apiVersion = "elafros.dev/v1alpha1";
  const revisionTemplate = { ...(metadata === undefined ? {} : { metadata }), spec: { container, ...spec } };
  await post(platform, `${elafrosApi}/configurations`, {
    apiVersion,
    kind: "Configuration",
    metadata: { name },
    spec: { revisionTemplate },
  });
  await post(platform, `${elafrosApi}/routes`, {
    apiVersion,
    kind: "Route",
    metadata: { name },
    spec: { rollout: { traffic: [{ configurationName: name, percent: 100 }] } },
  });
}

/** Waits until a service answers with 200. */
export async function serves(platform: TestPlatform, service: string): Promise<Answer> {
  return eventually(`service "${service}" answers`, async () => {
    const answer = await platform.ask(hostOf(service));
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  });
}

export const hostOf = (service: string): string => `${service}.default.localhost`;

export async function read(platform: TestPlatform, what: string): Promise<ObjectView> {
  return (await platform.json("GET", `${elafrosApi}/${what}`)) as ObjectView;
}

/** Waits until a condition of `revisions/NAME` is as wanted; the error says what it was last. */
export async function hasCondition(
  platform: TestPlatform,
  what: string,
  wanted: { type: string; status: string; reason?: string; message?: string | RegExp },
): Promise<Condition> {
  return eventually(`${what} has ${JSON.stringify({ ...wanted, message: String(wanted.message) })}`, async () => {
    const { status } = await read(platform, what);
    const found = status?.conditions?.find(({ type }) => type === wanted.type);
    const fits =
      found?.status === wanted.status &&
      (wanted.reason === undefined || found.reason === wanted.reason) &&
      (wanted.message === undefined || says(found.message, wanted.message));
    if (fits) return found;
    throw new Error(JSON.stringify(status?.conditions));
  });
}

function says(text = "", wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? text === wanted : wanted.test(text);
}

export async function eventsOf(platform: TestPlatform, name: string): Promise<EventView[]> {
  const query = `fieldSelector=${encodeURIComponent(`involvedObject.name=${name}`)}`;
  const { items } = (await platform.json("GET", `${coreApi}/events?${query}`)) as { items: EventView[] };
  return items;
}

/** Waits until an object has an Event with this reason whose message fits. */
export async function hasEvent(
  platform: TestPlatform,
  name: string,
  wanted: { reason: string; message?: string | RegExp; type?: string; count?: number },
): Promise<EventView> {
  return eventually(`${name} has the Event ${wanted.reason} ${String(wanted.message)}`, async () => {
    const events = await eventsOf(platform, name);
    const found = events.find(
      (event) =>
        event.reason === wanted.reason &&
        event.type === (wanted.type ?? "Warning") &&
        event.count >= (wanted.count ?? 1) &&
        (wanted.message === undefined || says(event.message, wanted.message)),
    );
    if (found !== undefined) return found;
    throw new Error(JSON.stringify(events.map(({ type, reason, message, count }) => [type, reason, message, count])));
  });
}

/** Waits for the gateway's own answer with that reason, and checks that it says nothing but its sentence and the request's id. */
export async function refuses(
  platform: TestPlatform,
  host: string,
  wanted: { status: number; reason: string; sentence: string },
): Promise<Answer> {
  const answer = await eventually(`${host} answers ${wanted.status} ${wanted.reason}`, async () => {
    const got = await platform.ask(host);
    if (got.status === wanted.status && got.headers["elafros-reason"] === wanted.reason) return got;
    throw new Error(`${got.status} ${got.text}`);
  });
  expectPlainAnswer(answer, wanted);
  return answer;
}

/** The whole body of an answer that the gateway gives itself. */
export function expectPlainAnswer(answer: Answer, wanted: { status: number; reason: string; sentence: string }): void {
  const id = answer.headers["x-request-id"];
  expect(id).toMatch(/^[\w-]{8,}$/);
  expect(answer.headers["elafros-reason"]).toBe(wanted.reason);
  expect(answer.status).toBe(wanted.status);
  expect(answer.text).toBe(`${wanted.sentence}\nreason: ${wanted.reason}\nrequest: ${String(id)}\n`);
}

export const problemSentence = "The service can not be served; its owner finds out why with the reason.";

/** A first deploy that fails, as its person sees it in each place: command line, conditions, Event, and the gateway. */
export async function failsToDeploy(
  platform: TestPlatform,
  failure: {
    service: string;
    image: string;
    args?: string[];
    reason: string;
    message: string | RegExp;
    /** Which condition besides Ready tells it. */
    condition?: string;
  },
): Promise<CommandResult> {
  const { service, image, args = [], reason, message, condition = "ContainerHealthy" } = failure;
  const result = await command(platform, "deploy", "--service", service, "--image", image, ...args);
  const output = result.stdout + result.stderr;
  expect(result.code, output).toBe(1);
  const revision = `${service}-00001`;
  expect(result.stderr).toContain(`Revision "${revision}" failed: `);
  expect(result.stdout).not.toContain("Done.");
  for (const type of ["Ready", condition]) {
    const found = await hasCondition(platform, `revisions/${revision}`, { type, status: "False", reason, message });
    expect(result.stderr).toContain(found.message);
  }
  for (const type of ["Ready", "LatestRevisionReady"]) {
    await hasCondition(platform, `configurations/${service}`, { type, status: "False", reason, message });
  }
  await hasEvent(platform, revision, { reason, message });
  await refuses(platform, hostOf(service), { status: 503, reason, sentence: problemSentence });
  return result;
}
