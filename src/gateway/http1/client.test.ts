import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import { silentLog } from "../../lib/log.ts";
import { Core } from "../core.ts";
import { Counters, createSharedMemory } from "../memory.ts";
import { defaultLimits } from "../options.ts";
import { Client } from "./client.ts";
import { createAppWires } from "./app-wires.ts";
import { Context } from "./context.ts";
import { type ClientWire, readBuffer } from "./wire.ts";

/** A connection whose peer takes what was written when the test says so: with a real one that is the kernel's to choose. */
class SlowWire implements ClientWire {
  readonly said: string[] = [];
  pending = false;
  unsent = false;
  closed = false;

  start(): void {}
  resume(): void {}
  pause(): void {}
  peer(): string {
    return "127.0.0.1";
  }
  writeText(text: string): void {
    this.said.push(text);
    this.pending = this.unsent = true;
  }
  writeBytes(bytes: Uint8Array): boolean {
    this.writeText(Buffer.from(bytes).toString("latin1"));
    return true;
  }
  end(): void {
    this.said.push("end");
  }
  destroy(): boolean {
    this.closed = true;
    return true;
  }
  reset(): void {
    this.closed = true;
  }
  toSocket(): Socket {
    throw new Error("Nothing here is handed over");
  }
}

function setup(): {
  wire: SlowWire;
  client: Client;
  context: Context;
  core: Core;
  clock: ManualClock;
  tell: (text: string) => void;
} {
  const clock = manualClock();
  const nothing = (): void => {};
  const core = new Core({
    thread: 0,
    counters: new Counters(createSharedMemory(1)),
    clock,
    queueLength: 10,
    queueBytes: 10_000,
    wake: nothing,
    demand: nothing,
    idle: nothing,
    hung: nothing,
    gone: nothing,
    ask: nothing,
    returned: nothing,
  });
  const rest = { limits: defaultLimits, verboseErrors: false, observer: undefined, log: silentLog };
  const wires = createAppWires({ clock, limits: defaultLimits });
  const context = new Context({ scheme: "http", core, clock, ...rest, wires, handOver: nothing });
  const wire = new SlowWire();
  const client = new Client(() => wire, context);
  context.clients.add(client);
  return { wire, client, context, core, clock, tell: (text) => client.onRead(readBuffer.write(text, 0, "latin1")) };
}

const request = "GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n";
const answers = ({ said }: SlowWire): string[] => said.map((text) => text.split("\r\n")[0] ?? "");
const notFound = "HTTP/1.1 404 Not Found";

test("a client that ends its side while it still takes its answer gets all of it", () => {
  const { wire, client, tell } = setup();
  tell(request);
  client.onEnd();
  expect(wire.closed).toBe(false);
  expect(answers(wire)).toEqual([notFound, "end"]);
});

test("so does one whose answer was the last on its connection", () => {
  const { wire, client, tell } = setup();
  tell(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  client.onEnd();
  expect(wire.closed).toBe(false);
  expect(answers(wire)).toEqual([notFound, "end"]);
});

test("what it had asked for before that is answered when it has taken the answer before", () => {
  const { wire, client, tell } = setup();
  tell(request + request);
  expect(answers(wire)).toEqual([notFound]);
  client.onEnd();
  wire.pending = wire.unsent = false;
  client.onDrain();
  expect(answers(wire)).toEqual([notFound, notFound, "end"]);
  expect(wire.closed).toBe(false);
});

/** A host whose Revision has no instance yet. */
function addWaiting(core: Core): void {
  const entry = { configuration: "x/a", protocol: "http1" as const, concurrency: 0, timeoutMs: 0, instances: [] };
  core.change(1, {
    hosts: [["a.localhost", { route: "x/a", targets: [{ revision: "x/a-1", percent: 100 }] }, -1]],
    revisions: [["x/a-1", entry, 0, []]],
  });
}

test.each(["", "name=value"])(
  "what waits for an instance then is asked twice whether its client is still there (body %j)",
  async (body) => {
    const { wire, client, core, clock, tell } = setup();
    addWaiting(core);
    const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
    tell(`${request}${body === "" ? "GET" : "POST"} / HTTP/1.1\r\nHost: a.localhost\r\n${length}\r\n${body}`);
    client.onEnd();
    wire.pending = wire.unsent = false;
    client.onDrain();
    expect(answers(wire)).toEqual([notFound, "HTTP/1.1 102 Processing"]);
    await clock.advance(1_000);
    expect(answers(wire)).toEqual([notFound, "HTTP/1.1 102 Processing", "HTTP/1.1 102 Processing"]);
    expect(core.waiting).toBe(1);
    client.onBroken();
    expect(core.waiting).toBe(0);
  },
);

test("a request of HTTP/1.0 that waits for an instance then, which nothing can be asked, is taken for left", () => {
  const { wire, client, core, tell } = setup();
  addWaiting(core);
  tell(`${request}GET / HTTP/1.0\r\nHost: a.localhost\r\n\r\n`);
  client.onEnd();
  wire.pending = wire.unsent = false;
  client.onDrain();
  expect([wire.closed, core.waiting]).toEqual([true, 0]);
});

test("one that takes nothing is dropped when it ends its side", () => {
  const { wire, client, context, tell } = setup();
  tell(request);
  wire.pending = wire.unsent = false;
  client.onEnd();
  expect(wire.closed).toBe(true);
  expect(context.clients.size).toBe(0);
});

test.each([true, false])(
  "an answer that waits on a closed connection is waited for, be it too much or not (%s)",
  (pending) => {
    const { wire, client, clock, tell } = setup();
    tell(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    wire.pending = pending;
    client.check(clock.now() + defaultLimits.stallMs);
    expect(wire.closed).toBe(false);
    client.check(clock.now() + defaultLimits.stallMs + 1);
    expect(wire.closed).toBe(true);
  },
);

test("a connection whose last answer was taken is closed a moment later", () => {
  const { wire, client, clock, tell } = setup();
  tell(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  wire.pending = wire.unsent = false;
  client.check(clock.now() + 1_001);
  expect(wire.closed).toBe(true);
});
