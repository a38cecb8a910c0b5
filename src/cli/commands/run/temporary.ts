/**
 * The service that `run` makes for as long as it runs.
 */
import { createHash, randomInt } from "node:crypto";
import { basename, resolve } from "node:path";
import { autoscalingPrefix } from "../../../api/autoscaling.ts";
import { expiresAtAnnotation } from "../../../api/labels.ts";
import { isReason } from "../../../api/meta/errors.ts";
import { deadline, awaitObject } from "../../await-object.ts";
import { readEnvFile } from "../../env-file.ts";
import type { Factory, Session } from "../../factory.ts";
import { createProgress } from "../../io.ts";
import type { SourceMemory } from "../../memory.ts";
import { Configuration, Route } from "../../objects.ts";
import type { KeyValue } from "../../options.ts";
import { requireImagePlace } from "../../server-kind.ts";
import { makeBuild } from "../../source/make-build.ts";
import type { PreparedSource } from "../../source/prepare.ts";
import { changeTemplate } from "../../template.ts";
import { automatic } from "../../traffic.ts";
import type { RunOptions } from "./run.ts";

/** How long it outlives a process that was killed, at most. Long enough for clocks that differ by minutes. */
const lifetimeMs = 10 * 60_000;
/** How often its end is moved on. */
const renewMs = 60_000;
/** How long its removal is waited for; it goes on without this process. */
const removeMs = 30_000;

export interface Temporary {
  name: string;
  /** Writes it. */
  create(source: PreparedSource): Promise<{ generation: number; routeGeneration: number }>;
  /** Deletes it, where it was written. */
  remove(): Promise<void>;
}

export interface TemporaryOptions {
  how: SourceMemory;
  env: readonly KeyValue[];
  port: number | undefined;
  factory: Factory;
}

/** A name that is free, for a service that isn't there yet. */
export async function temporaryService(session: Session, options: TemporaryOptions): Promise<Temporary> {
  const { client, namespace } = session;
  const { factory } = options;
  const name = await freeName(session, resolve(factory.cwd, options.how.source));
  await requireImagePlace(
    client,
    imageOf({ namespace, name }),
    "deploy it with 'elafros deploy --image REGISTRY/NAME'",
  );
  const key = { namespace, name };
  let stopRenewing = () => {};
  let created = false;

  const renew = () => {
    const body = { metadata: { annotations: { [expiresAtAnnotation]: expiry(factory) } } };
    // What fails now is tried again in a minute, long before the end.
    void client.patch(Configuration, key, { type: "merge", body }).catch(() => {});
    stopRenewing = factory.clock.after(renewMs, renew);
  };

  return {
    name,
    async create(source) {
      created = true;
      const configuration = await client.create(Configuration, makeConfiguration(key, { ...options, source }));
      stopRenewing = factory.clock.after(renewMs, renew);
      const { uid = "" } = configuration.metadata;
      const route = await client.create(Route, {
        apiVersion: "elafros.dev/v1alpha1",
        kind: "Route",
        metadata: {
          name,
          namespace,
          // It goes with the Configuration, whoever deletes that.
          ownerReferences: [{ apiVersion: configuration.apiVersion, kind: "Configuration", name, uid }],
        },
        spec: { rollout: { traffic: automatic(name) } },
      });
      return { generation: configuration.metadata.generation ?? 0, routeGeneration: route.metadata.generation ?? 0 };
    },
    async remove() {
      stopRenewing();
      if (created) await removeService(session, { name, factory });
    },
  };
}

/**
 * The same for the same directory, so that its builds find what earlier ones have kept; another one where that is taken, by a second
 * `run` there.
 */
async function freeName({ client, namespace }: Session, directory: string): Promise<string> {
  const words = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const hash = createHash("sha256").update(directory).digest("hex").slice(0, 6);
  const stem = `run-${words === "" ? "source" : words.slice(0, 20).replace(/-+$/, "")}`;
  for (
    let name = `${stem}-${hash}`;
    ;
    name = `${stem}-${randomInt(36 ** 5)
      .toString(36)
      .padStart(5, "0")}`
  ) {
    try {
      await client.get(Configuration, { namespace, name });
    } catch (error) {
      if (isReason(error, "NotFound")) return name;
      throw error;
    }
  }
}

function makeConfiguration(
  { namespace, name }: { namespace: string; name: string },
  { how, env, port, factory, source }: TemporaryOptions & { source: PreparedSource },
): Configuration {
  const image = imageOf({ namespace, name });
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name, namespace, annotations: { [expiresAtAnnotation]: expiry(factory) } },
    spec: {
      build: makeBuild({ how, prepared: source, image }),
      revisionTemplate: changeTemplate(undefined, {
        image,
        type: how.function === undefined ? "app" : "function",
        env,
        secrets: [],
        pullSecrets: [],
        labels: [],
        // One instance, whose output is on the terminal, and which stays while nothing is asked of it.
        annotations: ["min-scale", "max-scale"].map((name) => ({ key: autoscalingPrefix + name, value: "1" })),
        port,
      }),
    },
  };
}

function imageOf({ namespace, name }: { namespace: string; name: string }): string {
  return `localhost/${namespace}/${name}`;
}

function expiry({ clock }: Factory): string {
  return new Date(clock.now() + lifetimeMs).toISOString();
}

/** Also after Ctrl-C, and where the server is away for a moment: nothing else will. */
async function removeService(
  { client, namespace }: Session,
  { name, factory }: { name: string; factory: Factory },
): Promise<void> {
  const { io, clock } = factory;
  const progress = createProgress(io, clock);
  progress.start("Removing");
  const limit = deadline(clock, {
    ms: removeMs,
    parent: new AbortController().signal,
    reason: () => new Error("It takes long"),
  });
  try {
    await client.delete(Configuration, { namespace, name });
    for (const kind of [Configuration, Route]) {
      const check = (object: unknown) => (object === undefined ? true : undefined);
      await awaitObject<Configuration | Route, true>(client, kind, {
        namespace,
        name,
        clock,
        signal: limit.signal,
        check,
      });
    }
    progress.done("Removed");
  } catch (error) {
    progress.stop();
    if (isReason(error, "NotFound")) return;
    io.note(
      `Service "${name}" is not removed yet (${(error as Error).message}): the platform does it within ${lifetimeMs / 60_000} minutes`,
    );
  } finally {
    limit.done();
  }
}

/** The variables of `--env-file`, then of `--env`, which win. */
export async function readEnvironment({ env, envFile }: RunOptions, { cwd }: Factory): Promise<KeyValue[]> {
  const all: KeyValue[] = [];
  for (const file of envFile) {
    for (const { key, value } of await readEnvFile(resolve(cwd, file))) {
      if (value !== undefined) all.push({ key, value });
    }
  }
  return [...all, ...env];
}
