/** Server-side tables (`meta.k8s.io/v1` Table), which `kubectl get` prints, and the metadata-only forms of objects. */
import type { Kind, PrinterColumn } from "../api/meta/kind.ts";
import type { KubeList, KubeObject } from "../api/meta/types.ts";
import { humanDuration } from "./age.ts";

/** What each row carries besides its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

interface ColumnDefinition {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

interface Row {
  cells: unknown[];
  object?: unknown;
}

export interface Table {
  kind: "Table";
  apiVersion: "meta.k8s.io/v1";
  metadata: object;
  columnDefinitions: ColumnDefinition[] | null;
  rows: Row[];
}

const nameColumn: ColumnDefinition = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace.",
  priority: 0,
};

/** The columns of a kind. The first is always the name. */
function columnDefinitions(kind: Kind): ColumnDefinition[] {
  const own = kind.columns.filter((column) => column.name !== "Name");
  return [
    nameColumn,
    ...own.map(({ name, type, description, priority }) => ({ name, type, format: "", description, priority })),
  ];
}

/** One object's row. `now` is in milliseconds since the epoch. */
export function tableRow(kind: Kind, object: KubeObject, options: { now: number; include: IncludeObject }): Row {
  const own = kind.columns.filter((column) => column.name !== "Name");
  const cells = [object.metadata.name, ...own.map((column) => cell(column, object, options.now))];
  if (options.include === "None") return { cells, object: null };
  return { cells, object: options.include === "Object" ? object : partialMetadata(object) };
}

function cell(column: PrinterColumn<KubeObject>, object: KubeObject, now: number): string | number | boolean | null {
  const value = column.value(object);
  if (value === undefined) return null;
  if (column.type !== "date" || typeof value !== "string") return value;
  const time = Date.parse(value);
  return Number.isNaN(time) ? "<unknown>" : humanDuration(now - time);
}

/** A table without its rows. `metadata` is the list's. */
export function tableHead(kind: Kind, metadata: object): Omit<Table, "rows"> {
  return { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata, columnDefinitions: columnDefinitions(kind) };
}

/** A table of one object; watches leave out the columns after the first event. */
export function objectTable(
  kind: Kind,
  object: KubeObject,
  options: { now: number; include: IncludeObject; columns?: boolean },
): Table {
  const head = tableHead(kind, { resourceVersion: object.metadata.resourceVersion });
  return {
    ...head,
    ...(options.columns === false ? { columnDefinitions: null } : {}),
    rows: [tableRow(kind, object, options)],
  };
}

/** A bookmark of a watch as a table: one row that names nothing, since the columns need a whole object. */
export function bookmarkTable(kind: Kind, object: KubeObject, columns: boolean): Table {
  const head = tableHead(kind, { resourceVersion: object.metadata.resourceVersion });
  const cells = ["", ...(head.columnDefinitions ?? []).slice(1).map(() => null)];
  const rows = [{ cells, object: partialMetadata(object) }];
  return { ...head, ...(columns ? {} : { columnDefinitions: null }), rows };
}

/** An object without everything but its metadata. */
export function partialMetadata(object: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

/** A list of such, without its items. */
export function metadataListHead(list: KubeList<KubeObject>): Record<string, unknown> {
  return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: list.metadata };
}
