/** The gateway's reading of hostile streams against nginx's: a request that both forward is the same request at the app. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type App, type Bench, createBench, simpleTable, startApp } from "../support/gateway.ts";
import { freePort } from "../support/platform.ts";
import { exchange, listens } from "../support/raw-http.ts";
import { kindsOfStreams } from "../support/readings.ts";

const host = "app.default.localhost";
const seen = new Map<string, string[]>();
let bench: Bench;
let app: App;
let nginx: ChildProcess;
let nginxPort = 0;
let dir = "";

beforeAll(async () => {
  app = await startApp("noting", (req, res) => {
    let body = "";
    req.on("data", (piece: Buffer) => (body += piece.toString("latin1")));
    req.on("end", () => {
      const name = String(req.headers["x-case"]);
      seen.set(name, [...(seen.get(name) ?? []), `${req.method} ${req.url} ${body}`]);
      res.end();
    });
  });
  bench = await createBench();
  const control = await bench.control();
  await bench.start();
  await control.settle(simpleTable(host, [app]));
  nginxPort = await freePort();
  dir = await mkdtemp(join(tmpdir(), "elafros-nginx-"));
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  await writeFile(
    join(dir, "nginx.conf"),
    `daemon off; master_process off; pid ${dir}/pid; error_log stderr crit;
    events { }
    http {
      access_log off; ${temporary.join(" ")}
      server {
        listen 127.0.0.1:${nginxPort};
        proxy_ignore_client_abort on;
        location / { proxy_pass http://127.0.0.1:${app.port}; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }
    }`,
  );
  nginx = spawn("nginx", ["-e", "stderr", "-c", join(dir, "nginx.conf")], { stdio: ["ignore", "inherit", "inherit"] });
  await listens(nginxPort);
});

afterAll(async () => {
  nginx.kill("SIGTERM");
  await once(nginx, "exit");
  await bench.close();
  await app.close();
  await rm(dir, { recursive: true, force: true });
});

/** What the app gets of a stream through the server on `port`. */
async function forwarded(port: number, stream: Buffer, name: string): Promise<string[]> {
  const text = stream.toString("latin1").replaceAll("Host: a\r\n", `Host: ${host}\r\nX-Case: ${name}\r\n`);
  await exchange(port, [text], { end: true, patienceMs: 300 });
  return seen.get(name) ?? [];
}

test.each(kindsOfStreams)("streams of requests %s: what both forward is the same", async (what, streams) => {
  const samples = fc.sample(streams, { numRuns: 400, seed: 42 });
  let both = 0;
  for (let from = 0; from < samples.length; from += 40) {
    const some = samples.slice(from, from + 40).map(async (stream, i) => {
      const name = `${what.length}-${from + i}`;
      const [own, theirs] = await Promise.all([
        forwarded(bench.port, stream, `own-${name}`),
        forwarded(nginxPort, stream, `nginx-${name}`),
      ]);
      const shared = Math.min(own.length, theirs.length);
      both += shared;
      expect([stream.toString("latin1"), own.slice(0, shared)]).toEqual([
        stream.toString("latin1"),
        theirs.slice(0, shared),
      ]);
    });
    await Promise.all(some);
  }
  expect(both).toBeGreaterThan(50);
});
