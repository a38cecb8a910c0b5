/** A gRPC client before a gRPC server (grpc-js both), with the gateway between them: all four kinds of calls. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CallOptions,
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type More, useGateway } from "../support/gateway-fixture.ts";
import { simpleTable, until } from "../support/gateway.ts";

const host = "grpc.default.localhost";
const here = useGateway({
  host,
  start: ({ dir }) => ({ accessLog: { path: join(dir, "access.log"), sampling: 1 } }),
});
let server: Server;
let client: Client;
let port = 0;
/** What the server saw of calls that ended early. */
const cancelled: string[] = [];

/** Messages are texts: what is in them is nothing to the gateway. */
const toBytes = (text: string): Buffer => Buffer.from(text);
const toText = (bytes: Buffer): string => bytes.toString();
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: toBytes,
  requestDeserialize: toText,
  responseSerialize: toBytes,
  responseDeserialize: toText,
});
const service: ServiceDefinition = {
  unary: method("Unary", false, false),
  collect: method("Collect", true, false),
  spread: method("Spread", false, true),
  chat: method("Chat", true, true),
};

const unary: handleUnaryCall<string, string> = (call, callback) => {
  const trailer = new Metadata();
  trailer.set("x-trailer", "end");
  trailer.set("x-bytes-bin", Buffer.from([0, 255, 1]));
  if (call.request === "fail") {
    callback({ code: status.FAILED_PRECONDITION, details: "not so: 100 % ä", metadata: trailer });
    return;
  }
  const code = /^fail with (\d+)$/.exec(call.request)?.[1];
  if (code !== undefined) {
    callback({ code: Number(code), details: "as asked" });
    return;
  }
  if (call.request === "hang") {
    call.on("cancelled", () => cancelled.push("hang"));
    return;
  }
  const head = new Metadata();
  head.set("x-head", String(call.metadata.get("x-own")[0] ?? ""));
  call.sendMetadata(head);
  callback(null, `${call.request}!`, trailer);
};
const collect: handleClientStreamingCall<string, string> = (call, callback) => {
  let all = 0;
  call.on("data", (message: string) => (all += message.length));
  call.on("end", () => callback(null, String(all)));
};
const spread: handleServerStreamingCall<string, string> = (call) => {
  call.on("cancelled", () => cancelled.push("spread"));
  const [count = 0, size = 0] = call.request.split(" ").map(Number);
  let sent = 0;
  const more = (): void => {
    while (sent < count) {
      sent += 1;
      if (!call.write("x".repeat(size))) {
        call.once("drain", more);
        return;
      }
    }
    if (count > 0) call.end();
  };
  if (count === 0) call.write("first");
  more();
};
const chat: handleBidiStreamingCall<string, string> = (call) => {
  call.on("data", (message: string) => call.write(`re ${message}`));
  call.on("end", () => call.end());
};

const table = (more: More = {}) =>
  simpleTable(host, [], { protocol: "h2c", instances: [{ id: `grpc-${port}`, host: "127.0.0.1", port }], ...more });

beforeAll(async () => {
  server = new Server();
  server.addService(service, { unary, collect, spread, chat });
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
});
beforeEach(async () => {
  cancelled.length = 0;
  await here.control.settle(table());
  const options = { "grpc.default_authority": host, "grpc.enable_retries": 0, "grpc.use_local_subchannel_pool": 1 };
  client = new Client(`127.0.0.1:${here.bench.port}`, credentials.createInsecure(), options);
});
afterEach(() => client.close());
afterAll(() => server.forceShutdown());

