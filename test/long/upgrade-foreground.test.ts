/** `elafros up` in the foreground, as a systemd unit runs it: it prints the access log, goes on over upgrades, and ends what came after. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { background, elafros, eventually } from "../support/platform.ts";
import { createService, hostOf, type Stage, startStage } from "../support/stage.ts";

const name = "foreground";
let stage: Stage;

beforeAll(async () => {
  stage = await startStage(["--access-log", "-"]);
  await createService(stage.platform, name, stage.images["app:1"]);
});
afterAll(async () => stage?.close());

test("up stays with the processes that succeed those that it started", async () => {
  const { platform } = stage;
  const { dataDir } = platform;
  const down = await platform.elafros(["down", "--data-dir", dataDir]);
  expect(down.code, down.stderr).toBe(0);
  const child = background(elafros, ["up", "--data-dir", dataDir]);
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part: Buffer) => (printed += part.toString()));
  await eventually("it serves", async () => printed.includes("Elafros serves since"), { timeoutMs: 60_000 });
  const before = await platform.pid("supervisor");
  for (let round = 0; round < 2; round++) {
    const { code, stderr } = await platform.elafros(["upgrade", "--data-dir", dataDir]);
    expect(code, stderr).toBe(0);
  }
  const after = await platform.pid("supervisor");
  expect(after).not.toBe(before);
  const id = { headers: { "x-request-id": "printed" } };
  await eventually("the service answers", async () => (await platform.ask(hostOf(name), "/", id)).status === 200);
  await eventually("its line is printed", async () => printed.includes('"requestId":"printed"'));
  expect(child.exitCode).toBe(null);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  const status = await platform.elafros(["status", "--data-dir", dataDir]);
  expect(status.code).toBe(1);
});
