import { describe, expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { runCommand, type RunOptions } from "./run.ts";

const defaults: RunOptions = { buildArg: [], env: [], envFile: [], verbose: false, timeout: 3600 };

describe("runCommand", () => {
  it.each<[string[], Partial<RunOptions>]>([
    [[], {}],
    [["--source", "app", "--port", "9000", "--verbose"], { source: "app", port: 9000, verbose: true }],
    [
      ["--function", "-e", "A=b=c", "--env-file", "f"],
      { function: true, env: [{ key: "A", value: "b=c" }], envFile: ["f"] },
    ],
    [
      ["--template", "mine", "--build-arg", "X=1", "--timeout", "5m", "-n", "dev"],
      { template: "mine", buildArg: [{ key: "X", value: "1" }], timeout: 300, namespace: "dev" },
    ],
  ])("runCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<RunOptions>(runCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it.each([
    [["--env", "A-"], "Give NAME=VALUE."],
    [["--port", "70000"], "Give a whole number from 1 to 65535."],
    [["app"], "too many arguments"],
  ])("runCommand() refuses %j with the way out", async (argv, message) => {
    await expect(parseOptions<RunOptions>(runCommand, argv)).rejects.toThrow(message);
  });
});
