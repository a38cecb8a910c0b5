/** What both sides of the builds port promise. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildKey, BuildSpec, BuildsPort, BuildState, StepSpec } from "../../src/runtime/builds.ts";

/** A side that is held to the contract. */
export interface BuildsSide {
  port(): BuildsPort;
  /** A step that runs a shell script. */
  step(name: string, script: string): StepSpec;
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

    const newKey = (): BuildKey => ({ namespace: "default", name: `app-${String(++made).padStart(5, "0")}` });
    const spec = (key: BuildKey, steps: StepSpec[], more: Partial<BuildSpec> = {}): BuildSpec => ({
      uid: `uid-of-${key.name}`,
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
      const key = newKey();
      const told: string[] = [];
      const unsubscribe = side.port().subscribe((of) => {
        if (of.name === key.name) told.push(side.port().get(of)?.phase ?? "gone");
      });
      side.port().start(key, spec(key, [side.step("one", "true"), side.step("two", "true")]));
      const state = await end(key);
      // What has ended is written down before it is told.
      await expect.poll(() => told.at(-1)).toBe("succeeded");
      unsubscribe();
      expect(state).toMatchObject({ key, uid: `uid-of-${key.name}`, phase: "succeeded" });
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
      const key = newKey();
      const steps = [side.step("one", "echo first; echo last; exit 3"), side.step("two", "true")];
      side.port().start(key, spec(key, steps));
      const state = await end(key);
      expect(state).toMatchObject({
        phase: "failed",
        failure: { reason: "BuildStepFailed", message: 'Step "one" failed with error message: last' },
      });
      expect(state.steps).toMatchObject([{ phase: "ended", exitCode: 3, message: "last" }, { phase: "waiting" }]);
    });

    test("declared again it doesn't run again, and under another uid it is another build", async () => {
      const key = newKey();
      const first = spec(key, [side.step("one", "true")]);
      side.port().start(key, first);
      const ended = await end(key);
      side.port().start(key, first);
      expect(await end(key)).toEqual(ended);
      side.port().start(key, { ...first, uid: "another" });
      await until(key, ({ uid, phase }) => uid === "another" && phase === "succeeded");
    });

    test("a cancelled build ends as that, and one that has ended stays as it is", async () => {
      const key = newKey();
      side.port().start(key, spec(key, [side.step("one", waits)]));
      await until(key, ({ steps }) => steps[0]?.phase === "running");
      side.port().cancel(key);
      const state = await end(key);
      expect(state.failure).toEqual({ reason: "BuildCancelled", message: "Build was cancelled" });
      side.port().cancel(key);
      expect(side.port().get(key)).toEqual(state);
    });

    test("a build that takes longer than its timeout ends as that", async () => {
      const key = newKey();
      side.port().start(key, spec(key, [side.step("one", waits)], { timeoutMs: 1_000 }));
      expect((await end(key)).failure).toEqual({
        reason: "BuildTimeout",
        message: 'Build took longer than its timeout of 1s: give it more with "timeout"',
      });
    });

    test("what is removed is forgotten, and has no logs", async () => {
      const key = newKey();
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
      const key = newKey();
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
