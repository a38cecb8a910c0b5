/** Builds on the real driver: steps and what they share, logs, failures, the queue. */
import { chmod, chown, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type BuildBed,
  buildBed,
  buildEnd,
  buildLog,
  buildSpec,
  buildUntil,
  importRoot,
  shellStep,
  toolsStep,
  untilTidy,
} from "../support/builds.ts";
import { busyboxRoot } from "../support/busybox-root.ts";

let bed: BuildBed;
beforeAll(async () => {
  bed = await buildBed({ limits: { builds: 2 } });
});
afterAll(() => bed.close());

let built = 0;
const newKey = (name = "app") => ({ namespace: "default", name: `${name}-${String(++built).padStart(5, "0")}` });

async function runSteps(...args: Parameters<typeof buildSpec>) {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec(...args));
  return { key, state: await buildEnd(bed.driver, key), log: (step: string) => buildLog(bed.driver, key, step) };
}

const fromScratch = [
  "mkdir -p root && cp hello root/",
  "printf 'FROM scratch\\nCOPY root /\\nUSER 1000\\nENTRYPOINT [\"/hello\"]\\n' > Dockerfile",
  "buildah bud --layers -t result . && buildah push result oci:/builder/image",
].join("\n");

test("steps share the workspace and HOME, and leave an image that runs without a registry", async () => {
  const { state, log } = await runSteps(
    [
      shellStep("compile", "cp /bin/busybox hello; echo $HOME > $HOME/seen; pwd"),
      toolsStep("image", `cat $HOME/seen; ${fromScratch}`),
    ],
    { image: "default/app" },
  );
  expect(state).toMatchObject({ phase: "succeeded", labels: { "elafros.dev/configuration": "app" } });
  expect(state.imageDigest).toMatch(/^localhost\/default\/app@sha256:[0-9a-f]{64}$/);
  expect(state.steps).toMatchObject([
    { name: "compile", phase: "ended", exitCode: 0, image: expect.stringMatching(/^localhost\/busybox@sha256:/) },
    { name: "image", phase: "ended", exitCode: 0, image: "elafros.dev/tools" },
  ]);
  expect(await log("compile")).toBe("/workspace\n");
  expect(await log("image")).toContain("/builder/home\n");
  const root = await bed.images.root(state.imageDigest ?? "");
  expect(root).toMatchObject({ config: { user: "1000", entrypoint: ["/hello"] } });
  await untilTidy(bed.dir);
});

test("a base image on this machine is used in place, with its owners and modes", async () => {
  const base = join(bed.dir, "base");
  await busyboxRoot(base);
  await mkdir(join(base, "home/app"), { recursive: true });
  await writeFile(join(base, "home/app/secret"), "s\n");
  await chown(join(base, "home/app"), 1000, 1001);
  await chown(join(base, "home/app/secret"), 1000, 1001);
  await chmod(join(base, "home/app/secret"), 0o600);
  await importRoot(base, {
    name: "localhost/base",
    store: join(bed.dir, "bases"),
    runRoot: join(bed.dir, "run/setup"),
    config: ["--env", "PATH=/bin", "--cmd", "sh"],
  });
  const dockerfile = [
    "FROM localhost/base",
    "RUN stat -c '%u:%g %a %n' /home/app /home/app/secret && cat /home/app/secret",
    "USER 1000:1001",
    "RUN id && echo more >> /home/app/secret && touch /home/app/new && cat /home/app/secret",
  ].join("\n");
  const script = `cat > Dockerfile <<'END'\n${dockerfile}\nEND\nbuildah bud --layers --pull-never -t r . ; buildah push r oci:/builder/image`;
  const { state, log } = await runSteps([toolsStep("image", script)], {
    image: "based",
    baseImages: ["localhost/base"],
    cache: "default/based",
  });
  const text = await log("image");
  expect(state.failure).toBeUndefined();
  expect(text).toContain("1000:1001 755 /home/app\n1000:1001 600 /home/app/secret\ns\n");
  expect(text).toContain("uid=1000(app) gid=1001");
  expect(text).toContain("s\nmore\n");
  await untilTidy(bed.dir);
});

test("logs() follows a step from before its beginning to its end, line by line", async () => {
  const key = newKey();
  const wait = (file: string) => `until [ -e ${file} ]; do sleep 0.05; done`;
  bed.driver.builds.start(
    key,
    buildSpec([
      shellStep("first", "true"),
      shellStep("second", `echo one; ${wait("go")}; echo two >&2; printf three`),
      shellStep("last", "true"),
    ]),
  );
  const { signal } = new AbortController();
  const lines: string[] = [];
  for await (const line of bed.driver.builds.logs(key, "second", {
    follow: true,
    timestamps: false,
    previous: false,
    signal,
  })) {
    lines.push(line);
    if (line !== "one\n") continue;
    const state = bed.driver.builds.get(key);
    expect(state?.steps.map(({ phase }) => phase)).toEqual(["ended", "running", "waiting"]);
    const [job = ""] = await readdir(join(bed.dir, "run/mem/b"));
    await writeFile(join(bed.dir, "builds/jobs", job, "workspace/go"), "");
  }
  expect(lines).toEqual(["one\n", "two\n", "three\n"]);
  await buildEnd(bed.driver, key);
  expect(await buildLog(bed.driver, key, "second")).toBe("one\ntwo\nthree\n");
  expect(() =>
    bed.driver.builds.logs(key, "fourth", { follow: false, timestamps: false, previous: false, signal }),
  ).toThrow(`Cannot read logs: build "default/${key.name}" has no step "fourth"`);
});

