import { describe, expect, it } from "vitest";
import { bar, createIo, createProgress } from "./io.ts";
import { printable } from "./printable.ts";

function capture(terminal: boolean, env: Record<string, string> = {}) {
  let text = "";
  const stream = { write: (part: string) => void (text += part), isTTY: terminal };
  const io = createIo({ stdout: stream, stderr: { write: () => {} }, stdin: (async function* () {})(), env });
  const timers: (() => void)[] = [];
  const clock = {
    now: () => 0,
    after: (_: number, callback: () => void) => {
      timers.push(callback);
      return () => void timers.splice(timers.indexOf(callback), 1);
    },
  };
  return { progress: createProgress(io, clock), tick: () => timers.shift()?.(), text: () => text, timers };
}

describe("createProgress", () => {
  it("createProgress() prints only ticked lines on a pipe", () => {
    const { progress, text, timers } = capture(false);
    progress.start("Starting");
    progress.done("Starting");
    progress.start("Promoting");
    progress.fail();
    expect(text()).toBe("✓ Starting\n✗ Promoting\n");
    expect(timers).toEqual([]);
  });

  it("createProgress() turns a spinner on a terminal, then ticks in green", () => {
    const { progress, tick, text, timers } = capture(true);
    progress.start("Starting");
    tick();
    progress.done("Starting");
    expect(text()).toBe(
      "\r\u001B[K\u001B[2m⠋\u001B[0m Starting\r\u001B[K\u001B[2m⠙\u001B[0m Starting\r\u001B[K\u001B[32m✓\u001B[0m Starting\n",
    );
    expect(timers).toEqual([]);
  });

  it("createProgress() has no colours where NO_COLOR is set", () => {
    const { progress, text } = capture(true, { NO_COLOR: "1" });
    progress.done("Starting");
    expect(text()).toBe("✓ Starting\n");
  });
});

describe("createProgress().log", () => {
  it("log() prints above the running step, which goes on", () => {
    const { progress, text } = capture(true);
    progress.start("Building");
    progress.log("a line");
    expect(text()).toBe(
      "\r\u001B[K\u001B[2m⠋\u001B[0m Building\r\u001B[Ka line\n\r\u001B[K\u001B[2m⠙\u001B[0m Building",
    );
    const piped = capture(false);
    piped.progress.start("Building");
    piped.progress.log("a line");
    piped.progress.fail();
    expect(piped.text()).toBe("a line\n✗ Building\n");
  });
});

describe("bar", () => {
  it.each([
    [0, 100, "[>                ]"],
    [50, 100, "[========>        ]"],
    [99, 100, "[================>]"],
    [100, 100, "[=================]"],
    [0, 0, "[=================]"],
  ])("bar() of %i of %i", (part, whole, text) => {
    expect(bar(part, whole)).toBe(text);
  });
});

describe("printable", () => {
  it("printable() takes what could rewrite the terminal out of texts", () => {
    expect(printable("a\u001B[2Jb\u0007\u009Bc\td\ne\r")).toBe("a[2Jbc\td\ne");
  });
});
