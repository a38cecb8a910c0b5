/**
 * Runs CLI command lines inside the test: real parsing, real HTTP to a stub, words caught.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { connect } from "../../src/cli/connect.ts";
import type { Factory } from "../../src/cli/factory.ts";
import { createIo } from "../../src/cli/io.ts";
import type { Platform } from "../../src/cli/platform.ts";
import { runCli } from "../../src/cli/run.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { type ApiStub, startApiStub, type StubObject } from "./api-stub.ts";

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A directory, a kubeconfig, and command lines run in them. */
export interface Cli {
  /** The working directory of the commands: empty at first. */
  cwd: string;
  run(
    argv: readonly string[],
    options?: {
      terminal?: boolean;
      env?: Record<string, string>;
      input?: string;
      signal?: AbortSignal;
      /** Called with what it prints, as it prints it. */
      output?: (text: string) => void;
      /** Default: `testClock`, which stands in 2018. */
      clock?: Clock;
    },
  ): Promise<CliResult>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CliHarness extends Cli {
  api: ApiStub;
}

export const elafrosPath = "/apis/elafros.dev/v1alpha1/namespaces/default";
export const buildPath = "/apis/build.dev/v1alpha1/namespaces/default";
export const corePath = "/api/v1/namespaces/default";

/** Starts at 2018-01-19 12:16 UTC and is a second later each time it is asked; timers are real. */
export function testClock(): Clock {
  let now = Date.UTC(2018, 0, 19, 12, 16);
  return { now: () => (now += 1000), after: (ms, callback) => systemClock.after(ms, callback) };
}

const notHere = () => Promise.reject(new Error("This test has no platform"));
export const noPlatform: Platform = {
  up: notHere,
  down: notHere,
  status: notHere,
  trust: notHere,
  doctor: notHere,
  installOnCluster: notHere,
  uninstallFromCluster: notHere,
  clusterStatus: notHere,
  clusterDoctor: notHere,
  clusterManifests: notHere,
  copyImage: notHere,
  exactImage: notHere,
  makeStandIns: notHere,
  userKubeconfig: notHere,
  upgrade: notHere,
};

/** A stub API server, an empty directory and a kubeconfig whose context is `us-central1`. */
export async function startCli(platform: Platform = noPlatform): Promise<CliHarness> {
  const api = await startApiStub();
  const home = await mkdtemp(join(tmpdir(), "elafros-cli-home-"));
  const kubeconfig = join(home, "kubeconfig");
  await writeFile(kubeconfig, kubeconfigOf(api.url));
  const cli = await runningCli(kubeconfig, platform);
  return {
    ...cli,
    api,
    [Symbol.asyncDispose]: async () => {
      await cli[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
      await rm(home, { recursive: true });
    },
  };
}

/** Command lines against the server of a kubeconfig, in an empty directory. */
export async function runningCli(kubeconfig: string, platform: Platform = noPlatform): Promise<Cli> {
  const clockOfAll = testClock();
  const cwd = await mkdtemp(join(tmpdir(), "elafros-cli-"));
  return {
    cwd,
    async run(
      argv,
      {
        terminal = false,
        env = {},
        input = "",
        signal = new AbortController().signal,
        output,
        clock = clockOfAll,
      } = {},
    ) {
      let stdout = "";
      let stderr = "";
      const environment = { KUBECONFIG: kubeconfig, ...env };
      const factory: Factory = {
        io: createIo({
          stdout: {
            write: (data) => {
              stdout += textOf(data);
              output?.(textOf(data));
            },
            isTTY: terminal,
            columns: 100,
          },
          stderr: { write: (data) => void (stderr += textOf(data)), isTTY: terminal },
          stdin: (async function* () {
            yield input;
          })(),
          env: environment,
        }),
        clock,
        env: environment,
        cwd,
        signal,
        platform,
        connect: async (options) => connect(factory, options),
      };
      const code = await runCli(argv, factory);
      return { code, stdout, stderr };
    },
    [Symbol.asyncDispose]: () => rm(cwd, { recursive: true, force: true }),
  };
}

function textOf(data: string | Uint8Array): string {
  return typeof data === "string" ? data : Buffer.from(data).toString("utf8");
}

/** A kubeconfig with the context `us-central1`. */
export function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "secret-token" } }],
    contexts: [{ name: "us-central1", context: { cluster: "c", user: "u" } }],
    "current-context": "us-central1",
  });
}

