import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ImageError } from "../images.ts";
import { isLoopback, parseReference } from "./reference.ts";

/** What references are made of, and what must not get into one. */
const alphabet = Array.from("abA1./:@_-[]~ \n");
const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  ["nginx", "docker.io/library/nginx", "latest", true],
  ["nginx:1.27", "docker.io/library/nginx", "1.27", true],
  ["bitnami/redis", "docker.io/bitnami/redis", "latest", true],
  ["docker.io/nginx", "docker.io/library/nginx", "latest", false],
  ["index.docker.io/library/nginx", "docker.io/library/nginx", "latest", false],
  ["gcr.io/knative/app:v1", "gcr.io/knative/app", "v1", false],
  ["localhost/app", "localhost/app", "latest", false],
  ["localhost:5000/app:2", "localhost:5000/app", "2", false],
  ["127.0.0.1:5000/a/b__c/d-e.f:x_1", "127.0.0.1:5000/a/b__c/d-e.f", "x_1", false],
  ["[::1]:5000/app", "[::1]:5000/app", "latest", false],
  ["REGISTRY/app", "REGISTRY/app", "latest", false],
])("parseReference() reads %s as Docker does", (written, name, tag, short) => {
  expect(parseReference(written)).toMatchObject({ name, tag, short, digest: undefined });
});

test("parseReference() prefers the digest to the tag beside it", () => {
  expect(parseReference(`app:1@${digest}`)).toMatchObject({ name: "docker.io/library/app", tag: undefined, digest });
});

test.each([
  ["", "1 to 1024 characters"],
  ["UPPER", "is not a repository"],
  ["app:", "is not a tag"],
  ["app:a b", "is not a tag"],
  ["app@sha256:12", "64 hexadecimal digits"],
  ["app@md5:12", "64 hexadecimal digits"],
  [`app@${digest}@${digest}`, "64 hexadecimal digits"],
  ["-bad.host/app", "is not a registry host"],
  ["host.example/", "is not a repository"],
  ["a//b", "is not a repository"],
  ["../etc/passwd", "is not a"],
  ["--tls-verify=false", "is not a"],
  ["app:1 --debug", "is not a tag"],
])("parseReference() refuses %j", (written, what) => {
  expect(() => parseReference(written)).toThrow(ImageError);
  expect(() => parseReference(written)).toThrow(what);
});

test("parseReference() gives a name that means itself, and never one that a tool could take for an option", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 24 }), (written) => {
      let reference;
      try {
        reference = parseReference(written);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
        return;
      }
      expect(reference.name).toMatch(/^[A-Za-z0-9[]/u);
      expect(reference.name).not.toMatch(/[\s@]/u);
      expect(parseReference(`${reference.name}:${reference.tag}`)).toEqual({ ...reference, short: false });
    }),
  );
});

test.each([
  ["127.0.0.1:5000", true],
  ["127.9.9.9", true],
  ["localhost:5000", true],
  ["[::1]:5000", true],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example:5000", false],
  ["10.0.0.1:5000", false],
])("isLoopback() says %s: %s", (registry, expected) => {
  expect(isLoopback(registry)).toBe(expected);
});
