/**
 * Connections below Node's streams: the handles that `net.Socket` itself stands on. Measured (docs/decisions/0023-http1-front.md), a stream
 * costs more than everything else that is done for a request. All connections of a thread read into one buffer, so an idle one owns none; a write
 * goes out at once or, what the kernel doesn't take, later, and whoever writes stops reading its source until then.
 *
 * The bindings are Node's own and not its public interface: `wiresSupported` looks for all that is used, and where it isn't there, the front on
 * Node's HTTP server serves everything.
 */
import { Socket } from "node:net";
import type { Clock } from "../../lib/clock.ts";

/** Node's TCP wrap: only what is used of it here. Calls return 0 or a negative system error. */
interface TcpHandle {
  wire?: Wire;
  onread: ((this: TcpHandle) => void) | undefined;
  onconnection?: (error: number, client?: TcpHandle) => void;
  open(fd: number): number;
  listen(backlog: number): number;
  connect(request: object, address: string, port: number): number;
  connect6(request: object, address: string, port: number): number;
  getpeername(out: { address?: string }): number;
  setNoDelay(on: boolean): number;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  readStop(): number;
  writeLatin1String(request: object, text: string): number;
  writeBuffer(request: object, bytes: Uint8Array): number;
  shutdown(request: object): number;
  reset(): number;
  close(): void;
}

interface Bindings {
  TCP: { new (kind: number): TcpHandle; prototype: object };
  constants: { SOCKET: number; SERVER: number };
  TCPConnectWrap: new () => { oncomplete?: (status: number) => void };
  WriteWrap: new () => { oncomplete?: (status: number) => void };
  ShutdownWrap: new () => { oncomplete?: (status: number) => void };
  /** What the last call on any stream gave besides its result. */
  state: Int32Array;
  readBytes: number;
  wasAsync: number;
}

const endOfFile = -4095;
/** How long a connection that can't be written to is read on. */
const afterwordMs = 50;
const bindings = findBindings();

/** Where every connection of the thread reads to. What isn't used in `onRead` is overwritten by the next read. */
export const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

export interface WireUser {
  /** The peer's bytes are in `readBuffer`, from 0 to `length`. */
  onRead(length: number): void;
  /** The peer sends nothing more; it may still read. */
  onEnd(): void;
  /** All that was written has left. */
  onDrain(): void;
  /** The connection broke. Not called after `destroy`. */
  onBroken(): void;
}

/** A client's connection, raw (Wire) or of TLS (tls-wire.ts). */
export interface ClientWire {
  /** Bytes wait to be taken: read no more of what is to be written here. */
  readonly pending: boolean;
  /** Some of what was written hasn't left yet: it would be lost with `destroy`. */
  readonly unsent: boolean;
  readonly closed: boolean;
  /** Begins to read. */
  start(): void;
  resume(): void;
  pause(): void;
  /** Address of the peer; empty if it has gone already. */
  peer(): string;
  /** Sends characters 0 to 255 as bytes. */
  writeText(text: string): void;
  /** Sends bytes; returns whether they are free to be used again, else they belong to the connection. */
  writeBytes(bytes: Uint8Array): boolean;
  /** Says, after what was written, that nothing more will be. */
  end(): void;
  /** Closes at once. Returns whether it was open. */
  destroy(): boolean;
  /** Closes at once so that the peer can't take what it got for whole. */
  reset(): void;
  /** The connection as a socket of Node's; this wire is over. */
  toSocket(): Socket;
}

/** One connection. Its user is set before it reads. */
export class Wire implements ClientWire {
  user: WireUser;
  /** Bytes wait for the kernel to take them: read no more of what is to be written here. */
  pending = false;
  closed = false;
  #handle: TcpHandle;
  #waiting = 0;
  #reading = false;
  #ending = false;

  constructor(handle: object, user: WireUser) {
    this.#handle = handle as TcpHandle;
    this.user = user;
  }

