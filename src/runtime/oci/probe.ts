/**
 * One question to an instance: is it well? TCP, HTTP and gRPC are asked from this machine at the instance's own address, whatever the spec says
 * as host: a probe can't be pointed at anything else, and redirects aren't followed.
 */
import { connect as http2Connect, constants as h2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { http } from "../../lib/node-http.ts";
import type { ProbeSpec } from "../workloads.ts";

/** `refused` means that nothing listens yet: asking again soon costs the instance nothing. */
export type ProbeResult = { ok: true } | { ok: false; message: string; refused: boolean };

export interface ProbeTarget {
  /** The instance's address. */
  host: string;
  /** Runs a command inside; its exit code and output. */
  exec(command: readonly string[], timeoutMs: number): Promise<{ code: number; output: string }>;
}

type Action<Type> = Extract<ProbeSpec["action"], { type: Type }>;

const failed = (message: string, refused = false): ProbeResult => ({ ok: false, message, refused });

/** Asks once; never rejects. Takes `timeoutMs` milliseconds at most. */
export async function probeOnce(
  action: ProbeSpec["action"],
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  switch (action.type) {
    case "tcp":
      return probeTcp(action, target.host, timeoutMs);
    case "http":
      return (action.http2 === true ? probeHttp2 : probeHttp)(action, target.host, timeoutMs);
    case "grpc":
      return probeGrpc(action, target.host, timeoutMs);
    case "exec":
      try {
        const { code, output } = await target.exec(action.command, timeoutMs);
        return code === 0 ? { ok: true } : failed(`Command ended with exit code ${code}: ${output.slice(0, 512)}`);
      } catch (error) {
        return failed(`Command could not be run: ${(error as Error).message}`);
      }
    default:
      return failed(`Unknown probe ${JSON.stringify(action satisfies never)}`);
  }
}

function probeTcp({ port }: Action<"tcp">, host: string, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (result: ProbeResult) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => end(failed(`dial tcp ${host}:${port}: no answer in ${timeoutMs} ms`)));
    socket.once("connect", () => end({ ok: true }));
    socket.once("error", (error) => end(refusal(error, `dial tcp ${host}:${port}`)));
  });
}

function probeFields(action: Action<"http">): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = { "user-agent": "elafros-probe", accept: "*/*" };
  if (action.host !== undefined) fields["host"] = action.host;
  for (const { name, value } of action.headers) {
    const key = name.toLowerCase();
    const before = fields[key];
    // Of those that we set ourselves the spec's win; its own repeated ones all count.
    const own = key === "user-agent" || key === "accept" || key === "host";
    fields[key] = before === undefined || own ? value : [before, value].flat();
  }
  return fields;
}

function judge(status: number): ProbeResult {
  return status >= 200 && status < 400 ? { ok: true } : failed(`HTTP probe failed with statuscode: ${status}`);
}

function probeHttp(action: Action<"http">, host: string, timeoutMs: number): Promise<ProbeResult> {
  const { port, path, scheme } = action;
  const url = `${scheme}://${host}:${port}${path}`;
  return new Promise((resolve) => {
    const headers = { ...probeFields(action), connection: "close" };
    try {
      const request = (scheme === "https" ? httpsRequest : http.request)({
        host,
        port,
        path: path || "/",
        headers,
        agent: false,
        rejectUnauthorized: false, // as in Kubernetes: instances have certificates of their own making
      });
      const end = (result: ProbeResult) => {
        clearTimeout(timer);
        request.destroy();
        resolve(result);
      };
      const timer = setTimeout(() => end(failed(`Get "${url}": no answer in ${timeoutMs} ms`)), timeoutMs);
      request.on("response", ({ statusCode = 0 }) => end(judge(statusCode)));
      request.on("error", (error) => end(refusal(error, `Get "${url}"`)));
      request.end();
    } catch (error) {
      resolve(failed(`Get "${url}": ${(error as Error).message}`)); // a header or path that HTTP doesn't allow
    }
  });
}

/** As `probeHttp`, by HTTP/2 with prior knowledge. */
function probeHttp2(action: Action<"http">, host: string, timeoutMs: number): Promise<ProbeResult> {
  const { port, path } = action;
  const what = `Get "http://${host}:${port}${path}" by HTTP/2`;
  return new Promise((resolve) => {
    const session = http2Connect(`http://${host}:${port}`);
    const end = (result: ProbeResult) => {
      clearTimeout(timer);
      session.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(failed(`${what}: no answer in ${timeoutMs} ms`)), timeoutMs);
    session.on("error", (error) => end(refusal(error, what)));
    try {
      const { host: authority = `${host}:${port}`, ...fields } = probeFields(action);
      const stream = session.request({ ...fields, ":authority": String(authority), ":path": path || "/" });
      stream.on("error", (error) => end(refusal(error, what)));
      stream.on("response", (headers) => end(judge(headers[":status"] ?? 0)));
      stream.on("close", () => end(failed(`${what}: closed without an answer`)));
    } catch (error) {
      end(failed(`${what}: ${(error as Error).message}`)); // a header or path that HTTP doesn't allow
    }
  });
}

/** gRPC health checking protocol (grpc.health.v1.Health/Check), which is two small messages: not worth a library. */
function probeGrpc({ port, service }: Action<"grpc">, host: string, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const session = http2Connect(`http://${host}:${port}`);
    const end = (result: ProbeResult) => {
      clearTimeout(timer);
      session.destroy();
      resolve(result);
    };
    const what = `gRPC health check of "${service}"`;
    const timer = setTimeout(() => end(failed(`${what}: no answer in ${timeoutMs} ms`)), timeoutMs);
    session.on("error", (error) => end(refusal(error, what)));
    const stream = session.request({
      [h2.HTTP2_HEADER_METHOD]: "POST",
      [h2.HTTP2_HEADER_PATH]: "/grpc.health.v1.Health/Check",
      [h2.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [h2.HTTP2_HEADER_TE]: "trailers",
      "user-agent": "elafros-probe",
    });
    const body: Buffer[] = [];
    let status: string | undefined;
    const readStatus = (headers: { [name: string]: string | string[] | undefined | number }) => {
      if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
    };
    stream.on("response", readStatus);
    stream.on("trailers", readStatus);
    stream.on("data", (chunk: Buffer) => {
      if (body.length < 64) body.push(chunk);
    });
    stream.on("error", (error) => end(refusal(error, what)));
    stream.on("end", () => {
      // Frame: a flag byte, four bytes of length, then field 1 (tag 8): 1 is SERVING.
      const frame = Buffer.concat(body);
      if (status !== "0") end(failed(`${what} ended with gRPC status ${status ?? "none"}`));
      else if (frame[5] === 8 && frame[6] === 1) end({ ok: true });
      else end(failed(`${what}: not serving`));
    });
    stream.end(healthRequest(service));
  });
}

/** A HealthCheckRequest in its frame: field 1, the service's name. Its length is a varint. */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service, "utf8");
  const size: number[] = [];
  for (let rest = name.length; ; rest >>>= 7) {
    size.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([10, ...size]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function refusal(error: Error, what: string): ProbeResult {
  const words = `${error.message} ${(error as NodeJS.ErrnoException).code ?? ""}`.trim();
  // A stream of a session that couldn't connect has the reason in its message only.
  return failed(`${what}: ${error.message || words}`, /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/.test(words));
}
