/**
 * One printer for all commands: they return what they found, and this prints it as `-o` says.
 */
import type { KubeObject } from "../api/meta/types.ts";
import type { Io } from "./io.ts";
import { printable } from "./printable.ts";

export const outputFormats = ["table", "json", "yaml", "name"] as const;
export type OutputFormat = (typeof outputFormats)[number];

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

/** What a command found, in every form that it can be printed in. */
export interface View {
  table: Table;
  /** For `json` and `yaml`; an array becomes a Kubernetes `List`. */
  data: unknown;
  /** For `name`: `kind.group/name`. */
  names: readonly string[];
  /** Said on standard error instead of an empty table. */
  empty?: string;
}

export async function printView(io: Io, format: OutputFormat, view: View): Promise<void> {
  switch (format) {
    case "table":
      if (view.table.rows.length === 0 && view.empty !== undefined) io.note(view.empty);
      else for (const line of tableLines(view.table)) io.line(line);
      return;
    case "json":
      io.line(JSON.stringify(asDocument(view.data), undefined, 2));
      return;
    case "yaml": {
      io.write(await yaml(asDocument(view.data)));
      return;
    }
    case "name":
      for (const name of view.names) io.line(name);
      return;
  }
}

/** A value as YAML. */
export async function yaml(value: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

function asDocument(data: unknown): unknown {
  return Array.isArray(data) ? { apiVersion: "v1", kind: "List", metadata: {}, items: data } : data;
}

/** Aligned columns, three spaces apart; the last one isn't padded. */
export function tableLines({ columns, rows }: Table): string[] {
  const lines = [columns, ...rows.map((row) => row.map((cell) => printable(cell).replaceAll("\n", " ")))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? "").length)));
  return lines.map((line) =>
    line
      .map((cell, index) => (index === line.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join("   ")
      .trimEnd(),
  );
}

/** `kind.group/name`, as `kubectl -o name` prints it. */
export function qualifiedName(object: KubeObject): string {
  const group = object.apiVersion.includes("/") ? `.${object.apiVersion.split("/")[0] ?? ""}` : "";
  return `${object.kind.toLowerCase()}${group}/${object.metadata.name}`;
}

/** Accepts `kind/name` where a name is asked for, so that output of `-o name` can be given back. */
export function plainName(text: string): string {
  return text.slice(text.lastIndexOf("/") + 1);
}
