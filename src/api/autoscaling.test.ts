import { describe, expect, test } from "vitest";
import {
  autoscalingDefaults,
  autoscalingOf,
  autoscalingPrefix,
  refuseAutoscaling,
  validateAutoscaling,
} from "./autoscaling.ts";

const under = (settings: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [autoscalingPrefix + name, value]));
const faults = (settings: Record<string, string>): string[] =>
  validateAutoscaling(under(settings), "at").map(({ field, message }) => `${field}: ${message}`);
const at = (name: string): string => `at[${autoscalingPrefix}${name}]`;

describe("autoscalingOf()", () => {
  test("has Knative's defaults", () => {
    expect(autoscalingOf(undefined)).toEqual(autoscalingDefaults);
    expect(autoscalingOf({ other: "1" })).toEqual({
      minScale: 0,
      maxScale: 0,
      initialScale: 1,
      metric: "concurrency",
      target: undefined,
      targetUtilizationPercentage: 70,
      windowMs: 60_000,
      panicWindowPercentage: 10,
      panicThresholdPercentage: 200,
      scaleDownDelayMs: 0,
      scaleToZeroRetentionMs: 30_000,
      idle: "stop",
    });
  });

  test("reads every annotation", () => {
    const settings = {
      "min-scale": "1",
      "max-scale": "20",
      "initial-scale": "3",
      metric: "rps",
      target: "12.5",
      "target-utilization-percentage": "85",
      window: "1m30s",
      "panic-window-percentage": "20",
      "panic-threshold-percentage": "150",
      "scale-down-delay": "5m",
      "scale-to-zero-retention": "0s",
      idle: "none",
    };
    expect(faults(settings)).toEqual([]);
    expect(autoscalingOf(under(settings))).toEqual({
      minScale: 1,
      maxScale: 20,
      initialScale: 3,
      metric: "rps",
      target: 12.5,
      targetUtilizationPercentage: 85,
      windowMs: 90_000,
      panicWindowPercentage: 20,
      panicThresholdPercentage: 150,
      scaleDownDelayMs: 300_000,
      scaleToZeroRetentionMs: 0,
      idle: "none",
    });
  });

  test("takes what isn't readable as absent", () => {
    expect(autoscalingOf(under({ "min-scale": "-1", window: "soon", metric: "cpu", target: "1e3" }))).toEqual(
      autoscalingDefaults,
    );
  });
});

describe("validateAutoscaling()", () => {
  test.each([
    ["min-scale", "-1", "must be a whole number from 0 to 1000"],
    ["min-scale", "1.5", "must be a whole number from 0 to 1000"],
    ["max-scale", "many", "must be a whole number from 0 to 1000"],
    ["initial-scale", "0", "must be a whole number from 1 to 1000"],
    ["target", "0", "must be a number from 0.01 to 1000000"],
    ["target", "1e3", "must be a number from 0.01 to 1000000"],
    ["target-utilization-percentage", "70%", "must be a number of percent from 1 to 100, without the sign"],
    ["target-utilization-percentage", "101", "must be a number of percent from 1 to 100, without the sign"],
    ["window", "60", "must be a duration such as 90s, 1m30s or 0s"],
    ["window", "5s", "must be a duration of whole seconds from 6s to 1h0m0s"],
    ["window", "6500ms", "must be a duration of whole seconds from 6s to 1h0m0s"],
    ["panic-window-percentage", "0", "must be a number of percent from 1 to 100, without the sign"],
    ["panic-threshold-percentage", "100", "must be a number of percent from 110 to 1000, without the sign"],
    ["scale-down-delay", "61m", "must be a duration of whole seconds from 0s to 1h0m0s"],
    ["scale-to-zero-retention", "-1s", "must be a duration of whole seconds from 0s to 1h0m0s"],
  ])("refuses %s %j", (name, value, words) => {
    expect(faults({ [name]: value })).toEqual([`${at(name)}: Invalid value: ${JSON.stringify(value)}: ${words}`]);
  });

  test.each([
    ["metric", "cpu", '"concurrency", "rps"'],
    ["idle", "sleep", '"stop", "freeze", "none"'],
  ])("refuses %s %j and says which values there are", (name, value, values) => {
    expect(faults({ [name]: value })).toEqual([
      `${at(name)}: Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`,
    ]);
  });

  test("refuses names that are none, and says which there are", () => {
    const [fault] = faults({ minScale: "1" });
    expect(fault).toMatch(
      /^at\[autoscaling\.elafros\.dev\/minScale\]: Forbidden: no such setting: names under .* are min-scale, max-scale, /,
    );
    expect(validateAutoscaling({ "Autoscaling.elafros.dev/min-scale": "1" }, "at")).toHaveLength(1);
    expect(validateAutoscaling({ "autoscaling.knative.dev/min-scale": "x" }, "at")).toEqual([]);
  });

  test("gives one fault for each", () => {
    expect(faults({ "min-scale": "x", window: "1s", nothing: "" })).toHaveLength(3);
  });

  test("refuses bounds that contradict each other", () => {
    expect(faults({ "min-scale": "5", "max-scale": "4", "initial-scale": "6" })).toEqual([
      `${at("max-scale")}: Invalid value: "4": must be 0 (the platform's own most) or at least min-scale, 5`,
      `${at("max-scale")}: Invalid value: "4": must be 0 (the platform's own most) or at least initial-scale, 6`,
    ]);
    expect(faults({ "min-scale": "5", "initial-scale": "6" })).toEqual([]);
  });
});

test("refuseAutoscaling() says where they belong", () => {
  expect(refuseAutoscaling(under({ "min-scale": "1" }), "metadata.annotations").map(({ message }) => message)).toEqual([
    "Forbidden: has no effect here: set it in spec.revisionTemplate.metadata.annotations",
  ]);
});
