/** The thread that owns the file. It answers in order, one message at a time. */
import { parentPort, workerData } from "node:worker_threads";
import { Database } from "./database.ts";
import type { CommitRequest, Failure, Reply, Request, Row, WorkerOptions } from "./protocol.ts";

const options = workerData as WorkerOptions;
let database: Database | undefined;
let unread: Iterator<Row[]> | undefined;

function say(reply: Reply): void {
  parentPort?.postMessage(reply);
}

function failureOf(error: unknown): Failure {
  const { message, errcode } = error as { message?: string; errcode?: number };
  return { message: message ?? String(error), ...(errcode === undefined ? {} : { code: errcode }) };
}

function start(): void {
  orUnusable(() => {
    database = new Database(options);
    unread = database.versions();
    say({ is: "opened", revision: database.number("revision"), forgotten: database.number("forgotten") });
  });
}

function next(): void {
  orUnusable(() => {
    const part = unread?.next();
    if (part !== undefined && part.done !== true) return say({ is: "rows", rows: part.value });
    unread = undefined;
    return say({ is: "ready" });
  });
}

function orUnusable(work: () => void): void {
  try {
    work();
  } catch (error) {
    const { message } = failureOf(error);
    const sentence = message.startsWith("Cannot open")
      ? message
      : `Cannot open the store "${options.path}": ${message}`;
    say({ is: "unusable", message: sentence });
  }
}

function commit(request: CommitRequest): void {
  try {
    database ??= new Database(options);
    database.commit(request);
    say({ is: "settled", id: request.id });
  } catch (error) {
    // After a failed sync the connection's view can't be trusted: open the file anew and see what it really holds.
    const failure = failureOf(error);
    const revision = reopen();
    say({ is: "settled", id: request.id, failure, ...(revision === undefined ? {} : { revision }) });
  }
}

function reopen(): number | undefined {
  try {
    database?.close();
    database = undefined;
    database = new Database(options);
    return database.number("revision");
  } catch {
    return undefined;
  }
}

parentPort?.on("message", (request: Request) => {
  switch (request.do) {
    case "next":
      next();
      break;
    case "commit":
      commit(request);
      break;
    case "close":
      database?.close();
      say({ is: "closed" });
      parentPort?.close();
      break;
  }
});
start();
