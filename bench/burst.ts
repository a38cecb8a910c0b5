/**
 * How long the API server's event loop is held up by bursts of writes: 50 at once, over as many connections of a client in a thread of its own,
 * and by opening a store with 10,000 objects. Promise: nothing blocks control's loop for more than 2 ms on an idle machine; whatever else
 * takes the processor counts as well (`chrt -f 5` before the command keeps it away), and up to a millisecond of the measure's own interval.
 *
 * usage: npm run bench -- burst [--rounds N]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type * as kindsModule from "../src/api/kinds.ts";
import type * as authorizerModule from "../src/apiserver/authorizer.ts";
import type * as housekeepingModule from "../src/apiserver/housekeeping.ts";
import type * as pkiModule from "../src/apiserver/pki.ts";
import type * as serverModule from "../src/apiserver/server.ts";
import type * as serviceModule from "../src/apiserver/service.ts";
import type * as tokensModule from "../src/apiserver/tokens.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLog } from "../src/lib/log.ts";
import type * as storeModule from "../src/store/open.ts";
import { summary } from "./support.ts";

const atOnce = 50;
const objects = 10_000;
const clock = systemClock;
const log = silentLog;

interface ClientData {
  port: number;
  ca: string;
  cert: string;
  key: string;
}

/** A part of the compiled build where `npm run bench` asks for it: that is what is shipped. */
const compiled = process.env["ELAFROS_COMPILED"] === "1";
const from = async <T>(path: string): Promise<T> =>
  (await import(compiled ? `../dist/${path}.js` : `../src/${path}.ts`)) as T;

if (isMainThread) await measure();
else client(workerData as ClientData);

async function measure(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "20" } } });
  const dir = await mkdtemp(join(tmpdir(), "elafros-burst-"));
  try {
    await bursts(dir, Number(values.rounds));
    await opening(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function bursts(dir: string, rounds: number): Promise<void> {
  const [{ allKinds }, { createAuthorizer }, { openPki }, { createApiServer }, { createApiService }] =
    await Promise.all([
      from<typeof kindsModule>("api/kinds"),
      from<typeof authorizerModule>("apiserver/authorizer"),
      from<typeof pkiModule>("apiserver/pki"),
      from<typeof serverModule>("apiserver/server"),
      from<typeof serviceModule>("apiserver/service"),
    ]);
  const { startHousekeeping } = await from<typeof housekeepingModule>("apiserver/housekeeping");
  const { createTokens } = await from<typeof tokensModule>("apiserver/tokens");
  const { openStore } = await from<typeof storeModule>("store/open");
  const store = await openStore({ path: join(dir, "burst.db"), log, clock });
  const pki = await openPki({ dir: join(dir, "pki"), clock });
  const authorizer = createAuthorizer({ kinds: allKinds, clock, log });
  const { authorize, admit } = authorizer;
  const service = createApiService({ store, kinds: allKinds, clock, log, authorize, admit });
  const tokens = createTokens({ key: pki.tokenKey, clock, find: async () => undefined });
  const tls = { ...pki.serving(), ca: pki.ca };
  const housekeeping = await startHousekeeping({ store, kinds: allKinds, clock, log }); // it makes the namespaces
  await authorizer.start(service);
  const server = await createApiServer({ service, kinds: allKinds, authorizer, tokens, tls, version: "0", clock, log });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const admin = await pki.issueClient({ user: "admin", groups: ["system:masters"] });
  const data: ClientData = { port, ca: pki.ca, ...admin };
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  const ask = (what: object) =>
    new Promise<number>((resolve, reject) => {
      worker.removeAllListeners("error").once("error", reject);
      worker.once("message", resolve);
      worker.postMessage(what);
    });
  const longest: number[] = [];
  const took: number[] = [];
  for (let round = 0; round < rounds + 5; round++) {
    const lag = watchLoop();
    const ms = await ask({ round });
    const most = lag();
    if (round < 5) continue; // warm
    took.push(ms);
    longest.push(most);
  }
  console.log(`${atOnce} writes at once, until all are answered      ${summary(took)}`);
  console.log(`  longest the loop was held up in each burst   ${summary(longest)}`);
  await worker.terminate();
  await server.close(0);
  authorizer.stop();
  await housekeeping.stop();
  await store.close();
}

async function opening(dir: string): Promise<void> {
  const { openStore } = await from<typeof storeModule>("store/open");
  const path = join(dir, "large.db");
  const filled = await openStore({ path, log, clock });
  const spec = { revisionTemplate: { spec: { container: { image: "registry.example/app:1", env: env() } } } };
  await Promise.all(
    Array.from({ length: objects }, (_, index) => {
      const key = `default/object-${String(index).padStart(5, "0")}`;
      const value = () => ({ apiVersion: "v1", kind: "Bench", metadata: { name: key }, spec });
      return filled.write({ collection: "bench", key, action: "put", expect: 0, value });
    }),
  );
  await filled.close();
  const longest: number[] = [];
  const took: number[] = [];
  for (let round = 0; round < 5; round++) {
    const lag = watchLoop();
    const startedAt = performance.now();
    const store = await openStore({ path, log, clock });
    took.push(performance.now() - startedAt);
    longest.push(lag());
    await store.close();
  }
  console.log(`opening a store of ${objects} objects              ${summary(took)}`);
  console.log(`  longest the loop was held up                 ${summary(longest)}`);
}

function env(): object[] {
  return Array.from({ length: 10 }, (_, index) => ({ name: `NAME_${index}`, value: `value of ${index}` }));
}

/** Watches the loop; the function that it gives ends that, and gives the longest time in milliseconds without a turn for others. */
function watchLoop(): () => number {
  const lag = monitorEventLoopDelay({ resolution: 1 });
  lag.enable();
  return () => {
    lag.disable();
    return lag.max / 1e6;
  };
}

/** The client's thread: sends what it is asked to, and says how many milliseconds that took. */
function client({ port, ca, cert, key }: ClientData): void {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce, ca, cert, key });
  const post = (path: string, body: object) =>
    new Promise<void>((resolve, reject) => {
      const text = JSON.stringify(body);
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
      const outgoing = request({ host: "127.0.0.1", port, path, method: "POST", agent, headers }, (response) => {
        response.resume();
        response.on("end", () => {
          if (response.statusCode === 201) resolve();
          else reject(new Error(`POST ${path} was answered with ${response.statusCode}`));
        });
      });
      outgoing.on("error", reject);
      outgoing.end(text);
    });
  parentPort?.on("message", ({ round }: { round: number }) => {
    const startedAt = performance.now();
    const all = Array.from({ length: atOnce }, (_, index) => {
      const metadata = { name: `b-${round}-${index}` };
      const spec = { revisionTemplate: { spec: { container: { image: "registry.example/app:1", env: env() } } } };
      const object = { apiVersion: "elafros.dev/v1alpha1", kind: "Configuration", metadata, spec };
      return post("/apis/elafros.dev/v1alpha1/namespaces/default/configurations", object);
    });
    void Promise.all(all).then(() => parentPort?.postMessage(performance.now() - startedAt));
  });
}
