/** Shown by 4, for seconds each: rollouts of a new Revision, and back, under 500 requests a second lose none, whatever happens to the platform. */
import http from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Disturbance, disturbances, killAndWait, killProcess, rolloutsUnderLoad } from "../support/disturb.ts";
import { createService, hostOf, type Stage, startStage } from "../support/stage.ts";

const name = "rolling";
const ms = 5_000;
let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
  await createService(stage.platform, name, stage.images["app:1"]);
});

afterAll(async () => stage?.close());

test.each(Object.entries<Disturbance>(disturbances))(
  "no request fails in rollouts under load while %s",
  async (_, disturb) => {
    const { answers, failures, rollouts, slowestMs } = await rolloutsUnderLoad(stage, { name, ms, disturb });
    process.stderr.write(`${rollouts} rollouts, ${answers.length} requests, slowest ${Math.round(slowestMs)} ms\n`);
    expect(failures).toEqual([]);
    expect(answers.length).toBeGreaterThan(100);
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(["1", "2"]));
  },
);

test("a supervisor that took over restarts a killed gateway on the same sockets, and no connection is refused", async () => {
  const { platform } = stage;
  await killProcess(await platform.pid("supervisor"));
  const { code, stderr } = await platform.up();
  expect(code, stderr).toBe(0);
  const killed = killAndWait(stage, "gateway");
  // Begun while no gateway runs: it waits for the next one.
  const waiting: Promise<number>[] = [];
  const until = killed.then(() => true);
  do {
    waiting.push(askOnce(platform.httpPort));
  } while (!(await Promise.race([until, new Promise<false>((wake) => setTimeout(() => wake(false), 20))])));
  const outcomes = await Promise.all(waiting);
  // A connection that the killed gateway had taken is cut (0); none is refused.
  expect(outcomes.filter((status) => status !== 200 && status !== 0)).toEqual([]);
  expect(outcomes.filter((status) => status === 200).length).toBeGreaterThan(0);
  expect(outcomes.at(-1)).toBe(200);
});

/** The status of one request over a connection of its own; 0 where the connection was cut. Throws where it was refused. */
function askOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, agent: false, headers: { host: hostOf(name) } }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
      response.on("error", () => resolve(0));
    });
    request.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve(0) : reject(error)));
  });
}
