import { afterEach, expect, test } from "vitest";
import { type LogLine, threadLog } from "./thread-log.ts";

const level = process.env["ELAFROS_LOG"];
afterEach(() => {
  if (level === undefined) delete process.env["ELAFROS_LOG"];
  else process.env["ELAFROS_LOG"] = level;
});

function lines(act: (log: ReturnType<typeof threadLog>) => void): LogLine[] {
  const said: LogLine[] = [];
  act(threadLog((line) => said.push(line), { thread: 1 }));
  return said;
}

test("threadLog() says each line with its level, and with the fields that all have", () => {
  const said = lines((log) => {
    log.info({ a: 1 }, "first");
    log.child({ b: 2 }).warn({}, "second");
  });
  expect(said).toEqual([
    { type: "log", level: "info", fields: '{"thread":1,"a":1}', message: "first" },
    { type: "log", level: "warn", fields: '{"thread":1,"b":2}', message: "second" },
  ]);
});

test("threadLog() says what an error is, its code too", () => {
  const error = Object.assign(new TypeError("broken"), { code: "EBROKEN" });
  const [line] = lines((log) => log.error({ error }, "Listener failed"));
  expect(JSON.parse(line?.fields ?? "")).toEqual({
    thread: 1,
    error: { type: "TypeError", message: "broken", code: "EBROKEN", stack: error.stack },
  });
});

test("threadLog() sends nothing of the level debug unless ELAFROS_LOG asks for it", () => {
  delete process.env["ELAFROS_LOG"];
  expect(lines((log) => log.debug({}, "quiet"))).toEqual([]);
  process.env["ELAFROS_LOG"] = "debug";
  expect(lines((log) => log.debug({}, "loud")).map(({ message }) => message)).toEqual(["loud"]);
});
