/** Builds as the port gets them, for tests that run none. */
import type { BuildSpec, StepSpec } from "../../src/runtime/builds.ts";
import { plainSecurity } from "./instance-spec.ts";

/** A step that is as small as it can be. */
export function plainStep(name: string, more: Partial<StepSpec> = {}): StepSpec {
  return {
    name,
    image: "r.example/i:1",
    env: [],
    security: plainSecurity,
    resources: {},
    mounts: [],
    ...more,
  };
}

/** A build of the given steps from a git repository. */
export function plainBuild(steps: StepSpec[], more: Partial<BuildSpec> = {}): BuildSpec {
  return {
    uid: "u1",
    source: { type: "git", url: "https://git.example/a", commit: "c" },
    steps,
    image: "r.example/app",
    baseImages: [],
    registryAuths: [],
    gitCredentials: [],
    timeoutMs: 600_000,
    labels: { "build.dev/buildName": "app-00001" },
    ...more,
  };
}
