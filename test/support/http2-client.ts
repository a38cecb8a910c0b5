/** Requests by Node's HTTP/2 client. */
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { until } from "./gateway.ts";

export interface Answer {
  status: number;
  fields: IncomingHttpHeaders;
  body: string;
  trailers: IncomingHttpHeaders;
  /** The code with which the stream ended; 0 when it is whole. */
  code: number;
}

/** A connection with prior knowledge; `close` it. */
export function connect(port: number, options: http2.ClientSessionOptions = {}): ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on("error", () => {});
  return session;
}

/** Sends a request whole, and reads its answer to the end, whichever it is. */
export function ask(
  session: ClientHttp2Session,
  fields: http2.OutgoingHttpHeaders,
  { body, trailers }: { body?: string | Buffer; trailers?: Record<string, string> } = {},
): Promise<Answer> {
  const stream = session.request(fields, { endStream: body === undefined, waitForTrailers: trailers !== undefined });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}

/** The answer on a stream, once that is over. */
export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const answer: Answer = { status: 0, fields: {}, body: "", trailers: {}, code: 0 };
  stream.setEncoding("utf8");
  stream.on("response", (got) => Object.assign(answer, { status: got[":status"] ?? 0, fields: got }));
  stream.on("data", (piece: string) => (answer.body += piece));
  stream.on("trailers", (got) => (answer.trailers = got));
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.on("close", () => resolve({ ...answer, code: stream.rstCode ?? 0 }));
  });
}

/** Waits until a number has stopped to change, and gives it: what has come to a halt by back-pressure. */
export async function settled(value: () => number): Promise<number> {
  let last = -1;
  let since = Date.now();
  await until(() => {
    if (value() !== last) {
      last = value();
      since = Date.now();
    }
    return last > 0 && Date.now() - since > 300;
  });
  return last;
}
