import { describe, expect, test } from "vitest";

import { digestHex, parseLocation, uploadLocation } from "./location.ts";

const hex = "0123456789abcdef".repeat(4);

describe("parseLocation()", () => {
  test.each([
    [`upload:sha256:${hex}`, { type: "upload", sha256: hex }],
    ["https://example.com/a.tar.gz?x=1", { type: "url", url: "https://example.com/a.tar.gz?x=1" }],
    [`http://127.0.0.1:8000/a.zip#sha256=${hex}`, { type: "url", url: "http://127.0.0.1:8000/a.zip", sha256: hex }],
    ["gs://my-bucket/dir/a b.zip", undefined],
    ["gs://my-bucket/dir/a.zip", { type: "url", url: "https://storage.googleapis.com/my-bucket/dir/a.zip" }],
    [
      "gs://my-bucket/a.zip#1234567",
      { type: "url", url: "https://storage.googleapis.com/my-bucket/a.zip?generation=1234567" },
    ],
    ["s3://my-bucket/dir/a.zip", { type: "url", url: "https://my-bucket.s3.amazonaws.com/dir/a.zip" }],
    ["s3://my.bucket/a.zip", { type: "url", url: "https://s3.amazonaws.com/my.bucket/a.zip" }],
  ])("reads %s", (text, expected) => {
    if (expected === undefined) expect(() => parseLocation(text)).toThrow("is no location of a source");
    else expect(parseLocation(text)).toEqual(expected);
  });

  test.each([
    [
      "ftp://example.com/a.zip",
      "is no location of a source: use https://…, gs://BUCKET/OBJECT, s3://BUCKET/KEY or upload",
    ],
    ["a.zip", "is no location of a source"],
    ["", "is no location of a source"],
    ["file:///etc/passwd", "is no location of a source"],
    ["https://example.com/a\n", "is no location of a source"],
    [`upload:sha256:${hex.toUpperCase()}`, "is no upload: write upload:sha256:, then 64 hex digits"],
    ["upload:sha256:../../etc", "is no upload"],
    ["https://me:secret@example.com/a.zip", 'The location of the source on host "example.com" holds credentials'],
    ["https://example.com/a.zip#sha256=12", "must be sha256= and 64 hex digits"],
    ["https://example.com/a.zip#part", "must be sha256= and 64 hex digits"],
    ["gs://bucket", "names no object of a bucket: write gs://BUCKET/PATH"],
    ["gs://evil.example:80/x", "names no object of a bucket"],
    ["s3://b%2f/x", "names no object of a bucket"],
  ])("refuses %s", (text, expected) => {
    expect(() => parseLocation(text)).toThrow(expected);
    expect(() => parseLocation(text)).not.toThrow("secret");
  });

  test("never leads a bucket's name to another host", () => {
    for (const bucket of ["..", "a@b", "a/../..", "evil.example#", "[::1]"]) {
      for (const scheme of ["gs", "s3"]) {
        let host: string | undefined;
        try {
          const location = parseLocation(`${scheme}://${bucket}/x`);
          host = location.type === "url" ? new URL(location.url).host : undefined;
        } catch {
          continue;
        }
        expect(host).toMatch(/^(?:storage\.googleapis\.com|(?:[a-z0-9-]+\.)?s3\.amazonaws\.com)$/);
      }
    }
  });
});

test("uploadLocation() makes what parseLocation() reads", () => {
  expect(parseLocation(uploadLocation(`sha256:${hex}`))).toEqual({ type: "upload", sha256: hex });
});

test("digestHex() takes exactly the form of the sources port", () => {
  expect(digestHex(`sha256:${hex}`)).toBe(hex);
  for (const text of [hex, `sha256:${hex}\n`, `sha256:${hex}0`, "sha256:", "sha512:00"])
    expect(digestHex(text)).toBeUndefined();
});
