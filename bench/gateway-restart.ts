/**
 * How long nothing is answered after SIGKILL to the gateway of a whole platform: until the first answer to a request that came right after, and by
 * phases, until the supervisor has noticed, started the next one, and that one serves. Connections are opened all the time; none may be refused
 * (promise: back within 200 ms, no connection refused).
 *
 * usage: npm run bench -- gateway-restart [--rounds N]
 */
import { readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createService, hostOf, startStage } from "../test/support/stage.ts";
import { summary } from "./support.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "10" } } });
const name = "restarted";
/** One that ran for as long is started again at once when it ends. */
const steadyMs = 10_500;
/** How often a connection is opened while no gateway is there. */
const everyMs = 5;

const stage = await startStage();
const { httpPort: port, dataDir } = stage.platform;
const times: Record<"answer" | "noticed" | "serving", number[]> = { answer: [], noticed: [], serving: [] };
const counts = { asked: 0, cut: 0, refused: 0 };
let longest = 0;
try {
  await createService(stage.platform, name, stage.images["app:1"]);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    await sleep(steadyMs);
    await once();
  }
} finally {
  await stage.close();
}
console.log(`SIGKILL to the first answer:            ${summary(times.answer)} (promise ≤ 200 ms)`);
console.log(`  until the supervisor has noticed:     ${summary(times.noticed)}`);
console.log(`  until the next one serves:            ${summary(times.serving)}`);
console.log(`longest wait of a request:              ${longest.toFixed(1)} ms`);
console.log(
  `${counts.asked} connections opened meanwhile: ${counts.refused} refused, ${counts.cut} cut with the killed gateway`,
);
if (counts.refused > 0) process.exitCode = 1;

async function once(): Promise<void> {
  const pid = await stage.platform.pid("gateway");
  const killedAt = Date.now();
  const began = performance.now();
  process.kill(pid, "SIGKILL");
  const first = Promise.withResolvers<number>();
  const over = first.promise.then(() => true);
  const asked: Promise<void>[] = [];
  do {
    const at = performance.now();
    asked.push(
      ask().then((how) => {
        counts.asked += 1;
        if (how !== "answered") counts[how] += 1;
        else {
          longest = Math.max(longest, performance.now() - at);
          first.resolve(performance.now() - began);
        }
      }),
    );
  } while (!(await Promise.race([over, sleep(everyMs, false)])));
  await Promise.all(asked);
  times.answer.push(await first.promise);
  times.noticed.push((await loggedAt("supervisor", killedAt, "process ended, starting it again")) - killedAt);
  times.serving.push((await loggedAt("gateway", killedAt, "Serving")) - killedAt);
}

/** One request over a connection of its own. The killed gateway may have taken it (`cut`). */
function ask(): Promise<"answered" | "cut" | "refused"> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, agent: false, headers: { host: hostOf(name) } }, (response) => {
      response.on("error", () => resolve("cut"));
      response.resume().on("end", () => {
        if (response.statusCode === 200) resolve("answered");
        else reject(new Error(`The service answered with ${response.statusCode}`));
      });
    });
    request.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED" ? "refused" : "cut"));
  });
}

/** When a process logged the message first, after `since`; milliseconds since the epoch. */
async function loggedAt(process: string, since: number, message: string): Promise<number> {
  const text = await readFile(join(dataDir, "logs", `${process}.log`), "utf8");
  for (const line of text.split("\n")) {
    if (!line.includes(message)) continue;
    const { time, msg } = JSON.parse(line) as { time: number; msg: string };
    if (time >= since && msg === message) return time;
  }
  throw new Error(`The log of ${process} doesn't say "${message}"`);
}