/** The access log's. */
function lines(): { route: string; status: number; grpcStatus?: number }[] {
  const text = readFileSync(join(here.bench.dir, "access.log"), "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ReturnType<typeof lines>[number]);
}

interface Called {
  error: ServiceError | null;
  value: string | undefined;
  head: Metadata | undefined;
  end: Metadata | undefined;
}

function callUnary(message: string, options: CallOptions = {}, metadata = new Metadata()): Promise<Called> {
  return new Promise((resolve) => {
    let head: Metadata | undefined;
    let end: Metadata | undefined;
    let result: Pick<Called, "error" | "value"> | undefined;
    const done = (): void => {
      if (result !== undefined && end !== undefined) resolve({ ...result, head, end });
    };
    const call = client.makeUnaryRequest(
      "/test.Echo/Unary",
      toBytes,
      toText,
      message,
      metadata,
      options,
      (error, value) => {
        result = { error, value };
        done();
      },
    );
    call.on("metadata", (got) => (head = got));
    call.on("status", (got) => {
      end = got.metadata;
      done();
    });
  });
}

test("unary calls carry metadata both ways, binary too, and big messages", async () => {
  const metadata = new Metadata();
  metadata.set("x-own", "mine");
  const { error, value, head, end } = await callUnary("hello", {}, metadata);
  expect([error, value]).toEqual([null, "hello!"]);
  expect(head?.get("x-head")).toEqual(["mine"]);
  expect(end?.get("x-trailer")).toEqual(["end"]);
  expect(end?.get("x-bytes-bin")).toEqual([Buffer.from([0, 255, 1])]);
  const big = "x".repeat(3_000_000);
  expect((await callUnary(big)).value?.length).toBe(big.length + 1);
});

test("an error of the server keeps its code, words and metadata", async () => {
  const { error, end } = await callUnary("fail");
  expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: "not so: 100 % ä" });
  expect(end?.get("x-trailer")).toEqual(["end"]);
});

test("a call that fails counts as what it failed with, for metrics, guards and the log, and no other does", async () => {
  const { hosts, revisions } = table();
  const [entry] = Object.values(hosts);
  if (entry === undefined) throw new Error("The table has no host");
  const route = "default/counted";
  await here.control.settle({ hosts: { [host]: { ...entry, route, guard: { slowMs: 0 } } }, revisions });
  const outcomes = () => here.control.outcomes.filter((one) => one.route === route);
  for (const code of [2, 4, 12, 13, 14, 15]) expect((await callUnary(`fail with ${code}`)).error?.code).toBe(code);
  for (const code of [3, 5, 7, 8, 9, 10, 11, 16]) await callUnary(`fail with ${code}`);
  await callUnary("fine");
  const counted = (): Record<string, number> => {
    const codes: Record<string, number> = {};
    for (const one of outcomes())
      for (const [code, count] of Object.entries(one.codes)) codes[code] = (codes[code] ?? 0) + count;
    return codes;
  };
  await until(() => Object.values(counted()).reduce((sum, count) => sum + count, 0) === 15);
  expect(counted()).toEqual({ 200: 9, 500: 3, 501: 1, 503: 1, 504: 1 });
  const judged = outcomes().map(({ guard }) => guard ?? [0, 0, 0]);
  expect([0, 1].map((i) => judged.reduce((sum, guard) => sum + (guard[i] ?? 0), 0))).toEqual([15, 6]);
  const own = () => lines().filter((line) => line.route === route);
  await until(() => own().length === 15);
  const logged = own().map(({ status: http, grpcStatus }) => [http, grpcStatus]);
  expect(logged).toEqual(
    expect.arrayContaining([
      [503, 14],
      [200, 5],
      [200, 0],
    ]),
  );
});

test("client streaming: all messages arrive", async () => {
  const answer = new Promise<string | undefined>((resolve, reject) => {
    const call = client.makeClientStreamRequest("/test.Echo/Collect", toBytes, toText, (error, value) =>
      error === null ? resolve(value) : reject(error),
    );
    for (let i = 0; i < 200; i++) call.write("y".repeat(1_000));
    call.end();
  });
  expect(await answer).toBe("200000");
});

test("server streaming: all messages arrive, and a client that stops is told to the server", async () => {
  const call = client.makeServerStreamRequest("/test.Echo/Spread", toBytes, toText, "300 10000");
  let got = 0;
  for await (const message of call) got += (message as string).length;
  expect(got).toBe(3_000_000);
  const endless = client.makeServerStreamRequest("/test.Echo/Spread", toBytes, toText, "0 0");
  endless.on("error", () => {});
  await new Promise((resolve) => endless.once("data", resolve));
  endless.cancel();
  await until(() => cancelled.includes("spread"));
});

