import { describe, expect, test } from "vitest";
import { sourceView } from "../../../test/support/source-view.ts";
import { goApp, goFunction } from "./go-source.ts";

const main = "package main\nfunc main() {}";

describe("goApp()", () => {
  test.each<[string, Record<string, string>, string | undefined, string]>([
    ["the root's before others", { "go.mod": "", "main.go": main, "cmd/a/main.go": main }, undefined, "."],
    ["the only one below cmd/", { "go.mod": "", "cmd/a/main.go": main, "tools/x.go": main }, undefined, "./cmd/a"],
    ["the only one", { "go.mod": "", "x/main.go": main }, undefined, "./x"],
    ["the one asked for", { "go.mod": "", "cmd/a/a.go": main, "cmd/b/b.go": main }, "./cmd/b/", "./cmd/b"],
    [
      "none of tests, vendor and ignored files",
      {
        "go.mod": "",
        "a_test.go": main,
        "vendor/x/x.go": main,
        "gen.go": `//go:build ignore\n\n${main}`,
        "web/w.go": main,
      },
      undefined,
      "./web",
    ],
  ])("builds %s", async (_what, files, asked, folder) => {
    expect((await goApp(sourceView(files), asked))?.main).toBe(folder);
  });

  test("refuses an entry point that isn't there with a sentence", async () => {
    await expect(goApp(sourceView({ "main.go": main }), "cmd/x")).rejects.toThrow(
      /^Cannot find package main in "cmd\/x": it is in \./u,
    );
  });
});

describe("goFunction()", () => {
  const http = (name: string) => `func ${name}(w http.ResponseWriter, r *http.Request) {\n}\n`;
  const event = "func OnEvent(ctx context.Context, e event.Event) error {\n\treturn nil\n}\n";
  test.each<[string, string, string | undefined, object]>([
    [
      "the only handler",
      `package hello\n${http("Hello")}${http("lower")}`,
      undefined,
      { entryPoint: "Hello", package: "hello", signature: "http" },
    ],
    [
      "the one asked for, in another case",
      `package fn\n${http("Index")}${http("Other")}`,
      "index",
      { entryPoint: "Index" },
    ],
    [
      "the exact one of two that differ by case",
      `package fn\n${http("INDEX")}${http("Index")}`,
      "Index",
      { entryPoint: "Index" },
    ],
    ["an event's", `package fn\n${event}`, undefined, { entryPoint: "OnEvent", signature: "cloudevent" }],
    [
      "none in comments",
      `package fn\n// ${http("Old")}\n/*\n${http("Older")}*/\n${http("New")}`,
      undefined,
      { entryPoint: "New" },
    ],
  ])("takes %s", async (_what, text, asked, expected) => {
    expect(await goFunction(sourceView({ "f.go": text }), asked)).toMatchObject(expected);
  });

  test.each<[string, string | undefined, RegExp]>([
    [`package fn\n${http("A")}${http("B")}`, undefined, /there is A, B\. Name one with --function NAME$/u],
    ["package fn\n", undefined, /there is no handler\. Write one as func NAME/u],
    [`package fn\n${http("A")}`, "b", /^Cannot find function "b" in f\.go: there is A\./u],
  ])("refuses what it can't tell with a sentence", async (text, asked, sentence) => {
    await expect(goFunction(sourceView({ "f.go": text }), asked)).rejects.toThrow(sentence);
  });
});
