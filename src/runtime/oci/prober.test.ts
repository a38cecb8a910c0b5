import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import type { ProbeSpec } from "../workloads.ts";
import type { ProbeResult } from "./probe.ts";
import { startProbing } from "./prober.ts";

const refused: ProbeResult = { ok: false, message: "refused", refused: true };
const bad: ProbeResult = { ok: false, message: "no", refused: false };
const good: ProbeResult = { ok: true };

const probe = (more: Partial<ProbeSpec> = {}): ProbeSpec => ({
  action: { type: "http", path: "/", port: 1, scheme: "http", headers: [] },
  initialDelayMs: 0,
  periodMs: 1_000,
  timeoutMs: 1_000,
  successThreshold: 1,
  failureThreshold: 3,
  ...more,
});

/** Probes against answers that change with time. `said` is what came of it, with the time. */
function bench(spec: Partial<Record<"startup" | "readiness" | "liveness", ProbeSpec>>, ready = false) {
  const clock = manualClock(0);
  const said: string[] = [];
  const asked: number[] = [];
  const answers: Record<string, ProbeResult> = {};
  const readiness = spec.readiness ?? probe();
  const say = (what: string) => void said.push(`${clock.now()} ${what}`);
  const stop = startProbing({
    spec: { ...spec, readiness },
    clock,
    startedAt: 0,
    ready,
    ask: async (one) => {
      const name = one === spec.startup ? "startup" : one === spec.liveness ? "liveness" : "readiness";
      if (name === "readiness") asked.push(clock.now());
      return answers[name] ?? good;
    },
    onReady: () => say("ready"),
    onUnready: (message) => say(`unready ${message}`),
    onFailure: () => {},
    onDead: (which, message) => say(`dead ${which} ${message}`),
  });
  return { clock, said, asked, answers, stop };
}

test("startProbing() asks a starting instance every few milliseconds", async () => {
  const it = bench({});
  it.answers["readiness"] = refused;
  await it.clock.advance(200);
  expect(it.asked.length).toBeGreaterThan(25);
  it.answers["readiness"] = good;
  await it.clock.advance(30);
  expect(it.said).toHaveLength(1);
  expect(it.said[0]).toMatch(/^2[0-2]\d ready$/);
  it.stop();
});

test("startProbing() asks one that answers badly less often", async () => {
  const it = bench({});
  it.answers["readiness"] = bad;
  await it.clock.advance(2_000);
  expect(it.asked.length).toBeLessThan(25);
  it.stop();
});

test("startProbing() waits for the initial delay and for enough good answers", async () => {
  const it = bench({ readiness: probe({ initialDelayMs: 500, successThreshold: 3 }) });
  await it.clock.advance(499);
  expect(it.asked).toEqual([]);
  await it.clock.advance(100);
  expect(it.said).toEqual(["520 ready"]);
  it.stop();
});

test("startProbing() takes readiness back after the failures, and gives it again", async () => {
  const it = bench({ readiness: probe({ failureThreshold: 2 }) });
  await it.clock.advance(1);
  it.answers["readiness"] = bad;
  await it.clock.advance(1_500);
  expect(it.said).toEqual(["0 ready"]);
  await it.clock.advance(500);
  expect(it.said[1]).toBe("2000 unready no");
  it.answers["readiness"] = good;
  await it.clock.advance(300);
  expect(it.said[2]).toMatch(/ready$/);
  it.stop();
});

test("startProbing() says dead when liveness fails too often, and then nothing more", async () => {
  const it = bench({ liveness: probe({ periodMs: 100, failureThreshold: 3 }) });
  await it.clock.advance(250);
  it.answers["liveness"] = bad;
  await it.clock.advance(5_000);
  expect(it.said).toEqual(["0 ready", "500 dead liveness no"]);
  expect(it.clock.pending).toBe(0);
});

test("startProbing() asks for readiness only once the startup probe succeeded, failing by its period", async () => {
  const it = bench({ startup: probe({ periodMs: 100, failureThreshold: 5 }) });
  it.answers["startup"] = bad;
  await it.clock.advance(450);
  expect(it.asked).toEqual([]);
  it.answers["startup"] = good;
  await it.clock.advance(150);
  expect(it.said).toHaveLength(1);
  it.stop();

  const never = bench({ startup: probe({ periodMs: 100, failureThreshold: 5 }) });
  never.answers["startup"] = bad;
  await never.clock.advance(5_000);
  expect(never.said).toHaveLength(1);
  expect(never.said[0]).toMatch(/^[56]\d\d dead startup no$/);
  expect(never.clock.pending).toBe(0);
});

test("startProbing() of one that was ready before doesn't say so again", async () => {
  const it = bench({}, true);
  await it.clock.advance(3_000);
  expect(it.said).toEqual([]);
  expect(it.asked).toEqual([1_000, 2_000, 3_000]);
  it.stop();
  expect(it.clock.pending).toBe(0);
});
