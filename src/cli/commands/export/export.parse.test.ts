import { expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { exportCommand } from "./export.ts";

const plain = { output: "yaml", digest: false, build: false, secrets: false, configMaps: false };

it.each([
  ["", plain],
  ["--service s --revision v3 -o json", { ...plain, service: "s", revision: "v3", output: "json" }],
  [
    "--digest --images-to r.example/p --auth-file f",
    { ...plain, digest: true, imagesTo: "r.example/p", authFile: "f" },
  ],
  ["--build --secrets --config-maps", { ...plain, build: true, secrets: true, configMaps: true }],
])("elafros export %s", async (line, options) => {
  expect(
    await parseOptions(
      exportCommand,
      line.split(" ").filter((word) => word !== ""),
    ),
  ).toEqual(options);
});

it.each(["-o table", "more", "--service NOT"])("elafros export %s is refused", async (line) => {
  await expect(parseOptions(exportCommand, line.split(" "))).rejects.toThrow();
});
