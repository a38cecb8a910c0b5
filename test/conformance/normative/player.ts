/**
 * Plays scenarios 1 to 3 of the normative examples on a platform, whichever it is: every request as it stands there, every answer compared field by
 * field, and what is served. Scenario 2 comes first: it makes what scenario 1 presupposes. Each function rejects with what differs.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { eventually } from "../../support/platform.ts";
import { first, second, third } from "./examples.ts";
import { type Bindings, compare, fill } from "./transcript.ts";

/** Where the scenarios are played. */
export interface Stage {
  /** Takes the place of the examples' `default`. */
  namespace: string;
  /** Takes the place of their `mydomain.com`. */
  domain: string;
  /** Three of the app of test/support/app, which calls itself 1, 2 and 3. */
  images: Record<"app:1" | "app:2" | "app:3", string>;
  /** How long a step may take, milliseconds. */
  patienceMs?: number;
  /** One request with a YAML document and no content type, as the examples send it. */
  call(method: string, path: string, document?: string): Promise<{ status: number; text: string }>;
  /** Everything that happens from now on to the objects of a list. */
  watch(path: string): Promise<{ seen: readonly unknown[]; stop(): void }>;
  /** Asks a service at a host. */
  ask(host: string, path: string): Promise<{ status: number; text: string }>;
}

/** The generated names. */
const names = { abc: "my-service-00001", def: "my-service-00002", ghi: "my-service-00003" };

/** A stage with what the scenarios do on it. */
class Player {
  readonly host: string;
  private readonly stage: Stage;
  private readonly api: string;

  constructor(stage: Stage) {
    this.stage = stage;
    this.host = `my-service.${stage.namespace}.${stage.domain}`;
    this.api = `/apis/elafros.dev/v1alpha1/namespaces/${stage.namespace}`;
  }

  /** The examples' stand-ins on this stage, with an image. */
  bindings(image: keyof Stage["images"], more: Bindings = {}): Bindings {
    const hosts = { "my-service.default.mydomain.com": this.host, "my-service.namespace.mydomain.com": this.host };
    return { ...names, ...hosts, "gcr.io/...": this.stage.images[image], ...more };
  }

  /** Sends an example's document. */
  async send(method: string, path: string, [document, bindings]: [string, Bindings]): Promise<void> {
    const answer = await this.stage.call(method, `${this.api}/${path}`, fill(document, bindings));
    strictEqual(answer.status, method === "POST" ? 201 : 200, `${method} ${path}: ${answer.text}`);
  }

  /** GETs until the answer is as the example shows it; the error says in what it last differed. */
  get(path: string, [example, bindings]: [string, Bindings]): Promise<unknown> {
    return this.eventually(`GET ${path} answers as the example shows`, async () => {
      const answer = await this.read(path);
      const faults = compare(answer, example, bindings);
      if (faults.length === 0) return answer;
      throw new Error(`${faults.join("; ")} in ${JSON.stringify(answer)}`);
    });
  }

  async read(path: string): Promise<unknown> {
    return JSON.parse((await this.stage.call("GET", `${this.api}/${path}`)).text);
  }

  watch(path: string): ReturnType<Stage["watch"]> {
    return this.stage.watch(`${this.api}/${path}`);
  }

  eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const { patienceMs } = this.stage;
    return eventually(what, look, patienceMs === undefined ? {} : { timeoutMs: patienceMs });
  }

  /** Compares which image's app answers at a host, and with which environment. */
  async serves(expected: { version?: string; foo?: string; hello?: string }, host = this.host): Promise<void> {
    const answer = await this.stage.ask(host, "/info");
    strictEqual(answer.status, 200, `${host}: ${answer.text}`);
    const { version, env } = JSON.parse(answer.text) as { version: string; env: Record<string, string> };
    const all = { version, foo: env["FOO"], hello: env["HELLO"] };
    const asked = Object.keys(expected) as (keyof typeof all)[];
    deepStrictEqual(Object.fromEntries(asked.map((name) => [name, all[name]])), expected, host);
  }

  async remove(): Promise<void> {
    for (const path of ["routes/my-service", "configurations/my-service"]) {
      await this.stage.call("DELETE", `${this.api}/${path}`);
      await this.eventually(`${path} is gone`, async () => {
        return (await this.stage.call("GET", `${this.api}/${path}`)).status === 404;
      });
    }
    await this.eventually("its Revisions are gone", async () => {
      const { items } = (await this.read("revisions")) as { items: unknown[] };
      return items.length === 0;
    });
  }
}

/** Fails unless any of the objects is as the example shows. */
function someMatch(seen: readonly unknown[], example: string, bindings: Bindings): void {
  const faults = seen.map((object) => compare(object, example, bindings));
  if (faults.some(({ length }) => length === 0)) return;
  const nearest = faults.toSorted((a, b) => a.length - b.length)[0] ?? ["nothing was seen"];
  throw new Error(`No state was as the example shows; the nearest: ${nearest.join("; ")}`);
}

