import { describe, expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { finishCommand, type FinishOptions } from "./finish.ts";
import { nextCommand, type PercentOptions } from "./next.ts";
import type { RolloutOptions } from "./shared.ts";
import { type RolloutStatusOptions, statusCommand } from "./status.ts";
import { strategyCommand, type StrategyOptions } from "./strategy.ts";
import { undoCommand } from "./undo.ts";

const defaults = { wait: true, timeout: 600, output: "table" };

describe("rollout commands", () => {
  it.each([
    [["manual"], { strategy: "manual" }],
    [["automatic", "--service", "s", "--timeout", "5"], { strategy: "automatic", service: "s", timeout: 5 }],
  ])("strategyCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<StrategyOptions>(strategyCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it.each([
    [["percent", "5"], { percent: 5, target: "next", guard: true }],
    [
      ["percent", "100", "--target", "canary", "--no-wait", "--no-guard"],
      { percent: 100, target: "canary", wait: false, guard: false },
    ],
    [
      ["percent", "5", "--guard-errors", "1", "--guard-p95", "300", "--guard-window", "90s"],
      { percent: 5, target: "next", guard: true, guardErrors: 1, guardP95: 300, guardWindow: 90 },
    ],
  ])("nextCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<PercentOptions>(nextCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it("finishCommand(), undoCommand() and statusCommand() read their options", async () => {
    expect(await parseOptions<FinishOptions>(finishCommand, [])).toEqual({ ...defaults, target: "next" });
    expect(await parseOptions<RolloutOptions>(undoCommand, ["-o", "yaml"])).toEqual({ ...defaults, output: "yaml" });
    expect(await parseOptions<RolloutStatusOptions>(statusCommand, [])).toEqual({ output: "table" });
  });

  it.each([
    [strategyCommand, ["sometimes"], "Allowed choices are manual, automatic."],
    [strategyCommand, [], "missing required argument 'strategy'"],
    [nextCommand, ["percent", "-1"], "Give a whole number from 0 to 100."],
    [nextCommand, ["percent", "5", "--guard-errors", "100"], "Give a whole number from 0 to 99."],
    [nextCommand, ["percent", "5", "--guard-p95", "0.5s"], "Give a whole number from 1 to 3600000."],
    [nextCommand, ["percent", "5", "--guard-window", "2h"], "Give at most 1h."],
    [nextCommand, ["percent", "5%"], "Give a whole number from 0 to 100."],
    [nextCommand, ["perzent", "5"], "unknown command 'perzent'"],
  ] as const)("rollout commands refuse what they can't read", async (make, argv, message) => {
    await expect(parseOptions<never>(make as never, argv)).rejects.toThrow(message);
  });
});
