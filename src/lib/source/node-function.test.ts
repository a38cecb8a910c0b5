import { describe, expect, test } from "vitest";
import { sourceView } from "../../../test/support/source-view.ts";
import { type NodeFunction, nodeFunction } from "./node-function.ts";

const framework = "const f = require('@google-cloud/functions-framework');\n";
const two = "exports.a = () => {};\nexports.b = () => {};";

describe("nodeFunction()", () => {
  test.each<[string, Record<string, string>, string | undefined, Partial<NodeFunction>]>([
    [
      "the only export",
      { "index.js": "exports.a = 1" },
      undefined,
      { file: "index.js", entryPoint: "a", registered: false },
    ],
    [
      "the default export",
      { "function.mjs": "export default () => {};\nexport const other = 1;" },
      undefined,
      { file: "function.mjs", entryPoint: "default" },
    ],
    [
      "the only registered one",
      { "index.js": `${framework}f.http('hi', () => {}); exports.x = 1; exports.y = 2;` },
      undefined,
      { entryPoint: "hi", registered: true },
    ],
    ["the one asked for", { "index.js": two }, "b", { entryPoint: "b" }],
    ["a member of an export", { "index.js": two }, "b.c", { entryPoint: "b.c" }],
    [
      "the default export by the file's name",
      { "index.js": "module.exports = () => {}" },
      "index",
      { entryPoint: "default" },
    ],
    [
      "one registered in another module",
      { "index.js": "require('./b')", "b.js": `${framework}f.cloudEvent('hi', () => {})` },
      "hi",
      { registered: true },
    ],
    [
      "one of a module that tells nothing",
      { "index.js": "module.exports = require('./b')", "b.js": "" },
      "hi",
      { entryPoint: "hi", registered: false },
    ],
    [
      "one that a build makes, read in its source",
      {
        "package.json": JSON.stringify({ main: "./dist/index.js", scripts: { build: "tsc" } }),
        "src/index.ts": "export function a(): void {}",
      },
      undefined,
      { file: "dist/index.js", entryPoint: "a" },
    ],
  ])("takes %s", async (_what, files, asked, expected) => {
    expect(await nodeFunction(sourceView(files), asked)).toMatchObject(expected);
  });

  test("finds none where there is no module", async () => {
    expect(
      await nodeFunction(sourceView({ "package.json": "{}", "a.test.js": "", "vite.config.js": "" })),
    ).toBeUndefined();
  });

  test.each<[string, Record<string, string>, string | undefined, RegExp]>([
    [
      "several exports",
      { "index.js": two },
      undefined,
      /^Cannot tell which function of index\.js to serve: it has a, b\. Name one with --function NAME$/u,
    ],
    ["several registered", { "index.js": `${framework}f.http('a', x); f.http('b', x);` }, undefined, /it has a, b\./u],
    ["no export", { "index.js": "console.log(1)" }, undefined, /it shows no export\. Export one/u],
    [
      "an entry point that isn't there",
      { "index.js": two },
      "c",
      /^Cannot find function "c" in index\.js: it has a, b\. Export it/u,
    ],
    ["an entry point in an empty module", { "index.js": "" }, "c", /it shows no export/u],
  ])("refuses %s with a sentence", async (_what, files, asked, sentence) => {
    await expect(nodeFunction(sourceView(files), asked)).rejects.toThrow(sentence);
  });
});