/** 2) Creating Route and deploying first Revision, Route first. It leaves a service. */
export async function playSecond(stage: Stage): Promise<void> {
  const player = new Player(stage);
  const bindings = player.bindings("app:1");
  const revisions = await player.watch("revisions");
  const configurations = await player.watch("configurations");
  try {
    await player.send("POST", "routes", [second.postRoute, bindings]);
    await player.send("POST", "configurations", [second.postConfiguration, bindings]);
    await player.get("configurations/my-service", [second.configurationReady, bindings]);
    await player.get("routes/my-service", [second.route, bindings]);
    await player.serves({ version: "1", foo: "bar", hello: "world" });
    // What lies between is too short to be sure to GET it: a watch has seen every state.
    someMatch(revisions.seen, second.revisionStarting, bindings);
    someMatch(configurations.seen, second.configurationCreated, bindings);
  } finally {
    revisions.stop();
    configurations.stop();
  }
}

/** 1) Automatic rollout of a new Revision, on a service of its own. It leaves it at image 2. */
export async function playFirst(stage: Stage): Promise<void> {
  const player = new Player(stage);
  // "same config as previous revision": the example's has HELLO=blurg.
  const before = player.bindings("app:1", { world: "blurg" });
  await player.remove();
  await player.send("POST", "routes", [second.postRoute, before]);
  await player.send("POST", "configurations", [second.postConfiguration, before]);
  await player.get("routes/my-service", [second.route, before]);
  const bindings = player.bindings("app:2", { world: "blurg" });
  const configurations = await player.watch("configurations");
  try {
    await player.send("PATCH", "configurations/my-service", [first.patchConfiguration, bindings]);
    await player.get("revisions/my-service-00002", [first.revision, bindings]);
    await player.get("routes/my-service", [first.routeShifted, bindings]);
    await player.serves({ version: "2", foo: "bar", hello: "blurg" });
    someMatch(configurations.seen, first.configuration, bindings);
  } finally {
    configurations.stop();
  }
}

/** 1) on the service that `playFirst` left: with a duration, the traffic shifts through 75/25. */
export async function playShift(stage: Stage): Promise<void> {
  const player = new Player(stage);
  const bindings = player.bindings("app:3", { abc: names.def, def: names.ghi });
  const routes = await player.watch("routes");
  try {
    await player.send("PATCH", "routes/my-service", ["spec: {rollout: {duration: 4s}}", {}]);
    await player.send("PATCH", "configurations/my-service", [first.patchConfiguration, bindings]);
    await player.get("routes/my-service", [first.routeShifted, bindings]);
    someMatch(routes.seen, first.routeShifting, bindings);
    await player.serves({ version: "3" });
  } finally {
    routes.stop();
  }
}

/** 3) Manual rollout of a new Revision, on a service of its own. */
export async function playThird(stage: Stage): Promise<void> {
  const player = new Player(stage);
  const bindings = player.bindings("app:1");
  await player.remove();
  await player.send("POST", "configurations", [second.postConfiguration, bindings]);
  await player.send("POST", "routes", [second.postRoute, bindings]);
  await player.get("routes/my-service", [second.route, bindings]);
  const image = player.bindings("app:2");
  await player.send("PATCH", "configurations/my-service", [first.patchConfiguration, image]);
  await player.get("routes/my-service", [first.routeShifted, image]);

  await player.send("PATCH", "routes/my-service", [third.pin, image]);
  await player.send("PATCH", "configurations/my-service", [third.patchEnv, image]);
  await player.get("revisions/my-service-00003", [third.revision, image]);
  // "the new revision does not automatically start serving traffic"
  await player.serves({ version: "2", foo: "bar", hello: "world" });

  await player.send("PATCH", "routes/my-service", [third.address, image]);
  await player.get("routes/my-service", [third.addressed, image]);
  await player.serves({ hello: "blurg" }, `next.${player.host}`);
  await player.serves({ hello: "world" }, `current.${player.host}`);
  await player.serves({ hello: "world" });

  await player.send("PATCH", "routes/my-service", [third.shift, image]);
  await player.get("routes/my-service", [third.shifted, image]);
  await player.serves({ hello: "blurg" });

  await player.send("PATCH", "routes/my-service", [third.finish, image]);
  await player.eventually("current and next are the new Revision", async () => {
    const { status } = (await player.read("routes/my-service")) as { status: { traffic: object[] } };
    const expected = [
      { revisionName: names.ghi, name: "current", percent: 100 },
      { revisionName: names.ghi, name: "next", percent: 0 },
    ];
    return JSON.stringify(status.traffic.map(sorted)) === JSON.stringify(expected.map(sorted));
  });
  await player.serves({ hello: "blurg" }, `current.${player.host}`);
}

/** Configuration first, and both at once, come to the same as Route first. */
export async function playOrders(stage: Stage): Promise<void> {
  const player = new Player(stage);
  const bindings = player.bindings("app:1");
  const route = () => player.send("POST", "routes", [second.postRoute, bindings]);
  const configuration = () => player.send("POST", "configurations", [second.postConfiguration, bindings]);
  for (const create of [() => configuration().then(route), () => Promise.all([route(), configuration()])]) {
    await player.remove();
    await create();
    await player.get("configurations/my-service", [second.configurationReady, bindings]);
    await player.get("routes/my-service", [second.route, bindings]);
    await player.serves({ version: "1" });
  }
}

function sorted(object: object): object {
  return Object.fromEntries(Object.entries(object).toSorted(([a], [b]) => a.localeCompare(b)));
}
