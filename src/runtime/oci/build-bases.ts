/**
 * Base images of builds, in a containers-storage of their own that every build sees read-only: what many builds start from comes to this machine once. They are pulled
 * by this machine's configuration and credentials alone. An image for which a build brings credentials of its own isn't put here, where every
 * namespace could use it: the step's own tools pull it, with the credentials that are in `HOME`.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { readJson, writeFileAtomic } from "../../lib/files.ts";
import type { Log } from "../../lib/log.ts";
import { ImageError } from "../images.ts";
import type { RegistryAuth } from "../workloads.ts";
import { type BaseBlobs, createBaseBlobs } from "./build-blobs.ts";
import { authsFor } from "../registry/auths.ts";
import { reason } from "./images-errors.ts";
import { type ImageReference, isLoopback, parseReference } from "../registry/reference.ts";
import { type StorageDriver, storageConf } from "./storage-config.ts";
import type { RunTool, ToolResult } from "./storage-run.ts";

export interface BasesOptions {
  /** The storage's directory. */
  dir: string;
  /** For the tools' locks; and for downloads. */
  runRoot: string;
  temporary: string;
  driver: StorageDriver;
  run: RunTool;
  clock: Clock;
  log: Log;
}

export interface Bases {
  /** Their layers as blobs. */
  readonly blobs: BaseBlobs;
  /** The storage's lock files, relative to its directory. Steps have others in their places: who holds a lock holds up everybody's base images. */
  readonly locks: readonly string[];
  /** Makes the storage where there is none: steps that see it can't. */
  prepare(): Promise<void>;
  /** Makes an image present. @throws ImageError */
  need(image: string, auth: readonly RegistryAuth[]): Promise<void>;
  /** Removes what no build has asked for in a month, and what newer images have replaced for as long. For when no build runs. */
  prune(): Promise<void>;
}

/** What is remembered of a name. */
interface Known {
  /** What the registry said last, and when. */
  digest: string;
  askedAt: number;
  usedAt: number;
}

const askAgainMs = 3_600_000;
const keptMs = 30 * 24 * 3_600_000;