/** What the controllers would do, at once after each write, and after a call of what is returned: a Revision per generation, and the traffic that the Route asks for. */
export function playControllers(
  api: ApiStub,
  { fail, pulls = false }: { fail?: { reason: string; message: string }; pulls?: boolean } = {},
): (path: string) => void {
  const trueCondition = (type: string) => ({ type, status: "True" });
  const names = new Set<string>();
  const react = (path: string, object: StubObject) => {
    names.add(object.metadata.name);
    if (object.kind === "Configuration") {
      const revision = makeRevision(api, object, fail);
      if (pulls) addPullEvents(api, revision.metadata.name);
      const configuration = api.read(path) ?? object;
      const before = configuration["status"] as { latestReadyRevisionName?: string } | undefined;
      api.put(`${elafrosPath}/configurations`, {
        ...configuration,
        status: {
          observedGeneration: configuration.metadata.generation,
          latestCreatedRevisionName: revision.metadata.name,
          latestReadyRevisionName: fail === undefined ? revision.metadata.name : before?.latestReadyRevisionName,
        },
      });
    }
    for (const name of names) {
      const route = api.read(`${elafrosPath}/routes/${name}`);
      const configuration = api.read(`${elafrosPath}/configurations/${name}`);
      const ready = (configuration?.["status"] as { latestReadyRevisionName?: string } | undefined)
        ?.latestReadyRevisionName;
      const spec = route?.["spec"] as {
        rollout: { traffic: { revisionName?: string; name?: string; percent: number }[] };
      };
      if (
        route === undefined ||
        (ready === undefined && spec.rollout.traffic.some((one) => one.revisionName === undefined))
      )
        continue;
      const status = {
        observedGeneration: route.metadata.generation,
        domain: `${name}.default.mydomain.com`,
        url: `https://${name}.default.mydomain.com`,
        traffic: spec.rollout.traffic.map((one) => ({
          revisionName: one.revisionName ?? ready,
          ...(one.name === undefined ? {} : { name: one.name }),
          percent: one.percent,
        })),
        conditions: [trueCondition("Ready"), trueCondition("RolloutComplete")],
      };
      if (JSON.stringify(route["status"]) !== JSON.stringify(status))
        api.put(`${elafrosPath}/routes`, { ...route, status });
    }
  };
  api.onWrite(react);
  return (path) => {
    const object = api.read(path);
    if (object !== undefined) react(path, object);
  };
}

const created = ["2018-01-17T10:32:00Z", "2018-01-18T20:34:00Z", "2018-01-19T12:16:00Z"];

function makeRevision(api: ApiStub, configuration: StubObject, fail?: { reason: string; message: string }): StubObject {
  const generation = configuration.metadata.generation ?? 1;
  const { revisionTemplate } = configuration["spec"] as {
    revisionTemplate: {
      metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
      spec: unknown;
    };
  };
  return api.put(`${elafrosPath}/revisions`, {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Revision",
    metadata: {
      name: `${configuration.metadata.name}-${String(generation).padStart(5, "0")}`,
      namespace: "default",
      creationTimestamp: created[generation - 1] ?? "2018-01-20T00:00:00Z",
      labels: {
        ...revisionTemplate.metadata?.labels,
        "elafros.dev/configuration": configuration.metadata.name,
      },
      annotations: {
        ...revisionTemplate.metadata?.annotations,
        "elafros.dev/configurationGeneration": String(generation),
        "elafros.dev/creator": "user1",
      },
    },
    spec: revisionTemplate.spec,
    status: {
      conditions: [
        fail === undefined ? { type: "Ready", status: "True" } : { type: "Ready", status: "False", ...fail },
      ],
    },
  });
}

function addPullEvents(api: ApiStub, revision: string): void {
  for (const reason of ["Pulling", "Pulled"]) {
    api.put(`${corePath}/events`, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${revision}.${reason.toLowerCase()}`, namespace: "default" },
      involvedObject: { kind: "Revision", name: revision },
      reason,
    });
  }
}

/** The options that a command line gives a command's `run`; rejects with commander's words where it is wrong. */
export async function parseOptions<O>(
  make: (factory: Factory, run: (options: O, factory: Factory) => Promise<void>) => Command,
  argv: readonly string[],
): Promise<O> {
  const sink = { write: () => {} };
  const factory: Factory = {
    io: createIo({ stdout: sink, stderr: sink, stdin: (async function* () {})(), env: {} }),
    clock: systemClock,
    env: {},
    cwd: "/",
    signal: new AbortController().signal,
    platform: noPlatform,
    connect: notHere,
  };
  const seen: O[] = [];
  const command = make(factory, (options) => {
    seen.push(options);
    return Promise.resolve();
  });
  command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const child of command.commands) child.copyInheritedSettings(command);
  await command.parseAsync(argv, { from: "user" });
  const [options] = seen;
  if (options === undefined) throw new Error(`"${argv.join(" ")}" ran nothing`);
  return options;
}
