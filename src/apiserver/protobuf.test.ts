import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { ApiError } from "../api/meta/errors.ts";
import { decodeProtobuf } from "./protobuf.ts";

type Write = (writer: BinaryWriter) => void;

const text =
  (number: number, value: string): Write =>
  (writer) =>
    void writer.tag(number, WireType.LengthDelimited).string(value);
const bytes =
  (number: number, value: Uint8Array): Write =>
  (writer) =>
    void writer.tag(number, WireType.LengthDelimited).bytes(value);
const integer =
  (number: number, value: number): Write =>
  (writer) =>
    void writer.tag(number, WireType.Varint).int64(value);

function message(...writes: Write[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const write of writes) write(writer);
  return writer.finish();
}

function body(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const unknown = message(bytes(1, message(text(1, apiVersion), text(2, kind))), bytes(2, raw));
  return Buffer.concat([Buffer.from("k8s\0", "latin1"), unknown]);
}

describe("decodeProtobuf()", () => {
  it("reads an object as it would be in JSON: empty strings left out, bytes in base64, times in RFC 3339", () => {
    const metadata = message(
      text(1, "s"),
      text(2, ""),
      bytes(8, message(integer(1, 1_767_225_600))),
      bytes(11, message(text(1, "a"), text(2, "b"))),
      bytes(11, message(text(1, "empty"))),
    );
    const raw = message(
      bytes(1, metadata),
      bytes(2, message(text(1, "key"), bytes(2, Buffer.from("secret")))),
      text(3, "Opaque"),
    );
    expect(decodeProtobuf(body("v1", "Secret", raw))).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", creationTimestamp: "2026-01-01T00:00:00Z", labels: { a: "b", empty: "" } },
      data: { key: "c2VjcmV0" },
      type: "Opaque",
    });
  });

  it("keeps empty entries of lists, which mean the core group", () => {
    const raw = message(bytes(2, message(text(1, "get"), text(2, ""), text(3, "pods"))));
    expect(decodeProtobuf(body("rbac.authorization.k8s.io/v1", "Role", raw))).toMatchObject({
      rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }],
    });
  });

  it("passes over unknown fields and wire types", () => {
    const raw = message(text(99, "new"), integer(1, 7), bytes(2, message(text(1, "default"))));
    expect(decodeProtobuf(body("authorization.k8s.io/v1", "SelfSubjectRulesReview", raw))).toMatchObject({
      spec: { namespace: "default" },
    });
  });

  it("refuses other kinds and other bytes", () => {
    expect(() => decodeProtobuf(body("elafros.dev/v1alpha1", "Route", new Uint8Array()))).toThrow(
      'kind "Route" are not read',
    );
    expect(() => decodeProtobuf(body("v1", "constructor", new Uint8Array()))).toThrow("are not read");
    expect(() => decodeProtobuf(Buffer.from("{}"))).toThrow("does not appear to be a protobuf message");
    expect(() => decodeProtobuf(body("v1", "Secret", new Uint8Array([0x0a, 0xff])))).toThrow(
      "not a valid protobuf message",
    );
  });

  it("throws nothing but ApiErrors, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
        try {
          decodeProtobuf(body("v1", "Event", raw));
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
        }
      }),
    );
  });
});
