/** What both sides of the builds port promise. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildKey, BuildSpec, BuildsPort, BuildState, StepSpec } from "../../src/runtime/builds.ts";
import type { ImagesPort } from "../../src/runtime/images.ts";
import { layoutScript } from "../support/layout.ts";

/** A side that is held to the contract. */
export interface BuildsSide {
  port(): BuildsPort;
  /** Makes the Build that a build is of, in the place of one that was there; gives its uid. */
  declare(key: BuildKey): Promise<string>;
  /** A step that runs a shell script. */
  step(name: string, script: string): StepSpec;
  /** Registries that this side's builds reach: one for everybody, and one that wants user "me" with password "right". */
  open: { host: string };
  closed: { host: string };
  images: Pick<ImagesPort, "resolve">;
  /** Within so many whole seconds a step has begun here, on a busy machine too. */
  startSeconds: number;
  /** Ends the process that has the port, as far as builds see it, and starts the next. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

let made = 0;

/** Holds a side to it. */
export function buildsContract(name: string, start: () => Promise<BuildsSide>): void {
  describe(`builds ${name}`, () => {
    let side: BuildsSide;
    beforeAll(async () => {
      side = await start();
    });
    afterAll(() => side.close());

    const uids = new Map<string, string>();
    const newKey = async (): Promise<BuildKey> => {
      const key = { namespace: "default", name: `app-${String(++made).padStart(5, "0")}` };
      uids.set(key.name, await side.declare(key));
      return key;
    };
    const spec = (key: BuildKey, steps: StepSpec[], more: Partial<BuildSpec> = {}): BuildSpec => ({
      uid: uids.get(key.name) ?? "",
      steps,
      baseImages: [],
      registryAuths: [],
      gitCredentials: [],
      timeoutMs: 60_000,
      labels: { "build.dev/buildName": key.name },
      ...more,
    });
    const until = async (key: BuildKey, wanted: (state: BuildState) => boolean): Promise<BuildState> => {
      await expect
        .poll(
          () =>
            side
              .port()
              .list()
              .filter((one) => one.key.name === key.name)
              .some(wanted),
          { interval: 20 },
        )
        .toBe(true);
      const state = side.port().get(key);
      if (state === undefined) throw new Error("The build is gone");
      return state;
    };
    const end = (key: BuildKey) => until(key, ({ endedAt }) => endedAt !== undefined);
    const waits = "while :; do sleep 0.1; done";

    test("steps run one after the other, and the build tells how they go", async () => {
      const key = await newKey();
      const told: string[] = [];
      const unsubscribe = side.port().subscribe((of) => {
        if (of.name === key.name) told.push(side.port().get(of)?.phase ?? "gone");
      });
      side.port().start(key, spec(key, [side.step("one", "true"), side.step("two", "true")]));
      const state = await end(key);
      // What has ended is written down before it is told.
      await expect.poll(() => told.at(-1)).toBe("succeeded");
      unsubscribe();
      expect(state).toMatchObject({ key, uid: uids.get(key.name), phase: "succeeded" });
      expect(state.steps).toMatchObject([
        { name: "one", phase: "ended", exitCode: 0 },
        { name: "two", phase: "ended", exitCode: 0 },
      ]);
      expect(state.imageDigest).toBeUndefined();
      expect(state.labels).toMatchObject({ "build.dev/buildName": key.name });
      expect(state.steps[0]?.endedAt).toBeLessThanOrEqual(state.steps[1]?.startedAt ?? 0);
      expect(told).toContain("running");
    });

    test("a step that fails ends the build with its last line, and those behind it don't run", async () => {
      const key = await newKey();
      const steps = [side.step("one", "echo first; echo last; exit 3"), side.step("two", "true")];
      side.port().start(key, spec(key, steps));
      const state = await end(key);
      expect(state).toMatchObject({
        phase: "failed",
        failure: { reason: "BuildStepFailed", message: 'Step "one" failed with error message: last' },
      });
      expect(state.steps).toMatchObject([{ phase: "ended", exitCode: 3, message: "last" }, { phase: "waiting" }]);
    });

    test("what steps write is there for those after them, and their output is kept", async () => {
      const key = await newKey();
      const steps = [
        side.step("one", "echo from one > /workspace/note; cp /workspace/note /builder/home/note"),
        side.step("two", "cat /workspace/note /builder/home/note; pwd; echo $HOME; echo why >&2"),
      ];
      side.port().start(key, spec(key, steps));
      expect(await end(key)).toMatchObject({ phase: "succeeded" });
      const { signal } = new AbortController();
      const options = { follow: true, timestamps: false, previous: false, signal };
      const lines = await Array.fromAsync(side.port().logs(key, "two", options));
      expect(lines.toSorted()).toEqual(["/builder/home\n", "/workspace\n", "from one\n", "from one\n", "why\n"]);
    });

    test("a step whose image or program isn't there ends the build as that", async () => {
      const key = await newKey();
      const image = `${side.open.host}/nothing:1`;
      side.port().start(key, spec(key, [{ ...side.step("one", "true"), image }]));
      const missing = (await end(key)).failure;
      expect(missing?.reason).toBe("BuildStepFailed");
      expect(missing?.message).toMatch(/^Step "one" failed .*cannot be started: .*127\.0\.0\.1:\d+\/nothing/u);
      const other = await newKey();
      side.port().start(other, spec(other, [{ ...side.step("one", "true"), command: ["/bin/nothing"] }]));
      expect((await end(other)).failure?.message).toMatch(/^Step "one" failed .*cannot be started: .*\/bin\/nothing/u);
    });

    test("an image that steps leave is pushed with the build's credentials, and is refused with those of nobody", async () => {
      const image = `${side.closed.host}/team/app:v1`;
      const auth = (password: string) => [{ registry: side.closed.host, username: "me", password }];
      const build = async (password: string) => {
        const key = await newKey();
        const steps = [side.step("layout", layoutScript("pushed"))];
        side.port().start(key, spec(key, steps, { image, registryAuths: auth(password) }));
        return end(key);
      };
      const pushed = await build("right");
      expect(pushed.failure).toBeUndefined();
      expect(pushed.imageDigest).toMatch(/^127\.0\.0\.1:\d+\/team\/app@sha256:[0-9a-f]{64}$/u);
      expect(await side.images.resolve(image, auth("right"), "Always")).toBe(pushed.imageDigest);
      const refused = await build("wrong");
      expect(refused.failure?.reason).toBe("PushFailed");
      expect(refused.failure?.message).toMatch(
        /^Cannot push image "127\.0\.0\.1:\d+\/team\/app:v1": .*(?:[Uu]nauthorized|authentication required).* \(asked http:\/\/.* as user "me"\)/u,
      );
      expect(refused).not.toHaveProperty("imageDigest");
    });

    test("what a step has pushed itself is taken by the digest that it wrote, else by its tag", async () => {
      const build = async (script: string, tag = "v1") => {
        const key = await newKey();
        const image = `${side.open.host}/team/self:${tag}`;
        side.port().start(key, spec(key, [side.step("one", script)], { image }));
        return end(key);
      };
      const first = await build(layoutScript("self"));
      const digest = first.imageDigest?.split("@")[1] ?? "";
      expect(await build("true")).toMatchObject({ phase: "succeeded", imageDigest: first.imageDigest });
      const byDigest = await build(`echo ${digest} > /builder/image-digest`, "none");
      expect(byDigest).toMatchObject({ phase: "succeeded", imageDigest: first.imageDigest });
      const odd = await build("echo ../../etc > /builder/image-digest");
      expect(odd.failure).toMatchObject({
        reason: "ImageMissing",
        message: expect.stringContaining('what follows "@" is not sha256') as string,
      });
    });

    test("declared again it doesn't run again, and under another uid it is another build", async () => {
      const key = await newKey();
      const first = spec(key, [side.step("one", "true")]);
      side.port().start(key, first);
      const ended = await end(key);
      side.port().start(key, first);
      expect(await end(key)).toEqual(ended);
      const another = await side.declare(key);
      side.port().start(key, { ...first, uid: another });
      await until(key, ({ uid, phase }) => uid === another && phase === "succeeded");
    });

    test("a cancelled build ends as that, and one that has ended stays as it is", async () => {
      const key = await newKey();
      side.port().start(key, spec(key, [side.step("one", waits)]));
      await until(key, ({ steps }) => steps[0]?.phase === "running");
      side.port().cancel(key);
      const state = await end(key);
      expect(state.failure).toEqual({ reason: "BuildCancelled", message: "Build was cancelled" });
      side.port().cancel(key);
      expect(side.port().get(key)).toEqual(state);
    });

    test("a build that takes longer than its timeout ends as that", async () => {
      const key = await newKey();
      const seconds = side.startSeconds;
      side.port().start(key, spec(key, [side.step("one", waits)], { timeoutMs: seconds * 1000 }));
      expect((await end(key)).failure).toEqual({
        reason: "BuildTimeout",
        message: `Build took longer than its timeout of ${seconds}s: give it more with "timeout"`,
      });
    });

    test("what is removed is forgotten, and has no logs", async () => {
      const key = await newKey();
      side.port().start(key, spec(key, [side.step("one", "true")]));
      await end(key);
      const { signal } = new AbortController();
      const options = { follow: false, timestamps: false, previous: false, signal };
      expect(() => side.port().logs(key, "other", options)).toThrow(
        `Cannot read logs: build "default/${key.name}" has no step "other"`,
      );
      side.port().remove(key);
      expect(side.port().get(key)).toBeUndefined();
      expect(() => side.port().logs(key, "one", options)).toThrow(
        `Cannot read logs: there is no build "default/${key.name}"`,
      );
    });

    test("a build goes on while its port's process is replaced, and no step runs twice", async () => {
      const key = await newKey();
      const steps = [side.step("one", "sleep 2; echo end; exit 4"), side.step("two", "true")];
      side.port().start(key, spec(key, steps));
      const before = await until(key, (state) => state.steps[0]?.phase === "running");
      await side.restart();
      const after = await end(key);
      expect(after).toMatchObject({ uid: before.uid, createdAt: before.createdAt });
      expect(after.steps[0]).toMatchObject({ exitCode: 4, startedAt: before.steps[0]?.startedAt });
    });
  });
}
