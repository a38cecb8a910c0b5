import { describe, expect, it } from "vitest";
import type { ScalingStep } from "../../autoscaler/port.ts";
import { scalingEvents, scalingStatus } from "./scaling.ts";

const start = Date.UTC(2026, 0, 1);
const step = (at: number, from: number, to: number, limited = false): ScalingStep => ({
  at: start + at,
  from,
  to,
  why: `why ${to}`,
  gist: "because",
  limited,
});

describe("scalingStatus()", () => {
  it("adds what isn't told yet, and keeps the last ten", () => {
    const first = scalingStatus({}, [step(0, 0, 1), step(5, 1, 2)]);
    expect(first).toEqual({
      scaling: [
        { time: "2026-01-01T00:00:00.000Z", from: 0, to: 1, message: "why 1" },
        { time: "2026-01-01T00:00:00.005Z", from: 1, to: 2, message: "why 2" },
      ],
    });
    // The same again, and after a restart of control, which has no steps.
    expect(scalingStatus(first ?? {}, [step(0, 0, 1), step(5, 1, 2)])).toEqual(first);
    expect(scalingStatus(first ?? {}, [])).toEqual(first);
    const many = Array.from({ length: 12 }, (_, index) => step(10 + index, index, index + 1));
    const last = scalingStatus(first ?? {}, many)?.scaling ?? [];
    expect([last.length, last[0]?.to, last.at(-1)?.to]).toEqual([10, 3, 12]);
  });

  it("is nothing where nothing was scaled", () => {
    expect(scalingStatus({}, [])).toBeUndefined();
  });
});

describe("scalingEvents()", () => {
  it("tells what none has told, with a limit of its own", () => {
    const steps = [step(1, 0, 1), step(2, 1, 3), step(3, 3, 5, true), step(4, 5, 0)];
    expect(scalingEvents(steps, start + 1)).toEqual([
      { type: "Normal", reason: "ScaledUp", message: "Scaled from 1 to 3: because", budget: "scaling" },
      { type: "Warning", reason: "MaxScaleReached", message: "Scaled from 3 to 5: because", budget: "scaling" },
      { type: "Normal", reason: "ScaledDown", message: "Scaled from 5 to 0: because", budget: "scaling" },
    ]);
    expect(scalingEvents(steps, start + 4)).toEqual([]);
  });
});
