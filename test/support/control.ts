/**
 * The real API server with the real controllers, in this process, for tests of what speaks to them. Only the machine is played:
 * every instance is ready at once, unless its image or command says that it fails, every build succeeds, and one gateway has every table at once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createAutoscaler } from "../../src/autoscaler/autoscaler.ts";
import { inProcessClient } from "../../src/client/in-process.ts";
import { controllerGroup } from "../../src/apiserver/service-ownership.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { startControllers } from "../../src/reconcilers/start.ts";
import { createGuardCounts } from "../../src/routing/guard-counts.ts";
import { createPublisher, type Publisher } from "../../src/routing/publisher.ts";
import type { TableMaps } from "../../src/routing/table.ts";
import { ImageError, type ImagesPort } from "../../src/runtime/images.ts";
import { openSourceStore } from "../../src/runtime/source-store.ts";
import type {
  InstanceSpec,
  WorkloadKey,
  WorkloadProblem,
  WorkloadsPort,
  WorkloadState,
} from "../../src/runtime/workloads.ts";
import { type ApiBench, apiBench } from "./api-server.ts";
import { playBuilds, type PlayedBuilds } from "./played-builds.ts";

const controllerUser = { username: "system:elafros:controller", groups: ["system:masters", controllerGroup] };

export interface ControlBench extends ApiBench {
  builds: PlayedBuilds;
}

/** The most bytes of a source. */
const maxSourceBytes = 1024 * 1024;

/** Starts it; it goes with the test. */
export async function controlBench(): Promise<ControlBench> {
  const dir = await mkdtemp(join(tmpdir(), "elafros-sources-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const api = await apiBench({ sources: await openSourceStore({ dir, maxBytes: maxSourceBytes, reserveBytes: 0 }) });
  const builds = playBuilds(systemClock);
  const workloads = playedWorkloads();
  const controllers = startControllers({
    client: inProcessClient(api.service, controllerUser),
    workloads,
    images: playedImages,
    builds,
    traffic: publisherWithGateway(),
    clock: systemClock,
    log: silentLog,
    domain: "mydomain.com",
    urlOf: (host) => `https://${host}`,
    outcomes: createGuardCounts(systemClock),
    scaling: createAutoscaler({ workloads, clock: systemClock, log: silentLog, mostInstances: 20 }),
  });
  onTestFinished(() => controllers.stop());
  await controllers.synced;
  return { ...api, builds };
}

/** Images called `missing` aren't in their registry. */
const playedImages: ImagesPort = {
  resolve: (reference) =>
    reference.includes("missing")
      ? Promise.reject(new ImageError(`Unable to fetch image "${reference}": manifest unknown`))
      : Promise.resolve(`${reference.replace(/:[^:/]*$/, "")}@sha256:${"0".repeat(64)}`),
  pull: () => Promise.resolve(),
};

/** A command `["false"]` exits with 1; everything else is ready at once. */
function playedWorkloads(): WorkloadsPort {
  const states = new Map<string, WorkloadState>();
  const listeners = new Set<(key: WorkloadKey) => void>();
  const idOf = (key: WorkloadKey) => `${key.namespace}/${key.name}`;
  const tell = (key: WorkloadKey) => {
    queueMicrotask(() => {
      for (const listener of listeners) listener(key);
    });
  };
  return {
    scale(key, spec, count) {
      const before = states.get(idOf(key));
      if (before?.desired === count) return;
      states.set(idOf(key), stateOf(key, spec, count));
      tell(key);
    },
    remove(key) {
      if (states.delete(idOf(key))) tell(key);
    },
    get: (key) => states.get(idOf(key)),
    list: () => [...states.values()],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    logs: async function* () {},
  };
}

function stateOf(key: WorkloadKey, spec: InstanceSpec, count: number): WorkloadState {
  const at = Date.now();
  const fails = spec.command?.[0] === "false" || spec.env.some(({ name }) => name === "FAIL");
  const problem: WorkloadProblem = { reason: "ExitCode", code: 1, message: "boom", at };
  return {
    key,
    desired: count,
    instances: Array.from({ length: count }, (_, index) => ({
      id: `${key.name}-${index}`,
      phase: fails ? "waiting" : "ready",
      image: "localhost/app@sha256:0",
      labels: {},
      address: { host: "127.0.0.1", port: spec.port },
      createdAt: at,
      startedAt: at,
      ...(fails ? { lastExit: { code: 1, oomKilled: false, message: "boom", at } } : { readyAt: at }),
      restarts: 0,
    })),
    ...(fails ? { problem } : {}),
  };
}

/** The real publisher, with one gateway that has every table as soon as it is sent. */
function publisherWithGateway(): Publisher {
  const publisher = createPublisher({ clock: systemClock, log: silentLog, startVersion: 1 });
  const id = "gateway";
  const send = ({ version }: TableMaps) => setImmediate(() => publisher.ack(id, version, []));
  publisher.addMember({ id, send }, { serving: 0, draining: [] });
  publisher.start();
  return publisher;
}