export function createBases(options: BasesOptions): Bases {
  const { dir, driver, clock, log } = options;
  const memory = join(dir, "elafros.json");
  const locks = ["images", "layers"].map((part) => `${driver}-${part}/${part}.lock`);
  const blobs = createBaseBlobs(dir, driver);
  const under = new Map<string, Promise<void>>();
  const config = join(options.runRoot, "storage.conf");
  const skopeo = async (...args: string[]): Promise<ToolResult> => {
    await writeFileAtomic(config, storageConf({ graphRoot: dir, runRoot: options.runRoot }, driver));
    return options.run("skopeo", args, { env: { CONTAINERS_STORAGE_CONF: config } });
  };

  const listed = async (): Promise<{ id: string; names: string[] }[]> => {
    const text = await readFile(join(dir, `${driver}-images/images.json`), "utf8").catch(() => "[]");
    const images = JSON.parse(text) as { id: string; names?: string[] }[];
    return images.map(({ id, names = [] }) => ({ id, names }));
  };
  const known = async (): Promise<Record<string, Known>> =>
    ((await readJson(memory).catch(() => undefined)) ?? {}) as Record<string, Known>;
  let last: Promise<void> = Promise.resolve();
  /** One change of what is remembered after the other. */
  const remember = (name: string, entry: Known | undefined): Promise<void> => {
    const next = last.then(async () => {
      const { [name]: _before, ...others } = await known();
      await writeFileAtomic(memory, JSON.stringify(entry === undefined ? others : { ...others, [name]: entry }));
    });
    last = next.catch(() => {});
    return next;
  };
  const isThere = async (name: string) => (await listed()).some(({ names }) => names.includes(name));

  /** What a registry has under a tag. */
  const ask = async (reference: ImageReference, name: string): Promise<string> => {
    const tls = isLoopback(reference.registry) ? ["--tls-verify=false"] : [];
    const result = await skopeo("--command-timeout=20s", "inspect", "--raw", ...tls, `docker://${name}`);
    if (result.code !== 0) throw new ImageError(notPulled(name, reason(result.stderr)));
    return `sha256:${createHash("sha256").update(result.stdout).digest("hex")}`;
  };

  const bring = async (reference: ImageReference, name: string): Promise<void> => {
    const now = clock.now();
    const before = (await known())[name];
    const present = await isThere(name);
    if (reference.local) {
      if (!present) throw new ImageError(standInsMissing(name));
      return;
    }
    if (present && before !== undefined && now - before.askedAt < askAgainMs) {
      return remember(name, { ...before, usedAt: now });
    }
    const digest =
      reference.digest ??
      (await ask(reference, name).catch((error: unknown) => {
        if (!present) throw error;
        log.warn(
          { image: name, error: String(error) },
          "A registry can't be asked for a base image: the one that is here is used",
        );
        return before?.digest;
      }));
    if (digest === undefined || (present && digest === before?.digest)) {
      if (before !== undefined) await remember(name, { ...before, askedAt: now, usedAt: now });
      return;
    }
    const tls = isLoopback(reference.registry) ? ["--src-tls-verify=false"] : [];
    const result = await skopeo(
      "--command-timeout=60m",
      `--tmpdir=${options.temporary}`,
      "copy",
      ...tls,
      `docker://${reference.name}@${digest}`,
      `containers-storage:${name}`,
    );
    if (result.code !== 0) throw new ImageError(notPulled(name, reason(result.stderr)));
    await remember(name, { digest, askedAt: clock.now(), usedAt: clock.now() });
  };

  return {
    blobs,
    locks,
    prepare: async () => {
      await blobs.prepare();
      for (const lock of locks.map((path) => join(dir, path))) {
        await mkdir(dirname(lock), { recursive: true, mode: 0o700 });
        await (await open(lock, "a", 0o644)).close();
      }
    },
    need: async (image, auth) => {
      const reference = parseReference(image);
      if (authsFor(reference.name, auth).length > 0) return;
      const name =
        reference.digest === undefined
          ? `${reference.name}:${reference.tag ?? "latest"}`
          : `${reference.name}@${reference.digest}`;
      const running = under.get(name) ?? bring(reference, name).finally(() => under.delete(name));
      under.set(name, running);
      await running;
    },
    prune: async () => {
      const uses = await known();
      const now = clock.now();
      for (const { id, names } of await listed()) {
        if (names.some((name) => name.startsWith("localhost/") || under.has(name))) continue;
        // One without a name was replaced: since when isn't known, but since when it was seen.
        const tags = names.some((name) => uses[name] !== undefined) ? names : [`@${id}`];
        const usedAt = Math.max(...tags.map((tag) => uses[tag]?.usedAt ?? 0));
        if (usedAt === 0) await remember(`@${id}`, { digest: "", askedAt: now, usedAt: now });
        if (usedAt === 0 || now - usedAt < keptMs) continue;
        const result = await skopeo("delete", `containers-storage:@${id}`);
        if (result.code !== 0)
          log.warn({ image: names, error: reason(result.stderr) }, "A base image can't be removed");
        else for (const tag of tags) await remember(tag, undefined);
      }
      await blobs.prune();
    },
  };
}

function notPulled(name: string, why: string): string {
  return (
    `Cannot pull base image "${name}": ${why}. Let this machine reach its registry, name another image in ConfigMap "base-images" of namespace ` +
    `"build-templates", or make images from this machine's packages with "elafros templates stand-ins"`
  );
}

function standInsMissing(name: string): string {
  return (
    `Base image "${name}" is not on this machine, the only place of names that start with "localhost/": ` +
    `make it with "elafros templates stand-ins", or name another in ConfigMap "base-images" of namespace "build-templates"`
  );
}