test("a step runs as its user, in its directory, with its variables, volumes and the build's credentials", async () => {
  const volume = {
    volume: "v",
    mountPath: "/data",
    readOnly: false,
    source: { type: "emptyDir", medium: "" },
  } as const;
  const security = { ...shellStep("x", "").security, runAsUser: 1000, runAsGroup: 1001 };
  const { state, log } = await runSteps(
    [
      shellStep("root", "echo from-root > /data/file; chmod 666 /data/file", { mounts: [volume] }),
      shellStep(
        "user",
        [
          "id -u; pwd; echo $A; cat /data/file; touch /workspace/w /builder/home/h /builder/cache/c",
          "stat -c '%u:%g %a %n' $HOME/.docker $HOME/.docker/config.json",
          "cat $HOME/.docker/config.json; echo; mount | grep -c ' /builder/home/.docker type tmpfs '; echo changed > $HOME/.docker/config.json",
        ].join("\n"),
        { mounts: [volume], security, workingDir: "/data", env: [{ name: "A", value: "b c" }] },
      ),
      shellStep("again", "stat -c '%u:%g %a %n' $HOME/.docker/config.json; cat $HOME/.docker/config.json"),
    ],
    { registryAuths: [{ registry: "r.example.com", username: "u", password: "p" }] },
  );
  expect(state.failure).toBeUndefined();
  expect(await log("user")).toBe(
    [
      "1000\n/data\nb c\nfrom-root",
      "1000:1001 700 /builder/home/.docker\n1000:1001 600 /builder/home/.docker/config.json",
      '{"auths":{"r.example.com":{"auth":"dTpw"}}}\n1\n',
    ].join("\n"),
  );
  expect(await log("again")).toBe("0:0 600 /builder/home/.docker/config.json\nchanged\n");
  await untilTidy(bed.dir);
});

test("a custom source is the step before the others", async () => {
  const step = shellStep("ignored", "echo data > file");
  const { state, log } = await runSteps([shellStep("use", "cat file")], { source: { type: "custom", step } });
  expect(state).toMatchObject({ phase: "succeeded", steps: [{ name: "source" }, { name: "use" }] });
  expect(await log("use")).toBe("data\n");
});

test("a cache is kept between the builds that name it, and seen by no other", async () => {
  const count = [shellStep("count", "echo x >> /builder/cache/f; wc -l < /builder/cache/f")];
  const lines = async (cache?: string) => (await runSteps(count, cache === undefined ? {} : { cache })).log("count");
  expect(await lines("default/one")).toBe("1\n");
  expect(await lines("default/one")).toBe("2\n");
  expect(await lines("default/../one")).toBe("1\n");
  expect(await lines()).toBe("1\n");
  expect(await lines()).toBe("1\n");
  await untilTidy(bed.dir);
});

test("builds wait for their turn in the order in which they came, and say for how many", async () => {
  const order: string[] = [];
  const keys = Array.from({ length: 5 }, () => newKey("queued"));
  const unsubscribe = bed.driver.builds.subscribe(({ name }) => {
    const state = bed.driver.builds.get({ namespace: "default", name });
    if (state?.phase === "running" && !order.includes(name)) order.push(name);
  });
  const block = "until [ -e go ]; do sleep 0.05; done";
  for (const [index, key] of keys.entries()) {
    bed.driver.builds.start(key, buildSpec([shellStep("s", index < 2 ? block : "true")]));
  }
  const messages = () => keys.map((key) => bed.driver.builds.get(key)?.message);
  expect(messages().slice(2)).toEqual([
    "Waiting for 1 build before it",
    "Waiting for 2 builds before it",
    "Waiting for 3 builds before it",
  ]);
  const third = keys[2] ?? newKey();
  bed.driver.builds.cancel(third);
  const cancelled = await buildEnd(bed.driver, third);
  expect(cancelled).toMatchObject({ phase: "failed", failure: { reason: "BuildCancelled" } });
  expect(cancelled).not.toHaveProperty("startedAt");
  expect(messages().slice(3)).toEqual(["Waiting for 1 build before it", "Waiting for 2 builds before it"]);
  await buildUntil(bed.driver, keys[1] ?? third, ({ steps }) => steps[0]?.phase === "running");
  for (const key of keys.slice(0, 2)) bed.driver.builds.cancel(key);
  await Promise.all(keys.map((key) => buildEnd(bed.driver, key)));
  unsubscribe();
  expect(order).toEqual(keys.filter((key) => key !== third).map(({ name }) => name));
  await untilTidy(bed.dir);
});

test("start() again changes nothing, another uid begins anew, and remove() forgets", async () => {
  const { builds } = bed.driver;
  const key = newKey();
  const spec = buildSpec([shellStep("s", "echo first; sleep 60")]);
  builds.start(key, spec);
  await buildUntil(bed.driver, key, ({ steps }) => steps[0]?.phase === "running");
  builds.start(key, spec);
  expect(builds.get(key)?.steps[0]?.phase).toBe("running");
  builds.start(key, buildSpec([shellStep("s", "echo second")], { uid: "other" }));
  expect(builds.get(key)).toMatchObject({ uid: "other", steps: [{ phase: "waiting" }] });
  const state = await buildEnd(bed.driver, key);
  expect(state).toMatchObject({ uid: "other", phase: "succeeded" });
  expect(await buildLog(bed.driver, key, "s")).toBe("second\n");
  builds.start(key, buildSpec([shellStep("s", "false")], { uid: "other" }));
  expect(builds.get(key)).toEqual(state);
  const jobs = () => readdir(join(bed.dir, "builds/jobs"));
  const before = await jobs();
  builds.remove(key);
  expect(builds.get(key)).toBeUndefined();
  await expect.poll(jobs).toHaveLength(before.length - 1);
  await untilTidy(bed.dir);
});
