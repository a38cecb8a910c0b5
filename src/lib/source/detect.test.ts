import { describe, expect, test } from "vitest";
import { sourceView } from "../../../test/support/source-view.ts";
import { type Detection, detect } from "./detect.ts";

const json = JSON.stringify;
const startable = json({ scripts: { start: "node server.js" } });
const handler = "exports.hello = (req, res) => res.send('hi');";

describe("detect() of an app", () => {
  test.each<[string, Record<string, string>, string, string]>([
    ["a Dockerfile", { Dockerfile: "FROM x" }, "dockerfile", "Dockerfile"],
    ["a Containerfile", { Containerfile: "FROM x" }, "dockerfile", "Containerfile"],
    ["a Dockerfile beside an app", { "package.json": startable, Dockerfile: "FROM x" }, "dockerfile", "Dockerfile"],
    ["a start script", { "package.json": startable }, "nodejs-24", 'package.json with "start"'],
    [
      "a main that is there",
      { "package.json": json({ main: "./lib/a" }), "lib/a.js": "" },
      "nodejs-24",
      'package.json with "main": "./lib/a"',
    ],
    [
      "a main that is a folder",
      { "package.json": json({ main: "lib/" }), "lib/index.js": "" },
      "nodejs-24",
      'package.json with "main": "lib/"',
    ],
    [
      "a main that a build makes",
      { "package.json": json({ main: "dist/a.js", scripts: { build: "tsc" } }) },
      "nodejs-24",
      'package.json with "main" and "build"',
    ],
    ["a server file", { "package.json": "{}", "server.js": "" }, "nodejs-24", "package.json and server.js"],
    ["a server file alone", { "server.mjs": "" }, "nodejs-24", "server.mjs"],
    ["go.mod", { "go.mod": "module a", "main.go": "package main" }, "go-1", "go.mod"],
    ["package main", { "main.go": "// A program\npackage main\n" }, "go-1", "package main in ."],
    ["requirements", { "requirements.txt": "flask", "app.py": "" }, "python-3", "requirements.txt and app.py"],
    ["a main.py", { "main.py": "" }, "python-3", "main.py"],
    [
      "a Procfile",
      { "requirements.txt": "", Procfile: "web: python x.py\n" },
      "python-3",
      "requirements.txt and Procfile",
    ],
    ["a page", { "index.html": "" }, "static", "index.html"],
    [
      "a page that a build makes another of",
      { "index.html": "", "package.json": json({ scripts: { build: "vite build" } }) },
      "static",
      'package.json with "build" and a page',
    ],
    ["a page in a folder", { "public/index.html": "" }, "static", "public/index.html"],
    ["a page beside its script", { "index.html": "", "index.js": "" }, "static", "index.html"],
    ["a page beside a package.json for its tools", { "index.html": "", "package.json": "{}" }, "static", "index.html"],
    ["Python beside Node.js", { "main.py": "", "package.json": startable }, "nodejs-24", 'package.json with "start"'],
    ["Python beside Go", { "main.py": "", "go.mod": "module a", "main.go": "package main" }, "go-1", "go.mod"],
  ])("takes %s", async (_what, files, template, why) => {
    expect(await detect(sourceView(files))).toMatchObject({ template, why });
  });

  test("says the runtime", async () => {
    expect((await detect(sourceView({ "package.json": startable }))).runtime).toBe("node-24");
  });

  test.each<[string, Record<string, string>, RegExp]>([
    [
      "an empty folder",
      {},
      /^Cannot tell how to build this app: the folder is empty\. What would fit: Dockerfile.*--template/u,
    ],
    ["other files", { "src/a.rs": "", "README.md": "" }, /there is README\.md, src\/\. What/u],
    [
      "many files",
      Object.fromEntries("abcdefghijk".split("").map((name) => [name, ""])),
      /there is a, b, c, d, e, f, g, h and 3 more\./u,
    ],
    ["a broken package.json", { "package.json": "{" }, /^Cannot read package\.json: it is not valid JSON/u],
    ["a package.json that is a list", { "package.json": "[]" }, /must hold a JSON object/u],
    [
      "Python without a start",
      { "requirements.txt": "flask" },
      /^Cannot tell how to start the Python app.*_ENTRY_POINT/u,
    ],
    ["go.mod without a program", { "go.mod": "module a", "a.go": "package a" }, /no file with package main/u],
    [
      "two Go programs",
      { "a/main.go": "package main", "b/main.go": "package main" },
      /package main is in a, b\. Give its folder/u,
    ],
  ])("refuses %s with a sentence", async (_what, files, sentence) => {
    await expect(detect(sourceView(files))).rejects.toThrow(sentence);
  });
});

describe("detect() of a function", () => {
  const go = "package fn\nfunc Index(w http.ResponseWriter, r *http.Request) {}";
  test.each<[string, Record<string, string>, string | true, Partial<Detection>]>([
    ["a module alone", { "index.js": handler }, true, { template: "nodejs-24-fn", entryPoint: "hello" }],
    [
      "an entry point that is given",
      { "index.js": `${handler}exports.index = () => {};` },
      "index",
      { template: "nodejs-24-fn", entryPoint: "index" },
    ],
    [
      "package.json's main",
      { "package.json": json({ main: "lib/f.js" }), "lib/f.js": handler },
      true,
      { template: "nodejs-24-fn", entryPoint: "hello" },
    ],
    [
      "the only module",
      { "greet.mjs": "export const greet = () => {};", "greet.test.mjs": "" },
      true,
      { template: "nodejs-24-fn", entryPoint: "greet" },
    ],
    [
      "a Python function",
      { "main.py": "def hello(request):\n  return 'x'\n" },
      true,
      { template: "python-3-fn", entryPoint: "hello" },
    ],
    [
      "a Python function beside a package.json for tools",
      { "main.py": "def hello(request):\n  pass\n", "package.json": "{}" },
      true,
      { template: "python-3-fn", entryPoint: "hello" },
    ],
    ["a Go function in another case", { "f.go": go }, "index", { template: "go-1-fn", entryPoint: "Index" }],
  ])("takes %s", async (_what, files, wanted, expected) => {
    expect(await detect(sourceView(files), { function: wanted })).toMatchObject(expected);
  });

  test("says what it saw", async () => {
    expect((await detect(sourceView({ "index.js": handler }), { function: true })).why).toBe(
      "index.js with function hello",
    );
  });

  test("refuses a folder without a function with a sentence", async () => {
    await expect(detect(sourceView({ "index.html": "" }), { function: true })).rejects.toThrow(
      /^Cannot tell how to build this function: there is index\.html\. What would fit: index\.js/u,
    );
  });
});