  get unsent(): boolean {
    return this.pending;
  }

  /** Begins to read. */
  start(): void {
    const handle = this.#handle;
    handle.wire = this;
    handle.onread = onHandleRead;
    handle.setNoDelay(true);
    handle.useUserBuffer(readBuffer);
    this.resume();
  }

  resume(): void {
    if (this.#reading || this.closed) return;
    this.#reading = true;
    this.#handle.readStart();
  }

  pause(): void {
    if (!this.#reading || this.closed) return;
    this.#reading = false;
    this.#handle.readStop();
  }

  /** Address of the peer; empty if it has gone already. */
  peer(): string {
    const out: { address?: string } = {};
    this.#handle.getpeername(out);
    return out.address ?? "";
  }

  /** Sends characters 0 to 255 as bytes. */
  writeText(text: string): void {
    if (this.closed || this.#ending) return;
    this.#written(this.#handle.writeLatin1String(spareWrite, text));
  }

  /** Sends bytes; returns whether they are free to be used again, else they belong to the connection. */
  writeBytes(bytes: Uint8Array): boolean {
    if (this.closed || this.#ending) return true;
    return this.#written(this.#handle.writeBuffer(spareWrite, bytes));
  }

  /** Says, after what was written, that nothing more will be. */
  end(): void {
    if (this.closed || this.#ending) return;
    this.#ending = true;
    if (!this.pending) this.#shutdown();
  }

  /** Closes at once. Returns whether it was open. */
  destroy(): boolean {
    if (this.closed) return false;
    this.closed = true;
    this.#handle.close();
    return true;
  }

  /** Closes at once so that the peer can't take what it got for whole. */
  reset(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.#handle.reset() !== 0) this.#handle.close();
  }

  /** The connection as a socket of Node's, not reading yet; this wire is over. */
  toSocket(): Socket {
    const handle = this.#handle;
    this.pause();
    this.closed = true;
    delete handle.wire;
    const socket: Socket = new Socket({
      handle,
      allowHalfOpen: true,
      // The handle reads into a buffer of its user's from now on, so streams are given copies.
      onread: {
        buffer: readBuffer,
        callback: (length: number) => socket.push(Buffer.from(readBuffer.subarray(0, length))),
      },
    } as object);
    return socket;
  }

  /** The read callback's part. */
  received(length: number): void {
    if (length > 0) this.user.onRead(length);
    else if (length === endOfFile) {
      this.#reading = false;
      this.user.onEnd();
    } else if (length < 0) this.#break();
  }

  #written(error: number): boolean {
    if (error !== 0) {
      // Later: whoever writes is in the middle of something, and what the peer said before it closed may still be read.
      setTimeout(() => this.#break(), afterwordMs).unref();
      return true;
    }
    if (bindings === undefined || bindings.state[bindings.wasAsync] === 0) return true;
    this.#waiting += 1;
    this.pending = true;
    spareWrite.oncomplete = (status) => this.#left(status);
    spareWrite = new bindings.WriteWrap();
    return false;
  }

  #left(status: number): void {
    this.#waiting -= 1;
    if (status < 0) return this.#break();
    if (this.#waiting > 0 || this.closed) return;
    this.pending = false;
    if (this.#ending) this.#shutdown();
    this.user.onDrain();
  }

  #shutdown(): void {
    if (bindings === undefined) return;
    const request = new bindings.ShutdownWrap();
    request.oncomplete = () => {};
    this.#handle.shutdown(request);
  }

  #break(): void {
    if (this.destroy()) this.user.onBroken();
  }
}

/** While one read is dealt with, it is one time: asking for it costs. */
let reading = false;
let readTime = 0;

function onHandleRead(this: TcpHandle): void {
  if (bindings === undefined) return;
  reading = true;
  readTime = 0;
  this.wire?.received(bindings.state[bindings.readBytes] ?? 0);
  reading = false;
}

/** Tells the user of bytes in `readBuffer` that didn't come by a handle. */
export function atOneTime(user: WireUser, length: number): void {
  reading = true;
  readTime = 0;
  user.onRead(length);
  reading = false;
}

/** The clock's time, asked for once per read. All users in a thread have the same clock. */
export function timeOfRead(clock: Clock): () => number {
  return () => (reading ? (readTime ||= clock.now()) : clock.now());
}

/** Used for the next write, and again unless that one couldn't be done at once. */
let spareWrite: { oncomplete?: (status: number) => void } = bindings === undefined ? {} : new bindings.WriteWrap();

/** Whether this Node.js has what wires are made of. */
export function wiresSupported(): boolean {
  return bindings !== undefined;
}

/** Accepts on a descriptor; each connection goes to `accept` as a handle to make a Wire of. Throws the system's error by number. */
export function listenOn(fd: number, accept: (handle: object) => void): { close(): void } {
  if (bindings === undefined) throw new Error("Cannot listen: this Node.js has no TCP handles");
  const handle = new bindings.TCP(bindings.constants.SERVER);
  let error = handle.open(fd);
  handle.onconnection = (failure, client) => {
    if (failure === 0 && client !== undefined) accept(client);
  };
  error ||= handle.listen(4096);
  if (error !== 0) throw new Error(`Cannot listen on descriptor ${fd}: system error ${-error}`);
  return { close: () => handle.close() };
}

/** Closes a connection that nobody wants. */
export function refuse(handle: object): void {
  (handle as TcpHandle).close();
}

/** Begins to connect to an IP address. `connected` is called once, later, with whether it worked; a wire that was destroyed before isn't told. */
export function connectWire(
  to: { address: string; port: number },
  user: WireUser,
  connected: (ok: boolean) => void,
): Wire {
  if (bindings === undefined) throw new Error("Cannot connect: this Node.js has no TCP handles");
  const handle = new bindings.TCP(bindings.constants.SOCKET);
  const wire = new Wire(handle, user);
  const request = new bindings.TCPConnectWrap();
  const done = (status: number): void => {
    if (wire.closed) return;
    if (status === 0) wire.start();
    else wire.destroy();
    connected(status === 0);
  };
  request.oncomplete = done;
  const error = to.address.includes(":")
    ? handle.connect6(request, to.address, to.port)
    : handle.connect(request, to.address, to.port);
  if (error !== 0) setImmediate(done, error);
  return wire;
}

function findBindings(): Bindings | undefined {
  const { binding } = process as unknown as { binding?: (name: string) => Record<string, unknown> };
  if (typeof binding !== "function") return undefined;
  let found: Partial<Bindings>;
  try {
    const tcp = binding.call(process, "tcp_wrap");
    const stream = binding.call(process, "stream_wrap");
    found = {
      ...(tcp as Pick<Bindings, "TCP" | "constants" | "TCPConnectWrap">),
      ...(stream as Pick<Bindings, "WriteWrap" | "ShutdownWrap">),
      state: stream["streamBaseState"] as Int32Array,
      readBytes: stream["kReadBytesOrError"] as number,
      wasAsync: stream["kLastWriteWasAsync"] as number,
    };
  } catch {
    return undefined;
  }
  const methods = ["open", "listen", "connect", "connect6", "getpeername", "setNoDelay", "useUserBuffer", "readStart"];
  methods.push("readStop", "writeLatin1String", "writeBuffer", "shutdown", "reset", "close");
  const { TCP, constants, state, readBytes, wasAsync } = found;
  const complete =
    [TCP, found.TCPConnectWrap, found.WriteWrap, found.ShutdownWrap].every((one) => typeof one === "function") &&
    state instanceof Int32Array &&
    [readBytes, wasAsync, constants?.SERVER, constants?.SOCKET].every((one) => typeof one === "number") &&
    methods.every((name) => name in (TCP?.prototype ?? {}));
  return complete ? (found as Bindings) : undefined;
}
