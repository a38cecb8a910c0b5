import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLauncher, type Launcher } from "./launcher.ts";

let launcher: Launcher;
beforeEach(() => {
  launcher = createLauncher();
});
afterEach(() => launcher.close());

test("run() gives exit code and output of both streams in one line", async () => {
  const result = await launcher.run(["sh", "-c", "echo one; echo two >&2; exit 3"]);
  expect(result).toEqual({ code: 3, output: "one two" });
});

test("run() hands arguments over as they are", async () => {
  const odd = ["$(id)", "`id`", "a b", "'", '"', "\\n", "*", "", "-n", "é", ";true"];
  const result = await launcher.run(["printf", "[%s]", ...odd]);
  expect(result).toEqual({ code: 0, output: odd.map((arg) => `[${arg}]`).join("") });
});

test("run() refuses an argument with a line break", async () => {
  await expect(launcher.run(["echo", "a\nb"])).rejects.toThrow("line break");
});

test("run() runs commands side by side", async () => {
  const order: string[] = [];
  const slow = launcher.run(["sleep", "0.3"]).then(() => order.push("slow"));
  await launcher.run(["true"]).then(() => order.push("fast"));
  await slow;
  expect(order).toEqual(["fast", "slow"]);
});

test("run() says 127 where there is no such command, and 125 where there is no such directory", async () => {
  expect((await launcher.run(["no-such-command"])).code).toBe(127);
  expect((await launcher.run(["true"], { cwd: "/no/such" })).code).toBe(125);
});

test("run() in pipe mode takes the line on descriptor 3", async () => {
  expect((await launcher.run(["sh", "-c", "echo noise; echo hello >&3"], { mode: "pipe" })).output).toBe("hello");
  expect((await launcher.run(["sh", "-c", "exit 4"], { mode: "pipe" })).output).toBe("");
});

test("run() in capped mode bounds the output and keeps the exit code", async () => {
  const result = await launcher.run(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; exit 5"], { mode: "capped" });
  expect(result.output.length).toBeLessThan(2100);
  expect(result.code).toBe(5);
  expect(await launcher.run(["sh", "-c", "echo no; exit 1"], { mode: "capped" })).toEqual({ code: 1, output: "no" });
});

test("run() gives a command its input as it is", async () => {
  const input = "link add $(id)\n\n `x` \\n 'y'\nlast\n";
  expect((await launcher.run(["cat"], { input: "one\n  two  $(id)\n" })).output).toBe("one   two  $(id)");
  expect((await launcher.run(["wc", "-lc"], { input })).output.trim().replace(/\s+/, " ")).toBe(`4 ${input.length}`);
  expect((await launcher.run(["cat"])).output).toBe("");
});

test("run() sets variables for the command alone", async () => {
  const env = { ODD: "$(id) `x` 'y' *", BROKEN: "a\nb", "not-a-name": "x", NONE: undefined };
  const shown = ["sh", "-c", 'printf "[%s]" "$ODD" "$BROKEN"'];
  expect((await launcher.run(shown, { env })).output).toBe(`[${env.ODD}][]`);
  expect((await launcher.run(shown)).output).toBe("[][]");
});

test("run() with outputs gives both streams byte for byte", async () => {
  const dir = await mkdtemp(join(tmpdir(), "elafros-launcher-"));
  const outputs = { stdout: join(dir, "out"), stderr: join(dir, "err") };
  const command = ["sh", "-c", "cat; printf 'a\\0b\\n\\n'; echo no >&2; exit 6"];
  const result = await launcher.run(command, { outputs, input: "first\n" });
  expect(result).toEqual({ code: 6, output: "" });
  expect(await readFile(outputs.stdout, "utf8")).toBe("first\na\0b\n\n");
  expect(await readFile(outputs.stderr, "utf8")).toBe("no\n");
  await rm(dir, { recursive: true });
});
