import { describe, expect, test } from "vitest";

import { looksLikeGitUrl, parseGitUrl, shownUrl } from "./git-url.ts";

describe("parseGitUrl()", () => {
  test.each([
    ["https://example.com/a/b.git", { transport: "https", host: "example.com", path: "/a/b.git" }],
    ["https://me@example.com:8443/b", { transport: "https", host: "example.com:8443", path: "/b", user: "me" }],
    ["http://127.0.0.1:3000/b", { transport: "http", host: "127.0.0.1:3000", path: "/b" }],
    ["ssh://git@example.com:2222/a/b", { transport: "ssh", host: "example.com:2222", path: "/a/b", user: "git" }],
    ["git@github.com:a/b.git", { transport: "ssh", host: "github.com", path: "a/b.git", user: "git" }],
    ["example.com:b", { transport: "ssh", host: "example.com", path: "b" }],
    ["file:///srv/a%20b.git", { transport: "file", host: "", path: "/srv/a b.git" }],
  ])("reads %s", (text, expected) => {
    expect(parseGitUrl(text)).toEqual({ ...expected, url: text });
  });

  test.each([
    "ext::sh -c id",
    "ext::sh%20-c%20id",
    "fd::17/foo",
    "git://example.com/a",
    "--upload-pack=id",
    "-oProxyCommand=id:x",
    "ssh://-oProxyCommand=id/x",
    "ssh://-l@example.com/x",
    "git@example.com:-x",
    "ssh://example.com/-x",
    "https://example.com/",
    "https://example.com/a\nb",
    "https://example.com/a b",
    "https://example.com/a?b",
    "file:///a/..%2fetc",
    "file://host/a",
    "/srv/a",
    "./a",
    "a/b:c",
    "",
  ])("refuses %s", (text) => {
    expect(() => parseGitUrl(text)).toThrow(/is no git URL/);
  });

  test("refuses a password in the URL without repeating it, and says where it belongs", () => {
    const parse = () => parseGitUrl("https://me:hunter2@example.com/a");
    expect(parse).toThrow(
      "put it into a Secret of type kubernetes.io/basic-auth, annotated build.dev/git-0: https://example.com",
    );
    expect(parse).not.toThrow("hunter2");
  });
});

test.each([
  ["https://github.com/a/b", true],
  ["https://example.com/a.tar.gz?sig=1", false],
  ["git@github.com:a/b", true],
  ["ssh://x/y", true],
  ["file:///a", true],
  ["./dir", false],
  [".", false],
  ["a.zip", false],
  ["C:/x", false],
  ["dir/with:colon", false],
])("looksLikeGitUrl(%s) is %s", (text, expected) => {
  expect(looksLikeGitUrl(text)).toBe(expected);
});

test.each([
  ["https://me:pw@example.com/a", "https://example.com/a"],
  ["git@github.com:a/b", "github.com:a/b"],
  ["ssh://git@h/x@y", "ssh://h/x@y"],
  ["https://example.com/a@b", "https://example.com/a@b"],
])("shownUrl(%s) is %s", (text, expected) => {
  expect(shownUrl(text)).toBe(expected);
});
