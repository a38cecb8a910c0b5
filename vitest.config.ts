import { defineConfig } from "vitest/config";

/** Tests of parts that start whole platforms and get packages from the world outside, as those of test/e2e do. */
const outside = ["test/integration/builder.test.ts", "test/conformance/normative/builds.test.ts"];
/** Tests that start real processes, containers or servers run one file at a time: they share the machine's two cores. */
const real = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/architecture.test.ts", "test/docs.test.ts"],
          testTimeout: 30_000, // the machine may be busy with the others
        },
      },
      {
        extends: true,
        test: { name: "integration", include: ["test/integration/**/*.test.ts"], exclude: outside, ...real },
      },
      {
        extends: true,
        test: { name: "conformance", include: ["test/conformance/**/*.test.ts"], exclude: outside, ...real },
      },
      { extends: true, test: { name: "e2e", include: ["test/e2e/**/*.test.ts", ...outside], ...real } },
      { extends: true, test: { name: "long", include: ["test/long/**/*.test.ts"], ...real, testTimeout: 3_600_000 } },
    ],
  },
});
