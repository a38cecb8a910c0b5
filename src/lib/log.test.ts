import { spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { expect, test } from "vitest";

const script = `
  const { createLog } = await import(${JSON.stringify(new URL("log.ts", import.meta.url).href)});
  const log = createLog("test");
  for (let i = 0; i < 2000; i++) log.info({ i, text: "x".repeat(500) }, "A line");
  await new Promise((resolve) => setTimeout(resolve, 10));
  console.log("alive", Math.round(process.memoryUsage().arrayBuffers / 1e6));`;

function logTo(stderr: number | "pipe"): ReturnType<typeof spawnSync> {
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", stderr],
    maxBuffer: 1 << 24,
  });
}

test("createLog() writes JSON lines on standard error", () => {
  const { stdout, stderr } = logTo("pipe");
  expect(String(stdout)).toContain("alive");
  const lines = String(stderr).trim().split("\n");
  expect(lines).toHaveLength(2000);
  expect(JSON.parse(lines[1999] ?? "")).toMatchObject({ level: 30, name: "test", i: 1999, msg: "A line" });
});

test("a process goes on when its log's disk is full", () => {
  const { status, stdout } = logTo(openSync("/dev/full", "w"));
  expect([status, String(stdout)]).toEqual([0, expect.stringContaining("alive")]);
});
