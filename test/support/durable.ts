/** Creates and patches while control is killed again and again, and the question whether everything that it acknowledged is there, once. */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { kill, killAndWait } from "./disturb.ts";
import { startLoad } from "./load.ts";
import { eventually, type TestPlatform } from "./platform.ts";
import { type ConfigurationSeen, createService, hostOf, jsonBody, mergePatch, pathOf, type Stage } from "./stage.ts";

const maps = "/api/v1/namespaces/default/configmaps";
/** The service that is asked all the time. */
const watched = "watched";
/** Its Configuration is patched: each change makes a Revision. */
const changed = "changed";
const writers = 6;
const strategic = { "content-type": "application/strategic-merge-patch+json" };

/** What was acknowledged. */
interface Acknowledged {
  writes: number;
  /** Mark of each ConfigMap whose creation was acknowledged, and its name. */
  created: Map<string, string>;
  /** By name of a ConfigMap, the greatest number that was acknowledged, and the greatest that was sent. */
  counters: Map<string, { acknowledged: number; sent: number }>;
  /** Number in the Configuration's environment, likewise. */
  changes: { acknowledged: number; sent: number; generation: number };
}

export interface DurabilityReport {
  acknowledged: number;
  kills: number;
  /** What is wrong, in words. */
  faults: string[];
}

/** Plays it: at least `writes` acknowledged writes, and `kills` kills at random moments among them. */
export async function durability(
  stage: Stage,
  { writes, kills }: { writes: number; kills: number },
): Promise<DurabilityReport> {
  const { platform, images } = stage;
  for (const name of [watched, changed]) await createService(platform, name, images["app:1"]);
  const processes = await eventually("status shows the instance", async () => {
    const found = await instancesOf(platform, watched);
    return found.length > 0 && found;
  });
  const seen: Acknowledged = {
    writes: 0,
    created: new Map(),
    counters: new Map(),
    changes: { acknowledged: 0, sent: 0, generation: 1 },
  };
  const load = startLoad({ port: platform.httpPort, host: hostOf(watched), perSecond: 50, connections: 8 });
  let killed = 0;
  const done = (): boolean => killed >= kills && seen.writes >= writes;
  const work = Promise.all(Array.from({ length: writers }, (_, index) => write(platform, { index, seen, done })));
  work.catch(() => {});
  while (killed < kills) {
    // A share of the writes lies between two kills; every third kill meets a control that has only just started.
    const from = seen.writes;
    const share = Math.floor((Math.random() * 2 * writes) / kills);
    if (killed % 3 !== 2) {
      await eventually("writes go on", () => Promise.resolve(seen.writes >= from + share), {
        timeoutMs: 120_000,
        everyMs: 1,
      });
      await sleep(Math.random() * 10);
      await kill(stage, "control");
    } else {
      await killAndWait(stage, "control");
      await sleep(Math.random() * 50);
      await kill(stage, "control");
    }
    killed += 1;
  }
  await work;
  const { failures, answers } = await load.stop();
  const faults = [...(await check(platform, seen))];
  if (failures.length > 0)
    faults.push(`the service failed ${failures.length} of ${answers.length} requests: ${failures[0]}`);
  const after = await instancesOf(platform, watched);
  if (after.join() !== processes.join())
    faults.push(`instances were restarted: ${processes.join()} became ${after.join()}`);
  return { acknowledged: seen.writes, kills: killed, faults };
}

/** Writes one thing after the other until `done`; whatever isn't acknowledged isn't counted, and not sent again. */
async function write(
  platform: TestPlatform,
  { index, seen, done }: { index: number; seen: Acknowledged; done: () => boolean },
): Promise<void> {
  const counter = `counter-${index}`;
  for (let number = 1; !done(); number += 1) {
    const kind = number % 5;
    const outcome = await (
      kind === 0 && index === 0
        ? change(platform, seen)
        : kind < 3
          ? count(platform, { name: counter, number, seen })
          : create(platform, `${index}-${number}`, seen)
    ).catch((error: unknown) => error as Error);
    if (outcome === true) seen.writes += 1;
    // Without an answer: control is away.
    else if (outcome instanceof Error) await sleep(10);
  }
}

/** Each with a name that the server makes: one that is sent once must not be there twice. */
async function create(platform: TestPlatform, mark: string, seen: Acknowledged): Promise<boolean> {
  const body = JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { generateName: "made-", labels: { made: "true" } },
    data: { mark },
  });
  const { status, text } = await platform.call("POST", maps, body, jsonBody);
  if (status !== 201) throw new Error(`${status} ${text}`);
  seen.created.set(mark, (JSON.parse(text) as { metadata: { name: string } }).metadata.name);
  return true;
}

