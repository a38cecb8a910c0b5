/** `elafros-builder` run by itself: with a cache of its own, on the stand-in base images; and what it made, looked at and started by buildah. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { storageConf } from "../../src/runtime/oci/storage-config.ts";
import { type CommandResult, eventually, freePort, run } from "./platform.ts";
import { standIns } from "./stand-ins.ts";

const root = resolve(import.meta.dirname, "../..");

export interface BuiltImage {
  /** Digests of its layers, lowest first. */
  layers: string[];
  config: { User?: string; Cmd?: string[]; Env?: string[]; Labels?: Record<string, string> };
}

export interface Builder {
  dir: string;
  /** A copy of an example, to be changed and built. */
  example(name: string): Promise<string>;
  /** Builds a folder with further arguments; never throws for an exit status. */
  build(workspace: string, language: string, ...args: string[]): Promise<CommandResult>;
  /** The image of the last build that succeeded. */
  image(): Promise<BuiltImage>;
  /** Calls `use` with the directory where the image's files are. */
  files<T>(use: (root: string) => Promise<T>): Promise<T>;
  /** Starts the image, calls `use` with its address once it answers, and ends it. */
  serve<T>(use: (url: string) => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

/** Makes one. `bases` is its containers-storage of base images: the machine's stand-ins unless given. */
export async function makeBuilder(bases?: string): Promise<Builder> {
  const made = await standIns();
  const dir = join(tmpdir(), `elafros-builder-test-${randomBytes(6).toString("hex")}`);
  const cache = join(dir, "cache");
  // A name without capitals, as buildah takes it for an image's.
  const output = join(dir, "image");
  const config = join(dir, "storage.conf");
  await mkdir(cache, { recursive: true });
  const store = { graphRoot: join(cache, "storage"), runRoot: join(dir, "run") };
  await writeFile(config, storageConf(store, "overlay", [bases ?? made.bases]));
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: config, BUILDAH_ISOLATION: "chroot" };
  const buildah = async (...args: string[]) => {
    const { code, stdout, stderr } = await run("buildah", args, { env });
    if (code !== 0) throw new Error(`buildah ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const json = async (file: string) => JSON.parse(await readFile(join(output, file), "utf8")) as unknown;
  const blob = (digest: string) => json(`blobs/${digest.replace(":", "/")}`);
  const manifest = async () => {
    const { manifests } = (await json("index.json")) as { manifests: { digest: string }[] };
    return (await blob(manifests[0]?.digest ?? "")) as { config: { digest: string }; layers: { digest: string }[] };
  };
  const withContainer = async <T>(use: (container: string) => Promise<T>): Promise<T> => {
    // The builder's storage has it too, which is quicker than taking the layout in; an image's id is the digest of its configuration.
    const name = `localhost/built:${randomBytes(6).toString("hex")}`;
    await buildah("tag", (await manifest()).config.digest.replace("sha256:", ""), name);
    const container = await buildah("from", "--quiet", name);
    try {
      return await use(container);
    } finally {
      await buildah("rm", container);
    }
  };
  const basesOf = (language: string) => {
    const name = language.replace("-fn", "").replace("nodejs", "node");
    const args = [
      ["build-base", made.images[`${name}-build`]],
      ["run-base", made.images[`${name}-run`]],
    ];
    return args.flatMap(([option, image]) => (image === undefined ? [] : [`--${option}=${image}`]));
  };
  const builder: Builder = {
    dir,
    example: async (name) => {
      const copy = await mkdtemp(join(dir, "source-"));
      await cp(join(root, "examples", name), copy, { recursive: true });
      return copy;
    },
    build: async (workspace, language, ...args) => {
      await rm(output, { recursive: true, force: true });
      const main = join(root, "src/runtime/builder/main.ts");
      const places = [`--workspace=${workspace}`, `--cache=${cache}`, `--output=${output}`];
      return run(process.execPath, [main, language, ...basesOf(language), ...places, ...args], { env });
    },
    image: async () => {
      const { config: described, layers } = await manifest();
      const { config: found } = (await blob(described.digest)) as { config: BuiltImage["config"] };
      return { layers: layers.map(({ digest }) => digest), config: found };
    },
    files: (use) => withContainer(async (container) => use(await buildah("mount", container))),
    serve: (use) =>
      withContainer(async (container) => {
        const port = await freePort();
        const { config: found } = await builder.image();
        const args = ["run", "--isolation", "chroot", "--env", `PORT=${port}`, container, "--", ...(found.Cmd ?? [])];
        const child = spawn("buildah", args, { env, stdio: ["ignore", "pipe", "pipe"] });
        let said = "";
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding("utf8").on("data", (text: string) => (said += text));
        const ended = new Promise<void>((done) => child.once("close", () => done()));
        const url = `http://127.0.0.1:${port}`;
        try {
          await eventually(`the image answers; it said: ${said}`, () =>
            fetch(url).then(
              () => true,
              () => child.exitCode !== null,
            ),
          );
          if (child.exitCode !== null) throw new Error(`The image ended with ${child.exitCode}: ${said}`);
          return await use(url);
        } finally {
          child.kill("SIGTERM");
          await ended;
        }
      }),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
  return builder;
}
