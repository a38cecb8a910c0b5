import { describe, expect, it } from "vitest";

import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { bookmarkTable, metadataListHead, objectTable, partialMetadata, tableHead, tableRow } from "./table.ts";

interface Thing extends KubeObject {
  status?: { ready: boolean; since: string };
}

const columns: Kind<Thing>["columns"] = [
  { name: "Ready", type: "boolean", description: "Whether.", priority: 0, value: ({ status }) => status?.ready },
  { name: "Since", type: "date", description: "When.", priority: 1, value: ({ status }) => status?.since },
];
const kind = { columns } as Kind<Thing> as unknown as Kind;
const now = Date.parse("2026-01-01T00:10:00Z");
const thing: Thing = {
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name: "a", resourceVersion: "7" },
  status: { ready: true, since: "2026-01-01T00:00:00Z" },
};

describe("tableRow()", () => {
  it("begins with the name, shows times as ages and what is missing as null", () => {
    expect(tableRow(kind, thing, { now, include: "Metadata" })).toEqual({
      cells: ["a", true, "10m"],
      object: partialMetadata(thing),
    });
    const { status: _, ...bare } = thing;
    expect(tableRow(kind, bare, { now, include: "None" })).toEqual({ cells: ["a", null, null], object: null });
    expect(tableRow(kind, thing, { now, include: "Object" }).object).toBe(thing);
    const odd = { ...thing, status: { ready: false, since: "soon" } };
    expect(tableRow(kind, odd, { now, include: "None" }).cells).toEqual(["a", false, "<unknown>"]);
  });
});

describe("objectTable()", () => {
  it("has the columns, but for later events of a watch", () => {
    const table = objectTable(kind, thing, { now, include: "None" });
    expect(table.columnDefinitions?.map(({ name, priority, format }) => [name, priority, format])).toEqual([
      ["Name", 0, "name"],
      ["Ready", 0, ""],
      ["Since", 1, ""],
    ]);
    expect(table.metadata).toEqual({ resourceVersion: "7" });
    expect(objectTable(kind, thing, { now, include: "None", columns: false }).columnDefinitions).toBeNull();
  });
});

describe("bookmarkTable()", () => {
  it("asks no column of an object that has nothing but a resourceVersion", () => {
    const bookmark = { apiVersion: "v1", kind: "Thing", metadata: { resourceVersion: "9" } } as KubeObject;
    const broken = { columns: [{ ...columns[0], value: () => expect.fail("asked") }] } as unknown as Kind;
    const table = bookmarkTable(broken, bookmark, false);
    expect(table).toMatchObject({ metadata: { resourceVersion: "9" }, columnDefinitions: null });
    expect(table.rows).toEqual([{ cells: ["", null], object: partialMetadata(bookmark) }]);
  });
});

describe("tableHead() and metadataListHead()", () => {
  it("carry the list's metadata", () => {
    const metadata = { resourceVersion: "9", continue: "x" };
    expect(tableHead(kind, metadata).metadata).toBe(metadata);
    expect(metadataListHead({ apiVersion: "v1", kind: "ThingList", metadata, items: [] })).toEqual({
      kind: "PartialObjectMetadataList",
      apiVersion: "meta.k8s.io/v1",
      metadata,
    });
  });
});