async function count(
  platform: TestPlatform,
  { name, number, seen }: { name: string; number: number; seen: Acknowledged },
): Promise<boolean> {
  const counter = seen.counters.get(name) ?? { acknowledged: 0, sent: 0 };
  seen.counters.set(name, counter);
  counter.sent = number;
  let { status, text } = await platform.call(
    "PATCH",
    `${maps}/${name}`,
    JSON.stringify({ data: { number: String(number) } }),
    mergePatch,
  );
  if (status === 404 && counter.acknowledged === 0) {
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { number: String(number) } };
    ({ status, text } = await platform.call("POST", maps, JSON.stringify(body), jsonBody));
  }
  if (status !== 200 && status !== 201) throw new Error(`${status} ${text}`);
  counter.acknowledged = number;
  return true;
}

async function change(platform: TestPlatform, seen: Acknowledged): Promise<boolean> {
  const { changes } = seen;
  changes.sent += 1;
  const number = changes.sent;
  const container = { env: [{ name: "NUMBER", value: String(number) }] };
  const patch = JSON.stringify({ spec: { revisionTemplate: { spec: { container } } } });
  const { status, text } = await platform.call("PATCH", pathOf("configurations", changed), patch, strategic);
  if (status !== 200) throw new Error(`${status} ${text}`);
  changes.acknowledged = number;
  changes.generation = (JSON.parse(text) as ConfigurationSeen).metadata.generation;
  return true;
}

interface MapSeen {
  metadata: { name: string };
  data: { mark?: string; number?: string };
}

interface RevisionSeen {
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
}

interface ConfigurationSpec extends ConfigurationSeen {
  spec: { revisionTemplate: { spec: { container: { env: { name: string; value: string }[] } } } };
}

/** Reads everything back. */
async function check(platform: TestPlatform, seen: Acknowledged): Promise<string[]> {
  const faults: string[] = [];
  await eventually("the API answers", async () => (await platform.call("GET", "/readyz")).status === 200, {
    timeoutMs: 60_000,
  });
  const { items } = (await platform.json("GET", maps)) as { items: MapSeen[] };
  const marks = new Map<string, string[]>();
  for (const { metadata, data } of items) {
    if (data?.mark !== undefined) marks.set(data.mark, [...(marks.get(data.mark) ?? []), metadata.name]);
  }
  for (const [mark, name] of seen.created) {
    if (marks.get(mark)?.includes(name) !== true) faults.push(`"${name}" (${mark}) was acknowledged and isn't there`);
  }
  for (const [mark, names] of marks) if (names.length > 1) faults.push(`${mark} is there ${names.length} times`);
  for (const [name, { acknowledged, sent }] of seen.counters) {
    const found = Number(items.find((item) => item.metadata.name === name)?.data.number ?? 0);
    if (found < acknowledged || found > sent)
      faults.push(`${name} is ${found}: ${acknowledged} was acknowledged, ${sent} sent`);
  }
  const configuration = await eventually(
    "the newest Revision is ready",
    async () => {
      const now = (await platform.json("GET", pathOf("configurations", changed))) as ConfigurationSpec;
      const { status } = now;
      return status?.observedGeneration === now.metadata.generation &&
        status.latestReadyRevisionName === status.latestCreatedRevisionName
        ? now
        : undefined;
    },
    { timeoutMs: 120_000 },
  );
  const { changes } = seen;
  const found = Number(
    configuration.spec.revisionTemplate.spec.container.env.find(({ name }) => name === "NUMBER")?.value ?? 0,
  );
  if (found < changes.acknowledged || found > changes.sent) {
    faults.push(`${changed} is at ${found}: ${changes.acknowledged} was acknowledged, ${changes.sent} sent`);
  }
  if (configuration.metadata.generation < changes.generation) faults.push(`generation ${changes.generation} was lost`);
  const revisions = ((await platform.json("GET", pathOf("revisions"))) as { items: RevisionSeen[] }).items;
  const generations = revisions.map(
    ({ metadata }) =>
      `${metadata.labels["elafros.dev/configuration"]} ${metadata.annotations["elafros.dev/configurationGeneration"]}`,
  );
  const twice = generations.filter((each, index) => generations.indexOf(each) !== index);
  if (twice.length > 0) faults.push(`generations with more than one Revision: ${twice.join(", ")}`);
  return faults;
}

/** The service's instances: their ids, the container's first process on this machine, and how often they were restarted. */
async function instancesOf(platform: TestPlatform, service: string): Promise<string[]> {
  const { stdout } = await platform.elafros(["status", "--data-dir", platform.dataDir, "-o", "json"]);
  const { instances } = JSON.parse(stdout) as { instances: { id: string; revision: string; restarts: number }[] };
  const own = instances.filter(({ revision }) => revision.startsWith(`${service}-`));
  return Promise.all(own.map(async ({ id, restarts }) => `${id} pid ${await pidOf(id)} restarts ${restarts}`));
}

/** The instance's process: the one whose control group is the instance's. */
async function pidOf(instance: string): Promise<string> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const group = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (group.includes(instance) && command.includes("server.mjs")) found.push(Number(pid));
  }
  return found.join("+");
}