test("both streaming: messages go to and fro one by one, for longer than the response timeout", async () => {
  await here.control.settle(table({ timeoutMs: 300 }));
  const call = client.makeBidiStreamRequest("/test.Echo/Chat", toBytes, toText);
  const got: string[] = [];
  call.on("data", (message: string) => got.push(message));
  const ended = new Promise((resolve) => call.once("status", resolve));
  for (let i = 1; i <= 5; i++) {
    call.write(String(i));
    await until(() => got.length === i);
    if (i === 1) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  call.end();
  expect(await ended).toMatchObject({ code: status.OK });
  expect(got).toEqual(["re 1", "re 2", "re 3", "re 4", "re 5"]);
});

test("a deadline of the client ends the call at the server, too", async () => {
  const { error } = await callUnary("hang", { deadline: Date.now() + 300 });
  expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
  await until(() => cancelled.includes("hang"));
});

test("what the gateway says arrives as a status of gRPC, with its reason", async () => {
  await here.control.settle(table({ timeoutMs: 200 }));
  const late = await callUnary("hang");
  expect(late.error?.code).toBe(status.DEADLINE_EXCEEDED);
  expect(late.error?.details).toContain("The service did not begin to answer in time. (reason: ResponseTimeout");
  await here.control.settle(table({ instances: [], problem: { reason: "ContainerMissing", message: "secret" } }));
  const none = await callUnary("x");
  expect(none.error?.code).toBe(status.UNAVAILABLE);
  expect(none.error?.details).toContain("reason: ContainerMissing");
  expect(none.error?.details).not.toContain("secret");
  expect(none.end?.get("elafros-reason")).toEqual(["ContainerMissing"]);
});

test("a server that dies in the middle is UNAVAILABLE, not an end", async () => {
  const other = new Server();
  other.addService(service, { unary, collect, spread, chat });
  const otherPort = await new Promise<number>((resolve) => {
    other.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_error, bound) => resolve(bound));
  });
  await here.control.settle(table({ instances: [{ id: "dies", host: "127.0.0.1", port: otherPort }] }));
  const call = client.makeServerStreamRequest("/test.Echo/Spread", toBytes, toText, "0 0");
  call.on("error", () => {});
  const ended = new Promise((resolve) => call.once("status", resolve));
  await new Promise((resolve) => call.once("data", resolve));
  other.forceShutdown();
  expect(await ended).toMatchObject({ code: status.UNAVAILABLE });
});

test("100 calls at once share one connection, one at a time where the Revision says so", async () => {
  await here.control.settle(table({ concurrency: 1 }));
  const calls = await Promise.all(Array.from({ length: 100 }, (_, i) => callUnary(String(i))));
  expect(calls.map(({ value }) => value)).toEqual(Array.from({ length: 100 }, (_, i) => `${i}!`));
});

test("gateways are replaced under calls without one that fails", async () => {
  const options = { "grpc.default_authority": host, "grpc.use_local_subchannel_pool": 1 };
  const patient = new Client(`127.0.0.1:${here.bench.port}`, credentials.createInsecure(), options);
  const failed: unknown[] = [];
  let done = 0;
  const over = new AbortController();
  const work = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const error = await new Promise<ServiceError | null>((resolve) =>
        patient.makeUnaryRequest("/test.Echo/Unary", toBytes, toText, "x", (problem) => resolve(problem)),
      );
      if (error !== null) failed.push([error.code, error.details]);
      done += 1;
    }
  };
  const workers = Array.from({ length: 8 }, work);
  for (let i = 0; i < 3; i++) {
    const next = await here.bench.start();
    await until(() => here.control.members.size === 2);
    here.gateway.process.kill("SIGTERM");
    expect(await here.gateway.exited).toBe(0);
    here.gateway = next;
    const before = done;
    await until(() => done > before + 50);
  }
  over.abort();
  await Promise.all(workers);
  expect(failed).toEqual([]);
  patient.close();
});
