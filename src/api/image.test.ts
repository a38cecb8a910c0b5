import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseImage } from "./image.ts";

const digest = `sha256:${"0a".repeat(32)}`;

describe("parseImage()", () => {
  test.each<[string, object]>([
    ["app", { name: "app" }],
    ["app:1", { name: "app", tag: "1" }],
    ["library/app_x__y-z.w:V1.2_3-4", { name: "library/app_x__y-z.w", tag: "V1.2_3-4" }],
    ["localhost:5000/app", { name: "localhost:5000/app" }],
    ["localhost/app", { name: "localhost/app" }],
    ["my--registry.example:5000/app", { name: "my--registry.example:5000/app" }],
    ["127.0.0.1:5000/a/b/c:latest", { name: "127.0.0.1:5000/a/b/c", tag: "latest" }],
    ["[::1]:5000/app", { name: "[::1]:5000/app" }],
    ["Registry.Example/app", { name: "Registry.Example/app" }],
    ["gcr.io/project/app", { name: "gcr.io/project/app" }],
    [`app@${digest}`, { name: "app", digest }],
    [`r.example/app:1@${digest}`, { name: "r.example/app", tag: "1", digest }],
  ])("reads %s", (text, parts) => {
    expect(parseImage(text)).toEqual(parts);
  });

  test.each([
    "",
    " app",
    "app ",
    "App",
    "a/B",
    "app:",
    ":1",
    "app:-1",
    `app:${"x".repeat(129)}`,
    "app@sha256:abc",
    `app@${digest.toUpperCase()}`,
    `app@${digest}@${digest}`,
    "a//b",
    "/a",
    "a/",
    "-a",
    "a..b",
    "a___b",
    "../a",
    "docker://app",
    "https://r.example/app",
    "oci:/tmp/x",
    "r.example:port/app",
    "app\n",
    "a;rm -rf",
    "--help",
    "a".repeat(256),
  ])("refuses %j", (text) => {
    expect(parseImage(text)).toBeUndefined();
  });

  test("gives back parts that make the text again", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}$/), { nil: undefined });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), tag, fc.boolean(), (path, tag, exact) => {
        const name = path.join("/");
        const text = `${name}${tag === undefined ? "" : `:${tag}`}${exact ? `@${digest}` : ""}`;
        expect(parseImage(text)).toEqual({
          name,
          ...(tag === undefined ? {} : { tag }),
          ...(exact ? { digest } : {}),
        });
      }),
    );
  });

  test("ends soon on hostile text", () => {
    for (const text of [
      "a-".repeat(500),
      "a".repeat(1024),
      `${"a.".repeat(500)}!`,
      "/".repeat(1000),
      "[".repeat(900),
      `${"a-".repeat(120)}./x`,
      `${"a.".repeat(120)}!/x`,
    ]) {
      expect(parseImage(text)).toBeUndefined();
    }
  });
});
