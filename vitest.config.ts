import { defineConfig } from "vitest/config";

/** Tests that get packages from the world outside, or ask its name servers. The others need no network but a loopback. */
const outside = [
  "test/integration/builder.test.ts",
  "test/conformance/normative/builds.test.ts",
  "test/e2e/builds.test.ts",
  "test/e2e/cli-builds.test.ts",
  "test/e2e/from-source.test.ts",
  "test/e2e/inside.test.ts",
];
/** The tests of the gateway: a project, so that they can run beside the others of test/integration. */
const gateway = "test/integration/gateway-*.test.ts";
/** Tests that start real processes, containers or servers run one file at a time: they share the machine's two cores. */
const real = {
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 60_000, interval: 25 } },
};

export default defineConfig({
  test: {
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/architecture.test.ts", "test/docs.test.ts"],
          // The machine may be busy with the others: what is waited for has come, or it doesn't come.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          expect: { poll: { timeout: 20_000, interval: 10 } },
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          exclude: [...outside, gateway],
          ...real,
        },
      },
      { extends: true, test: { name: "gateway", include: [gateway], ...real } },
      {
        extends: true,
        test: { name: "conformance", include: ["test/conformance/**/*.test.ts"], exclude: outside, ...real },
      },
      { extends: true, test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], exclude: outside, ...real } },
      { extends: true, test: { name: "outside", include: outside, ...real } },
      { extends: true, test: { name: "long", include: ["test/long/**/*.test.ts"], ...real, testTimeout: 3_600_000 } },
    ],
  },
});
