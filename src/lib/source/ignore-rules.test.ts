import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";

import { listSource } from "./walk.ts";

const run = promisify(execFile);

/** A directory with these files, which goes with the test. */
async function tree(files: Record<string, string>, parent = tmpdir()): Promise<string> {
  const root = await mkdtemp(join(parent, "elafros-ignore-"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

async function listed(files: Record<string, string>): Promise<string[]> {
  const root = await tree(files);
  onTestFinished(() => rm(root, { recursive: true }));
  return (await listSource(root)).map(({ path }) => path);
}

describe("listSource()", () => {
  test("leaves out what .gitignore names, in every directory, and keeps what is negated", async () => {
    const files = {
      ".gitignore": "*.log\n/dist/\n!keep.log\n",
      "a.log": "",
      "keep.log": "",
      "dist/x.js": "",
      "lib/dist/x.js": "",
      "lib/.gitignore": "!b.log\n/y\n",
      "lib/b.log": "",
      "lib/c.log": "",
      "lib/y": "",
      "lib/deep/y": "",
    };
    expect(await listed(files)).toEqual([
      ".gitignore",
      "keep.log",
      "lib/.gitignore",
      "lib/b.log",
      "lib/deep/y",
      "lib/dist/x.js",
    ]);
  });

  test("lets .elafrosignore win over the .gitignore beside it, both ways", async () => {
    const files = { ".gitignore": "dist/\n", ".elafrosignore": "!dist/\n*.md\n", "dist/x.js": "", "README.md": "" };
    expect(await listed(files)).toEqual([".elafrosignore", ".gitignore", "dist/x.js"]);
  });

  test("never lists .git and .elafros.json, whatever the rules say", async () => {
    const files = { ".git/config": "", "sub/.git": "gitdir: x", ".elafros.json": "{}", ".elafrosignore": "!.git\n" };
    expect(await listed({ ...files, a: "" })).toEqual([".elafrosignore", "a"]);
  });

  test("follows the rules of the working copy around a directory, unless they leave out that directory itself", async () => {
    const root = await tree({
      ".git/HEAD": "",
      ".gitignore": "node_modules/\n/services/*/tmp\n/out/\n",
      "services/.gitignore": "*.bak\n",
      "services/a/main.js": "",
      "services/a/main.js.bak": "",
      "services/a/node_modules/x/index.js": "",
      "services/a/tmp": "",
      "out/index.html": "",
      "out/node_modules/x": "",
    });
    onTestFinished(() => rm(root, { recursive: true }));
    const paths = async (path: string) => (await listSource(join(root, path))).map((entry) => entry.path);
    expect(await paths("services/a")).toEqual(["main.js"]);
    expect(await paths("out")).toEqual(["index.html", "node_modules/x"]);
  });

  test("lists what git lists, for rules of any shape", { timeout: 60_000 }, async () => {
    const name = fc.constantFrom("a", "b", "ab", "x.log", "a b", "d", "[a]", "#a", "!b");
    const pattern = fc
      .tuple(
        fc.constantFrom("", "!", "!", "\\"),
        fc.constantFrom("", "/", "**/", "d/"),
        fc.constantFrom(
          "a",
          "b",
          "*",
          "?",
          "*.log",
          "a*",
          "[ab]",
          "a\\ b",
          "d",
          "a/b",
          "d/**",
          "**/b",
          "#a",
          "!b",
          "a ",
        ),
        fc.constantFrom("", "/", " ", "\r"),
      )
      .map((parts) => parts.join(""));
    const rules = fc.array(pattern, { maxLength: 4 }).map((lines) => `${lines.join("\n")}\n`);
    const directory = fc.constantFrom("", "d/", "d/d/", "a/", "[a]/", "a b/");
    const scenario = fc.record({
      paths: fc.uniqueArray(
        fc.tuple(directory, name).map(([prefix, file]) => `${prefix}${file}`),
        { minLength: 1, maxLength: 12 },
      ),
      rules: fc.dictionary(directory, rules, { minKeys: 1, maxKeys: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ paths, rules: texts }) => {
        // A path can't be both a file and a directory.
        const usable = paths.filter((path) => !paths.some((other) => other.startsWith(`${path}/`)));
        const files = Object.fromEntries(usable.map((path) => [path, ""]));
        for (const [prefix, text] of Object.entries(texts)) {
          const taken = usable.some((path) => prefix === `${path}/` || prefix.startsWith(`${path}/`));
          if (!taken) files[`${prefix}.gitignore`] = text;
        }
        const root = await tree(files);
        try {
          const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
          await run("git", ["init", "--quiet", root], { env });
          const { stdout } = await run("git", ["ls-files", "--others", "--exclude-standard", "-z"], { cwd: root, env });
          const expected = stdout.split("\0").filter((path) => path !== "");
          expect((await listSource(root)).map(({ path }) => path)).toEqual(expected.sort());
        } finally {
          await rm(root, { recursive: true });
        }
      }),
      { numRuns: 40 },
    );
  });
});
