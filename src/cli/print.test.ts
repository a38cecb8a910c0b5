import { describe, expect, it } from "vitest";
import { createIo } from "./io.ts";
import { type OutputFormat, plainName, printView, qualifiedName, tableLines, type View } from "./print.ts";

const view: View = {
  table: { columns: ["Name", "Age"], rows: [["a", "1s"]] },
  data: [{ kind: "Thing", metadata: { name: "a" } }],
  names: ["thing/a"],
  empty: "No things found.",
};

async function print(format: OutputFormat, what: View) {
  let stdout = "";
  let stderr = "";
  const io = createIo({
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    stdin: (async function* () {})(),
    env: {},
  });
  await printView(io, format, what);
  return { stdout, stderr };
}

describe("printView", () => {
  it.each<[OutputFormat, string]>([
    ["table", "Name   Age\na      1s\n"],
    ["name", "thing/a\n"],
    ["yaml", "apiVersion: v1\nkind: List\nmetadata: {}\nitems:\n  - kind: Thing\n    metadata:\n      name: a\n"],
  ])("printView() prints %s", async (format, stdout) => {
    expect(await print(format, view)).toEqual({ stdout, stderr: "" });
  });

  it("printView() prints json that programs read, also where there is nothing", async () => {
    const { stdout } = await print("json", { ...view, data: [], names: [], table: { columns: [], rows: [] } });
    expect(JSON.parse(stdout)).toEqual({ apiVersion: "v1", kind: "List", metadata: {}, items: [] });
  });

  it("printView() says on standard error that a table is empty", async () => {
    const empty = { ...view, table: { columns: ["Name"], rows: [] } };
    expect(await print("table", empty)).toEqual({ stdout: "", stderr: "No things found.\n" });
  });
});

describe("tableLines", () => {
  it("tableLines() keeps a row on its line, whatever its cells hold", () => {
    expect(tableLines({ columns: ["A", "B"], rows: [["x\ny\u001B[2J", ""]] })).toEqual(["A        B", "x y[2J"]);
  });
});

describe("names", () => {
  it("qualifiedName() and plainName() are each other's way back", () => {
    const route = { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name: "a" } };
    expect(qualifiedName(route)).toBe("route.elafros.dev/a");
    expect(plainName(qualifiedName(route))).toBe("a");
    expect(qualifiedName({ ...route, apiVersion: "v1", kind: "Secret" })).toBe("secret/a");
  });
});
