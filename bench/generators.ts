/** What makes the load of `proxy.ts`, on one core: wrk for plain HTTP/1.1, h2load of nghttp2 for HTTP/1.1 and HTTP/2 over TLS. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { quantile } from "./support.ts";

const run = promisify(execFile);
/** Requests at once on each connection of HTTP/2. */
const streams = 8;
const postBytes = 1024;

/** http1 is in plain text, the others over TLS. */
export const protocols = ["http1", "https", "http2"] as const;
export type Protocol = (typeof protocols)[number];

export interface Load {
  protocol: Protocol;
  /** Path of the app that is asked; `post` is posted to. */
  path: string;
  /** Name in `Host`, and the one that is asked for in TLS. */
  host: string;
  port: number;
  connections: number;
  seconds: number;
  /** For files that the generator reads and writes. */
  dir: string;
}

/** What came of it: whole requests, and their times in microseconds. */
export interface Answers {
  requests: number;
  p50Us: number;
  p99Us: number;
}

/** Runs the load. Rejects when a request failed or was answered with anything but 2xx. */
export function generate(load: Load): Promise<Answers> {
  return load.protocol === "http1" ? runWrk(load) : runH2load(load);
}

async function runWrk({ path, host, port, connections, seconds, dir }: Load): Promise<Answers> {
  const script = join(dir, "wrk.lua");
  const post = path === "post" ? `wrk.method = "POST"\nwrk.body = string.rep("x", ${postBytes})\n` : "";
  await writeFile(script, `${post}wrk.headers["Host"] = "${host}"\n`);
  const size = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`];
  const { stdout } = await run("wrk", [...size, "--latency", "-s", script, `http://127.0.0.1:${port}/${path}`]);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk failed: ${stdout}`);
  const latency = (line: string): number => {
    const [, number = "", unit = ""] = new RegExp(`${line}%\\s+([\\d.]+)(us|ms|s)\\b`).exec(stdout) ?? [];
    return Math.round(Number(number) * ({ us: 1, ms: 1_000, s: 1_000_000 }[unit] ?? Number.NaN));
  };
  return { requests, p50Us: latency("50"), p99Us: latency("99") };
}

async function runH2load({ protocol, path, host, port, connections, seconds, dir }: Load): Promise<Answers> {
  const log = join(dir, "h2load.log");
  await writeFile(log, "");
  const body = join(dir, "body");
  await writeFile(body, "x".repeat(postBytes));
  const { stdout } = await run("h2load", [
    "-t",
    "1",
    "-c",
    String(connections),
    "-D",
    `${seconds}s`,
    `--log-file=${log}`,
    ...(protocol === "https" ? ["--h1"] : ["-m", String(streams)]),
    ...(path === "post" ? ["-d", body] : []),
    `--connect-to=127.0.0.1:${port}`,
    `https://${host}:${port}/${path}`,
  ]);
  const [, done = "", failed = ""] = /, (\d+) succeeded, (\d+) failed/.exec(stdout) ?? [];
  const requests = Number(done);
  if (!(requests > 0) || failed !== "0") throw new Error(`h2load failed: ${stdout}`);
  // Start, status and microseconds of each request.
  const times = (await readFile(log, "latin1"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number(line.split("\t")[2]));
  return { requests, p50Us: quantile(times, 0.5), p99Us: quantile(times, 0.99) };
}
