/** HTTP/2 by hand, frame by frame (RFC 9113 §4, §6), for what no library would send: as a client, and as a server on one connection. */
import net, { type Socket } from "node:net";
import { until } from "./gateway.ts";

export const type = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;
export const code = { none: 0, internal: 2, refused: 7, cancel: 8, calm: 11 } as const;
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

/** A frame's bytes. */
export function frame(kind: number, flags: number, stream: number, payload: Buffer | readonly number[] = []): Buffer {
  const body = Buffer.from(payload as Buffer);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = kind;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

export const settings = (values: Record<number, number> = {}): Buffer => {
  const body = Object.entries(values).map(([id, value]) => {
    const one = Buffer.alloc(6);
    one.writeUInt16BE(Number(id), 0);
    one.writeUInt32BE(value, 2);
    return one;
  });
  return frame(type.settings, 0, 0, Buffer.concat(body));
};

export const word = (value: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(value);
  return four;
};

/** A header block in which every field is spelt out and remembered by nobody (RFC 7541 §6.2.2). */
export function block(fields: Iterable<readonly [string, string]>): Buffer {
  const pieces: Buffer[] = [];
  for (const [name, value] of fields) pieces.push(Buffer.from([0]), spelt(name), spelt(value));
  return Buffer.concat(pieces);
}

function spelt(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const size = bytes.length < 127 ? [bytes.length] : [127];
  let rest = bytes.length - 127;
  if (rest >= 0) {
    for (; rest >= 128; rest = Math.floor(rest / 128)) size.push((rest % 128) + 128);
    size.push(rest);
  }
  return Buffer.concat([Buffer.from(size), bytes]);
}

/** The fields of a request. */
export function requestFields(host: string, path = "/", more: readonly (readonly [string, string])[] = []) {
  const method = more.find(([name]) => name === ":method")?.[1] ?? "GET";
  const rest = more.filter(([name]) => name !== ":method");
  return [[":method", method], [":scheme", "http"], [":authority", host], [":path", path], ...rest] as const;
}

/** One end of a connection. */
export class FramePeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #skip: number;

  /** @param skip bytes that come before the first frame: a client's preface */
  constructor(socket: Socket, skip = 0) {
    this.socket = socket;
    this.#skip = skip;
    socket.on("error", () => {});
    socket.on("close", () => (this.closed = true));
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
  }

  send(...frames: Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  of(kind: number, stream?: number): Frame[] {
    return this.frames.filter((one) => one.type === kind && (stream === undefined || one.stream === stream));
  }

  /** Waits for a frame of the kind. */
  async wait(kind: number, stream?: number): Promise<Frame> {
    let found: Frame | undefined;
    await until(() => (found = this.of(kind, stream)[0]) !== undefined || this.closed);
    if (found === undefined) throw new Error(`Connection closed before a frame of type ${kind} came`);
    return found;
  }

  /** Whether END_STREAM came on the stream. */
  ended(stream: number): boolean {
    return this.frames.some(
      (one) => one.stream === stream && (one.type === type.data || one.type === type.headers) && (one.flags & 1) === 1,
    );
  }

  #read(bytes: Buffer): void {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    this.#rest = Buffer.concat([this.#rest, bytes.subarray(skipped)]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      const payload = Buffer.from(this.#rest.subarray(9, 9 + length));
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5),
        payload,
      });
      this.#rest = this.#rest.subarray(9 + length);
    }
  }
}

/** A client that has sent its preface and settings, and acknowledged the server's. */
export async function frameClient(port: number, first: Record<number, number> = {}): Promise<FramePeer> {
  const peer = new FramePeer(net.connect(port, "127.0.0.1"));
  peer.send(preface, settings(first));
  await peer.wait(type.settings);
  peer.send(frame(type.settings, flag.ack, 0));
  return peer;
}
