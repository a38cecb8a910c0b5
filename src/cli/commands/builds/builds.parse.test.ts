import { describe, expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { type BuildsCancelOptions, buildsCancelCommand } from "./cancel.ts";
import { buildsLogsCommand, type BuildsLogsOptions } from "./logs.ts";

describe("buildsLogsCommand", () => {
  it.each<[string[], Partial<BuildsLogsOptions>]>([
    [[], {}],
    [["build.build.dev/hello-00001"], { name: "hello-00001" }],
    [
      ["v3", "--service", "hello", "-f", "--step", "build", "--tail", "5"],
      { name: "v3", service: "hello", follow: true, step: "build", tail: 5 },
    ],
  ])("buildsLogsCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<BuildsLogsOptions>(buildsLogsCommand, argv)).toEqual({ follow: false, ...expected });
  });

  it("buildsLogsCommand() refuses two builds", async () => {
    await expect(parseOptions(buildsLogsCommand, ["a", "b"])).rejects.toThrow("too many arguments");
  });
});

describe("buildsCancelCommand", () => {
  it.each<[string[], Partial<BuildsCancelOptions>]>([
    [["a"], { names: ["a"] }],
    [["build.build.dev/a", "v2", "--no-wait"], { names: ["a", "v2"], wait: false }],
  ])("buildsCancelCommand() reads %j", async (argv, expected) => {
    const defaults = { wait: true, timeout: 600 };
    expect(await parseOptions<BuildsCancelOptions>(buildsCancelCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it("buildsCancelCommand() needs a build", async () => {
    await expect(parseOptions(buildsCancelCommand, [])).rejects.toThrow("missing required argument 'name'");
  });
});
