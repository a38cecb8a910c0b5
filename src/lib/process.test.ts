import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { endProcess, identifyProcess, isRunning, signalProcess, waitForEnd } from "./process.ts";

async function startSleep() {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const identity = await identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error("sleep has no identity");
  return { child, identity };
}

describe("identifyProcess()", () => {
  test("names a process whose command holds spaces and parentheses", async () => {
    const child = spawn(process.execPath, [
      "-e",
      "process.title = 'a) R 1 (b'; setInterval(() => {}, 1000); console.log()",
    ]);
    await once(child.stdout, "data");
    const identity = await identifyProcess(child.pid ?? 0);
    expect(identity?.pid).toBe(child.pid);
    expect(Number(identity?.startTicks)).toBeGreaterThan(0);
    child.kill("SIGKILL");
  });

  test("knows nothing of a pid that nobody has", async () => {
    expect(await identifyProcess(2 ** 22)).toBeUndefined();
  });
});

describe("isRunning()", () => {
  test("tells a process from another one with its pid", async () => {
    const { child, identity } = await startSleep();
    expect(await isRunning(identity)).toBe(true);
    expect(await isRunning({ ...identity, startTicks: "1" })).toBe(false);
    expect(await isRunning({ ...identity, bootId: "another boot" })).toBe(false);
    child.kill("SIGKILL");
    expect(await waitForEnd(identity, 10_000)).toBe(true);
    expect(await isRunning(identity)).toBe(false);
  });
});

describe("endProcess()", () => {
  test("ends by SIGTERM what heeds it", async () => {
    const { child, identity } = await startSleep();
    const ended = once(child, "exit");
    await endProcess(identity, 10_000);
    expect((await ended)[1]).toBe("SIGTERM");
  });

  test("ends by SIGKILL what ignores SIGTERM", async () => {
    const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('ready')";
    const child = spawn(process.execPath, ["-e", script]);
    await once(child.stdout, "data");
    const identity = await identifyProcess(child.pid ?? 0);
    if (identity === undefined) throw new Error("the child has no identity");
    const ended = once(child, "exit");
    await endProcess(identity, 50);
    expect((await ended)[1]).toBe("SIGKILL");
  });

  test("signals nobody who took over the pid", async () => {
    const { child, identity } = await startSleep();
    expect(await signalProcess({ ...identity, startTicks: "1" }, "SIGKILL")).toBe(false);
    expect(await isRunning(identity)).toBe(true);
    child.kill("SIGKILL");
  });
});
