import { describe, expect, test } from "vitest";
import { buildFailure } from "./failure.ts";

describe("buildFailure()", () => {
  test("names the step, its exit code and what it said", () => {
    const lines = [
      "[1/2] STEP 5/5: RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev",
      "npm error code EUSAGE",
      "npm error",
      "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
      "npm error A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log",
      "subprocess exited with status 1",
      "subprocess exited with status 1",
      'Error: building at STEP "RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev": exit status 1',
    ];
    expect(buildFailure(lines)).toBe(
      'Step "RUN npm ci --omit=dev" failed with exit code 1: `npm ci` can only install packages when your package.json and package-lock.json are in sync.',
    );
  });

  test("takes what a compiler said, not what came before the step", () => {
    const lines = [
      "STEP 1/2: RUN a",
      "error: of another step",
      "STEP 2/2: RUN npm run build",
      "src/a.ts(1,7): error TS2322: Type 'number' is not assignable to type 'string'.",
      'time="2026-11-25T18:18:17Z" level=error msg="x"',
      'Error: building at STEP "RUN npm run build": while running runtime: exit status 2',
    ];
    expect(buildFailure(lines)).toBe(
      "Step \"RUN npm run build\" failed with exit code 2: src/a.ts(1,7): error TS2322: Type 'number' is not assignable to type 'string'.",
    );
  });

  test("says how to get a base image", () => {
    const line =
      "Error: creating build container: initializing source docker://docker.io/library/node:24: pinging container registry registry-1.docker.io: dial tcp: lookup registry-1.docker.io: no such host";
    expect(buildFailure(["STEP 1/1: FROM docker.io/library/node:24", line])).toBe(
      'Cannot get base image "docker.io/library/node:24": lookup registry-1.docker.io: no such host. Make it available, or name another in ConfigMap build-templates/base-images ("elafros templates stand-ins" makes images from this machine\'s packages)',
    );
  });

  test("says something where buildah said nothing", () => {
    expect(buildFailure([])).toBe("Cannot build the image: buildah said nothing");
    expect(buildFailure(["Error: no space left on device"])).toBe("Cannot build the image: no space left on device");
  });
});
