import { describe, expect, test } from "vitest";
import { parseOptions } from "./options.ts";

const bases = ["--build-base=b", "--run-base=r"];

describe("parseOptions()", () => {
  test("counts empty options as absent, for templates can't leave one out", () => {
    expect(parseOptions(["nodejs", "--image=i", ...bases, "--entry-point=", "--signature=", "--build-args="])).toEqual({
      language: "nodejs",
      image: "i",
      buildBase: "b",
      runBase: "r",
      buildArgs: {},
      offeredArgs: {},
      context: ".",
      workspace: "/workspace",
      cache: "/builder/cache",
      baseBlobs: "/builder/bases/blobs",
      output: "/builder/image",
    });
  });

  test("reads build arguments, one a line or between blanks", () => {
    expect(parseOptions(["dockerfile", "--build-args=A=1 B=x=y"]).buildArgs).toEqual({ A: "1", B: "x=y" });
    expect(parseOptions(["dockerfile", "--build-args=A=1 2\n B= \n"]).buildArgs).toEqual({ A: "1 2", B: "" });
    expect(parseOptions(["dockerfile", "--offer=A=1", "--offer=B=2"]).offeredArgs).toEqual({ A: "1", B: "2" });
  });

  test.each<[string[], RegExp]>([
    [["rust"], /^Cannot build "rust": give one of nodejs,/u],
    [[], /^Cannot build ""/u],
    [["nodejs", "--run-base=r"], /--build-base is missing\. The template's _BUILD_BASE/u],
    [
      ["nodejs-fn", ...bases, "--signature=grpc"],
      /^Cannot use signature "grpc": _SIGNATURE is http, cloudevent, or empty$/u,
    ],
    [["dockerfile", "--build-args=-x"], /^Cannot read "-x" of _BUILD_ARGS: write NAME=value/u],
  ])("refuses %j with a sentence", (args, sentence) => {
    expect(() => parseOptions(args)).toThrow(sentence);
  });
});
