/** One gateway for the tests of a file, and apps that last for one test: what most of these files begin and end with. */
import type { RequestListener } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import {
  type App,
  type Bench,
  createBench,
  type FakeControl,
  type RunningGateway,
  simpleTable,
  startApp,
} from "./gateway.ts";

/** What a Revision's entry is to say besides. */
export type More = NonNullable<Parameters<typeof simpleTable>[2]>;

/** Filled when the file's first test begins. */
export interface GatewayFixture {
  readonly bench: Bench;
  readonly control: FakeControl;
  /** The one that serves now. */
  gateway: RunningGateway;
  /** Starts an app of HTTP/1.1 and sends all requests for the host to it; it is closed when the test has ended. */
  readonly serve: (listener: RequestListener, more?: More) => Promise<App>;
  /** Calls when the test has ended. */
  readonly later: (close: () => unknown) => void;
  /** Starts the next gateway beside the one that serves, ends that one, and waits until it has gone. */
  readonly replace: (options?: StartOptions) => Promise<void>;
}

type StartOptions = NonNullable<Parameters<Bench["start"]>[0]>;

export interface FixtureOptions {
  /** That `serve` serves. */
  host: string;
  /** With what the gateway is started. */
  start?: StartOptions | ((bench: Bench) => StartOptions);
  /** A gateway for each test, not for the file. */
  each?: boolean;
}

/** To be called at the top of a file. Each test that ends with the gateway dead fails, whatever it looked at. */
export function useGateway({ host, start = {}, each = false }: FixtureOptions): GatewayFixture {
  let parts: { bench: Bench; control: FakeControl; gateway: RunningGateway } | undefined;
  const closing: (() => unknown)[] = [];
  const there = (): NonNullable<typeof parts> => {
    if (parts === undefined) throw new Error("The gateway isn't there yet: use it within tests and hooks");
    return parts;
  };
  const begin = async (): Promise<void> => {
    const bench = await createBench();
    const control = await bench.control();
    parts = { bench, control, gateway: await bench.start(typeof start === "function" ? start(bench) : start) };
  };
  const end = async (): Promise<void> => {
    await parts?.bench.close();
    parts = undefined;
  };
  (each ? beforeEach : beforeAll)(begin);
  (each ? afterEach : afterAll)(end);
  // Hooks after a test run backwards: this one before the gateway's end.
  afterEach(async () => {
    const { exitCode, signalCode } = there().gateway.process;
    for (const close of closing.splice(0)) await close();
    expect([exitCode, signalCode]).toEqual([null, null]);
  });
  return {
    get bench() {
      return there().bench;
    },
    get control() {
      return there().control;
    },
    get gateway() {
      return there().gateway;
    },
    set gateway(gateway) {
      there().gateway = gateway;
    },
    serve: async (listener, more) => {
      const app = await startApp(`app-${closing.length}-${Math.random()}`, listener);
      closing.push(() => app.close());
      await there().control.settle(simpleTable(host, [app], more));
      return app;
    },
    later: (close) => void closing.push(close),
    replace: async (options) => {
      const now = there();
      const next = await now.bench.start(options);
      const old = now.gateway;
      now.gateway = next;
      old.process.kill("SIGTERM");
      await old.exited;
    },
  };
}
