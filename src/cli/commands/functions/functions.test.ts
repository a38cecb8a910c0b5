import { execFile } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { playControllers, parseOptions, startCli } from "../../../../test/support/cli.ts";
import { keepSources, playBuilds } from "../../../../test/support/cli-builds.ts";
import { detect } from "../../../lib/source/detect.ts";
import { directoryView } from "../../../lib/source/view.ts";
import { functionsNewCommand, type FunctionsNewOptions } from "./new.ts";

const run = promisify(execFile);

describe("functions new", () => {
  it.each<[string[], FunctionsNewOptions]>([
    [["hello"], { name: "hello" }],
    [["hello", "--directory", "a/b"], { name: "hello", directory: "a/b" }],
  ])("functionsNewCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<FunctionsNewOptions>(functionsNewCommand, argv)).toEqual(expected);
  });

  it("functionsNewCommand() refuses what is no name", async () => {
    await expect(parseOptions(functionsNewCommand, ["Hello"])).rejects.toThrow("Give at most 50 lower case letters");
    await expect(parseOptions(functionsNewCommand, [])).rejects.toThrow("missing required argument");
  });

  it("functions new makes a function that is found, and whose test runs with nothing installed", async () => {
    await using cli = await startCli();
    const result = await cli.run(["functions", "new", "hello"]);
    expect(result).toEqual({
      code: 0,
      stderr: "",
      stdout: `✓ Created function [hello] in hello
  package.json
  index.js
  index.test.js
  .gitignore
  .elafrosignore
  README.md
Try it: cd hello && npm test, then 'elafros run' or 'elafros deploy'
`,
    });
    const place = join(cli.cwd, "hello");
    const found = await detect(await directoryView(place), { function: true });
    expect(found).toMatchObject({ template: "nodejs-24-fn", entryPoint: "index" });
    expect((await directoryView(place)).files).not.toContain("index.test.js");
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")));
    const tested = await run(process.execPath, ["--test"], { cwd: place, env });
    expect(tested.stdout).toMatch(/pass 2\b/);
    expect(tested.stdout).toMatch(/fail 0\b/);
  });

  it("functions new makes a directory that is deployed as a function without more words", async () => {
    await using cli = await startCli();
    playControllers(cli.api);
    playBuilds(cli.api);
    keepSources(cli.api);
    await cli.run(["functions", "new", "my-service", "--directory", "."]);
    expect((await cli.run(["deploy"])).stdout).toContain("Deploying function to service [my-service]:\n");
  });

  it("functions new writes over nothing", async () => {
    await using cli = await startCli();
    await mkdir(join(cli.cwd, "hello"));
    await writeFile(join(cli.cwd, "hello", "mine"), "");
    const result = await cli.run(["functions", "new", "hello"]);
    expect(result).toEqual({
      code: 1,
      stdout: "",
      stderr: 'Error: Directory "hello" is not empty: choose another one with --directory, or empty it\n',
    });
    expect(await readdir(join(cli.cwd, "hello"))).toEqual(["mine"]);
    await writeFile(join(cli.cwd, "file"), "");
    expect((await cli.run(["functions", "new", "x", "--directory", "file"])).stderr).toContain('Cannot make "file": ');
  });
});
