/**
 * Load from inside a cluster, by Elafros' own image: asks HOST at TARGET over WORKERS connections, one request after the other on each; every fourth
 * worker makes a connection for each request. Says in a line each second what became of them, as JSON. Whatever isn't a 200 has failed.
 */
import { Agent, request } from "node:http";

const { TARGET = "", HOST = "", WORKERS = "8" } = process.env;
const count = { answered: 0, failed: 0, slowestMs: 0, failures: [] };

function failed(why) {
  count.failed += 1;
  if (count.failures.length < 20) count.failures.push(`${new Date().toISOString()} ${why}`);
}

function once(agent) {
  return new Promise((resolve) => {
    const began = performance.now();
    const asked = request(`http://${TARGET}/?ms=50`, { agent, headers: { host: HOST } }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => (text += piece));
      response.on("end", () => {
        count.slowestMs = Math.max(count.slowestMs, Math.round(performance.now() - began));
        if (response.statusCode === 200) count.answered += 1;
        else failed(`${response.statusCode}: ${text.slice(0, 200)}`);
        resolve();
      });
      response.on("error", (error) => {
        failed(`the answer broke off: ${error.message}`);
        resolve();
      });
    });
    asked.on("error", (error) => {
      failed(error.message);
      // Where nobody listens it would spin.
      setTimeout(resolve, 100);
    });
    asked.end();
  });
}

async function work(agent) {
  for (;;) await once(agent);
}

for (let index = 0; index < Number(WORKERS); index += 1) {
  void work(index % 4 === 3 ? false : new Agent({ keepAlive: true, maxSockets: 1 }));
}
setInterval(() => process.stdout.write(`${JSON.stringify(count)}\n`), 1_000);
process.once("SIGTERM", () => process.exit(0));
