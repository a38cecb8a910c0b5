/**
 * Drives Debian's headless Chromium by its DevTools protocol, over the pipe that it reads and writes at descriptors 3 and 4 (messages of JSON, each
 * ended by a zero byte). What a test asks is a script in the page, and what that resolves with.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** Of Debian's package of the same name: Chromium without what draws windows. */
const program = "chromium-headless-shell";

/** Whether it is on PATH, as it is wherever the distribution has it as a package (Ubuntu hasn't); says why tests are skipped where it isn't. */
export function hasChromium(): boolean {
  const found = spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
  // oxlint-disable-next-line no-console -- who runs the tests should know why these don't
  if (!found) console.warn(`Skipping the tests with Chromium: ${program} is not on PATH`);
  return found;
}

interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

export interface Page {
  /** Opens an address; resolves when the page has loaded. Rejects with the network's error where it can't be. */
  open(url: string): Promise<void>;
  /** The value that an expression has in the page, awaited if it is a promise. Rejects with what it throws. */
  run(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

/** @param home where it looks for certificates that are trusted (`.pki/nssdb`), and keeps all that it writes */
export async function startChromium(home: string): Promise<Page> {
  const child = spawn(
    program,
    [
      // As root it has no sandbox; the pages are the test's own.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--no-proxy-server",
      `--user-data-dir=${home}/profile`,
      "--remote-debugging-pipe",
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], env: { ...process.env, HOME: home } },
  );
  const devtools = connect(child);
  const { targetInfos } = (await devtools.call("Target.getTargets")) as { targetInfos: Target[] };
  const target = targetInfos.find(({ type }) => type === "page");
  if (target === undefined) throw new Error("Chromium has no page");
  const attached = await devtools.call("Target.attachToTarget", { targetId: target.targetId, flatten: true });
  const { sessionId } = attached as { sessionId: string };
  await devtools.call("Page.enable", {}, sessionId);
  return {
    async open(url) {
      const loaded = devtools.event("Page.loadEventFired", sessionId);
      const { errorText } = (await devtools.call("Page.navigate", { url }, sessionId)) as { errorText?: string };
      if (errorText !== undefined) throw new Error(`Cannot open ${url}: ${errorText}`);
      await loaded;
    },
    async run(expression) {
      const options = { expression, awaitPromise: true, returnByValue: true };
      const evaluated = await devtools.call("Runtime.evaluate", options, sessionId);
      const { result, exceptionDetails } = evaluated as {
        result: { value?: unknown };
        exceptionDetails?: { text: string; exception?: { description?: string } };
      };
      if (exceptionDetails === undefined) return result.value;
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    },
    async close() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode !== null || child.signalCode !== null) return;
      void devtools.call("Browser.close").catch(() => {});
      await ended;
    },
  };
}

interface Target {
  type: string;
  targetId: string;
}

interface Devtools {
  call(method: string, params?: object, sessionId?: string): Promise<unknown>;
  /** Resolves at the next event of that name. */
  event(method: string, sessionId: string): Promise<void>;
}

function connect(child: ChildProcess): Devtools {
  const [, , stderr, input, output] = child.stdio as [null, null, Readable, Writable, Readable];
  let said = "";
  stderr.on("data", (piece: Buffer) => (said += piece.toString()));
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const events = new Map<string, () => void>();
  let ids = 0;
  let buffered = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    const messages = (buffered + text).split("\0");
    buffered = messages.pop() ?? "";
    for (const one of messages) {
      const { id, method, sessionId, result, error } = JSON.parse(one) as Message;
      if (id === undefined) {
        events.get(`${method ?? ""} ${sessionId ?? ""}`)?.();
        continue;
      }
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) asked?.resolve(result);
      else asked?.reject(new Error(`Chromium: ${error.message}`));
    }
  });
  const fail = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  input.on("error", () => {});
  child.once("error", fail);
  child.once("exit", (code, signal) => fail(new Error(`Chromium ended with ${code ?? signal}: ${said}`)));
  return {
    call(method, params = {}, sessionId) {
      const asked = Promise.withResolvers<unknown>();
      const id = ++ids;
      waiting.set(id, asked);
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`);
      return asked.promise;
    },
    event: (method, sessionId) =>
      new Promise((resolve) => {
        const name = `${method} ${sessionId}`;
        events.set(name, () => {
          events.delete(name);
          resolve();
        });
      }),
  };
}
