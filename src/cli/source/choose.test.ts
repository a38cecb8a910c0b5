import { describe, expect, it } from "vitest";
import type { Memory } from "../memory.ts";
import { chooseContent, type Content, type ContentOptions } from "./choose.ts";

const fromImage: Memory = { images: { s: "i:1" } };
const fromSource: Memory = {
  sources: { s: { source: "app", function: "index", template: "t", image: "r/i", buildArgs: { A: "1", B: "2" } } },
};
const source = (named: object, implied = false): Content => ({
  type: "source",
  source: { source: ".", ...named },
  implied,
});

describe("chooseContent", () => {
  it.each<[string, Partial<ContentOptions>, Memory, Content]>([
    ["an image that is named", { image: "i:2" }, fromImage, { type: "image", image: "i:2" }],
    ["an image that is named, where a source was last", { image: "i:2" }, fromSource, { type: "image", image: "i:2" }],
    ["the image that was last", {}, fromImage, { type: "image", image: "i:1" }],
    [
      "the source that was last, built as it was",
      {},
      fromSource,
      { type: "source", source: fromSource.sources?.["s"] ?? { source: "" }, implied: false },
    ],
    ["what the directory holds, where nothing was before", {}, {}, source({}, true)],
    ["what the directory holds, where only other services were before", {}, { images: { o: "i:1" } }, source({}, true)],
    ["a source that is named, and nothing of what was before", { source: "x" }, fromSource, source({ source: "x" })],
    ["a source that is named, though an image was last", { source: "x" }, fromImage, source({ source: "x" })],
    ["a source whose image goes somewhere", { source: "x", image: "r/i" }, {}, source({ source: "x", image: "r/i" })],
    ["a function in the directory", { function: "index" }, fromImage, source({ function: "index" })],
    ["a function that detection is to find", { function: true }, {}, source({ function: true })],
    ["the directory by a template", { template: "t" }, {}, source({ template: "t" })],
    [
      "the source that was last, but for what is said",
      { buildArg: [{ key: "B", value: "3" }], template: "u" },
      fromSource,
      source({ source: "app", function: "index", template: "u", image: "r/i", buildArgs: { A: "1", B: "3" } }),
    ],
    [
      "what the directory holds, where its memory was edited",
      {},
      { sources: { s: { source: 1 } } } as unknown as Memory,
      source({}, true),
    ],
  ])("chooseContent() takes %s", (_what, options, memory, expected) => {
    expect(chooseContent({ buildArg: [], ...options }, memory, "s")).toEqual(expected);
  });
});
