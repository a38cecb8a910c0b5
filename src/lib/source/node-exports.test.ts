import { describe, expect, test } from "vitest";
import { type ModuleExports, moduleExports } from "./node-exports.ts";

const framework = "const functions = require('@google-cloud/functions-framework');\n";

describe("moduleExports()", () => {
  test.each<[string, Partial<ModuleExports>]>([
    ["exports.hello = (req, res) => {}", { names: ["hello"] }],
    ["module.exports.a = b; exports.c = d;", { names: ["a", "c"] }],
    ["exports.a = exports.b = function () {}", { names: ["a", "b"] }],
    ["if (exports.a === 1) {}", { names: [] }],
    [
      "module.exports = { a, b: c, async d() { return { e: 1 }; }, 'f': (x, y) => [x, y] };",
      { names: ["a", "b", "d", "f"] },
    ],
    ["module.exports = (req, res) => {}", { default: true, names: [] }],
    ["module.exports = require('./lib')", { open: true, default: false }],
    ["export default async function (req, res) {}", { default: true }],
    ["export const a = 1, b = 2;\nexport async function c() {}\nexport function* d() {}", { names: ["a", "c", "d"] }],
    ["export { a, b as c, d as default };", { names: ["a", "c"], default: true }],
    ["export { type T, a };\nexport type U = string;\nexport interface V {}", { names: ["a"] }],
    ["export * from './b.js'", { open: true }],
    [
      "Object.defineProperty(exports, '__esModule', { value: true });\nexports.a = void 0;",
      { names: ["a"], open: false },
    ],
    ["// exports.a = 1\n/* exports.b = 2 */ const s = 'exports.c = 3'; exports.d = 4", { names: ["d"] }],
    [
      `${framework}functions.http('hello', () => {});\nfunctions.cloudEvent("e", () => {});`,
      { registered: ["hello", "e"], names: [] },
    ],
    [
      "import { http } from '@google-cloud/functions-framework';\nhttp(`hello`, (req, res) => {});",
      { registered: ["hello"] },
    ],
    ["app.http('hello', () => {});", { registered: [] }],
  ])("reads %j", (text, expected) => {
    expect(moduleExports(text)).toMatchObject(expected);
  });
});
