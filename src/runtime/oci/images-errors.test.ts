import { expect, test } from "vitest";
import { dependsOnUser, isDiskFull, reason, urlAsked } from "./images-errors.ts";
import { parseReference } from "../registry/reference.ts";

// As skopeo 1.9 says it, with --debug.
const line = (level: string, message: string) =>
  `time="2026-11-23T07:49:28Z" level=${level} msg=${JSON.stringify(message)}\n`;
const notFound =
  line("debug", "GET https://127.0.0.1:5555/v2/") +
  line("debug", "GET http://127.0.0.1:5555/v2/bb/manifests/no") +
  line(
    "fatal",
    'Error parsing image name "docker://127.0.0.1:5555/bb:no": reading manifest no in 127.0.0.1:5555/bb: manifest unknown: manifest unknown',
  );
const bb = parseReference("127.0.0.1:5555/bb:no");

test("reason() keeps the cause without the tool's framing and repetition", () => {
  expect(reason(notFound)).toBe("reading manifest no in 127.0.0.1:5555/bb: manifest unknown");
  const copy = 'initializing source docker://a/b@sha256:1: pinging container registry a: Get "https://a/v2/": EOF';
  expect(reason(line("fatal", copy))).toBe('pinging container registry a: Get "https://a/v2/": EOF');
});

test("reason() leaves no signed query of a URL", () => {
  const said = 'writing blob: Get "https://bucket.example/blob?X-Signature=secret&x=1": EOF';
  expect(reason(line("fatal", said))).toBe('writing blob: Get "https://bucket.example/blob": EOF');
});

test("reason() falls back to the last line", () => {
  expect(reason("something\nelse happened\n")).toBe("else happened");
  expect(reason("")).toBe("");
});

test("urlAsked() names the last URL for the image, else the one by which the registry was tried", () => {
  expect(urlAsked(notFound, bb)).toBe("http://127.0.0.1:5555/v2/bb/manifests/no");
  expect(
    urlAsked(line("debug", "GET http://127.0.0.1:5555/v2/") + line("debug", "GET http://127.0.0.1:5555/v1/_ping"), bb),
  ).toBe("http://127.0.0.1:5555/v2/");
  expect(urlAsked("", bb)).toBe("https://127.0.0.1:5555/v2/bb/manifests/no");
  expect(urlAsked(line("debug", "GET https://s3.example/blobs/1?sig=secret"), bb)).toBe("https://s3.example/blobs/1");
});

test.each([
  ["unauthorized: authentication required", true],
  ["requested access to the resource is denied", true],
  ["dial tcp 127.0.0.1:9: connect: connection refused", false],
  ["x509: certificate signed by unknown authority", false],
])("dependsOnUser() says of %j: %s", (stderr, expected) => {
  expect(dependsOnUser(stderr)).toBe(expected);
});

test("isDiskFull() knows a full disk and a full quota", () => {
  expect(isDiskFull("write /x: no space left on device")).toBe(true);
  expect(isDiskFull("write /x: disk quota exceeded")).toBe(true);
  expect(isDiskFull("manifest unknown")).toBe(false);
});
