import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { resolve } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { http } from "../../../lib/node-http.ts";
import { deadline } from "../../await-object.ts";
import { conditionOf, explain } from "../../conditions.ts";
import { CancelledError, FailureError, UsageError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import type { Io } from "../../io.ts";
import { requireService } from "../../memory.ts";
import { Route } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { printable } from "../../printable.ts";
import { exchange } from "./exchange.ts";
import type { InvokeOptions } from "./invoke.ts";
import { makeMessage } from "./message.ts";

/** Runs `elafros invoke`. */
export async function runInvoke(options: InvokeOptions, factory: Factory): Promise<void> {
  for (const flag of ["eventSource", "eventId"] as const) {
    if (options[flag] !== undefined && options.event === undefined) {
      throw new UsageError(
        `--event-${flag === "eventId" ? "id" : "source"} is a part of an event: name its type with --event TYPE`,
      );
    }
  }
  const service = await requireService(factory.cwd, options.service);
  const body = await readBody(options, factory);
  const url = await addressOf(service, options, factory);
  const { event: type, eventSource: source, eventId: id, path } = options;
  const message = makeMessage({
    method: options.method,
    headers: options.header,
    body,
    event: type === undefined ? undefined : { type, source, id },
    now: factory.clock.now(),
    newId: randomUUID,
  });
  const limit = deadline(factory.clock, {
    ms: options.timeout * 1000,
    parent: factory.signal,
    reason: () =>
      new FailureError(
        `Service "${service}" didn't answer within ${options.timeout} seconds: wait longer with --timeout`,
      ),
  });
  try {
    const answer = await exchange({ url, path, message, address: options.address, signal: limit.signal });
    const status = `HTTP ${answer.statusCode ?? 0} ${answer.statusMessage || (http.STATUS_CODES[answer.statusCode ?? 0] ?? "")}`;
    const failed = (answer.statusCode ?? 0) >= 400;
    if (!failed) factory.io.note(printable(status.trimEnd()));
    if (options.include) printHeaders(answer, factory.io);
    await printBody(answer, factory.io);
    if (failed) throw new FailureError(`${message.method} ${url.origin}${path} was answered with ${status.trimEnd()}`);
  } catch (error) {
    if (limit.signal.aborted) throw limit.signal.reason as Error;
    if (error instanceof FailureError || error instanceof CancelledError) throw error;
    throw new FailureError(`The answer of service "${service}" broke off: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    limit.done();
  }
}

async function readBody({ data, file }: InvokeOptions, { io, cwd }: Factory): Promise<Buffer | undefined> {
  if (data !== undefined) return Buffer.from(data);
  if (file === undefined) return undefined;
  if (file === "-") return io.readInputBytes();
  try {
    return await readFile(resolve(cwd, file));
  } catch (error) {
    throw new UsageError(`Cannot read --file "${file}": ${(error as NodeJS.ErrnoException).code ?? String(error)}`, {
      cause: error,
    });
  }
}

/** The address of the service, or of one of its targets, as its Route tells it. */
async function addressOf(service: string, options: InvokeOptions, factory: Factory): Promise<URL> {
  const { client, namespace } = await factory.connect(options);
  try {
    const route = await optional(client.get(Route, { namespace, name: service }));
    if (route === undefined) {
      throw new FailureError(
        `There is no service "${service}" in namespace "${namespace}": see 'elafros services list'`,
      );
    }
    if (route.status?.url === undefined) {
      throw new FailureError(
        `Service "${service}" has no address yet: ${explain(conditionOf(route, "Ready")) || `see 'elafros services describe ${service}'`}`,
      );
    }
    const url = new URL(route.status.url);
    if (options.target === undefined) return url;
    const names = route.spec.rollout.traffic.flatMap(({ name }) => (name === undefined ? [] : [name]));
    if (!names.includes(options.target)) {
      throw new FailureError(
        `Service "${service}" has no target "${options.target}": ${names.length === 0 ? "none of its targets has a name" : `it has ${names.join(", ")}`}`,
      );
    }
    url.hostname = `${options.target}.${url.hostname}`;
    return url;
  } finally {
    client.close();
  }
}

function printHeaders({ rawHeaders }: IncomingMessage, io: Io): void {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    io.note(printable(`${rawHeaders[at] ?? ""}: ${rawHeaders[at + 1] ?? ""}`));
  }
}

/** Byte for byte on a pipe. A terminal gets text that can't rewrite what it shows, and a line end. */
async function printBody(answer: IncomingMessage, io: Io): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let last = "\n";
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (!io.terminal) await io.writeBytes(chunk);
    else {
      const text = printable(decoder.write(chunk));
      await io.writeBytes(Buffer.from(text));
      last = text.at(-1) ?? last;
    }
  }
  if (io.terminal && last !== "\n") io.line();
}
