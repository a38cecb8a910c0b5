/**
 * Bounded load on a service through the gateway: an open loop (requests start when they are due, whether or not earlier ones were
 * answered) over connections that are kept alive. Every request ends up either in `answers` or, with its reason, in `failures`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

export interface LoadOptions {
  /** Default: 127.0.0.1. */
  address?: string;
  port: number;
  host: string;
  path?: string;
  /** Requests that start in a second. */
  perSecond: number;
  connections?: number;
  /** The load ends by itself after this time, whatever else happens. */
  atMostMs?: number;
}

/** One answered request; times are milliseconds of `performance.now()`. */
export interface LoadAnswer {
  /** What the app calls itself: the header `x-version`. */
  version: string;
  startedAt: number;
  endedAt: number;
}

export interface LoadReport {
  answers: LoadAnswer[];
  /** Why each other request failed, and how long after the load's start it did. */
  failures: string[];
  /** The longest time from a request's start to its answer, milliseconds. */
  slowestMs: number;
}

export interface Load {
  /** How many were answered so far. */
  answered(): number;
  /** The failures so far. */
  failures(): readonly string[];
  /** Starts no more requests, waits for those that run, and tells; the same each time. */
  stop(): Promise<LoadReport>;
}

/** Due requests are started this often. */
const tickMs = 5;
/** A machine that falls behind by more than this doesn't get more: the open loop has its end. */
const mostAtOnce = 1_000;
const requestTimeoutMs = 60_000;

/** Starts the load. */
export function startLoad(options: LoadOptions): Load {
  const { address = "127.0.0.1", port, host, path = "/", perSecond, connections = 64, atMostMs = 600_000 } = options;
  const pool = new Pool(`http://${address}:${port}`, {
    connections,
    pipelining: 1,
    headersTimeout: requestTimeoutMs,
    bodyTimeout: requestTimeoutMs,
  });
  const report: LoadReport = { answers: [], failures: [], slowestMs: 0 };
  const startedAt = performance.now();
  const running = new Set<Promise<void>>();
  let stopped = false;

  const one = async (): Promise<void> => {
    const began = performance.now();
    const fail = (why: string): void => {
      const now = performance.now();
      report.failures.push(`${Math.round(now - startedAt)} ms: after ${Math.round(now - began)} ms: ${why}`);
    };
    try {
      const { statusCode, headers, body } = await pool.request({ path, method: "GET", headers: { host } });
      const text = await body.text();
      const version = headers["x-version"];
      if (statusCode !== 200) fail(`${statusCode} ${text.trim()}`);
      else if (typeof version !== "string") fail(`no x-version: ${text.trim()}`);
      else {
        const endedAt = performance.now();
        report.slowestMs = Math.max(report.slowestMs, endedAt - began);
        report.answers.push({ version, startedAt: began, endedAt });
      }
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      fail(`${code} ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const start = (): void => {
    const work = one().finally(() => running.delete(work));
    running.add(work);
  };
  const loop = (async () => {
    let due = 0;
    let last = startedAt;
    for (;;) {
      const now = performance.now();
      if (stopped || now - startedAt > atMostMs) return;
      due = Math.min(mostAtOnce, due + ((now - last) * perSecond) / 1_000);
      last = now;
      for (; due >= 1 && running.size < mostAtOnce; due -= 1) start();
      await sleep(tickMs);
    }
  })();

  const end = async (): Promise<LoadReport> => {
    stopped = true;
    await loop;
    while (running.size > 0) await Promise.all(running);
    await pool.destroy();
    return report;
  };
  let ended: Promise<LoadReport> | undefined;
  return {
    answered: () => report.answers.length,
    failures: () => report.failures,
    stop: () => (ended ??= end()),
  };
}

/** How many answers each version gave. */
export function countVersions(answers: readonly Pick<LoadAnswer, "version">[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { version } of answers) counts[version] = (counts[version] ?? 0) + 1;
  return counts;
}

/** `count` requests at the same moment, over as many connections as asked; fails with the first that isn't answered with 200. */
export async function burst(options: {
  pool: Pool;
  host: string;
  count: number;
  path?: string;
}): Promise<LoadAnswer[]> {
  const { pool, host, count, path = "/" } = options;
  return Promise.all(
    Array.from({ length: count }, async () => {
      const startedAt = performance.now();
      const { statusCode, headers, body } = await pool.request({ path, method: "GET", headers: { host } });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`${statusCode} ${text.trim()}`);
      return { version: String(headers["x-version"]), startedAt, endedAt: performance.now() };
    }),
  );
}
