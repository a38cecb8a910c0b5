/** Network namespaces of a test's own, and things to run in them: what instances see of the machine is tried from there. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Runs a program in a network namespace, given by the path of its file; gives its standard output. */
export async function runIn(netns: string, program: string, args: readonly string[] = []): Promise<string> {
  const { stdout } = await execute("nsenter", [`--net=${netns}`, "--", program, ...args]);
  return stdout;
}

/** How an attempt to connect ended: what the other side said first, or Node's error code, or `timeout`. */
export async function connectFrom(
  netns: string,
  target: { host: string; port: number; from?: string; timeoutMs?: number },
): Promise<string> {
  const script = `
    const { host, port, from, timeoutMs } = JSON.parse(process.argv[1]);
    const socket = require("node:net").connect({ host, port, localAddress: from });
    socket.setTimeout(timeoutMs ?? 10000, () => { console.log("timeout"); process.exit(); });
    socket.once("error", (error) => console.log(error.code));
    socket.once("data", (data) => { process.stdout.write(data); socket.destroy(); });`;
  return (await runIn(netns, process.execPath, ["-e", script, JSON.stringify(target)])).trim();
}

export interface Closable {
  close(): Promise<void>;
}

export interface Listener extends Closable {
  port: number;
}

/** Listens in a namespace (undefined: this machine's own) and tells everyone who connects its name and their address. Port 0 is a free one. */
export async function listenIn(
  netns: string | undefined,
  at: { host: string; port: number; name: string },
): Promise<Listener> {
  const script = `
    const { host, port, name } = JSON.parse(process.argv[1]);
    require("node:net").createServer((socket) => {
      socket.on("error", () => {});
      socket.end(name + " " + socket.remoteAddress + "\\n");
    }).listen(port, host, function () { console.log(this.address().port); });`;
  const node = [process.execPath, "-e", script, JSON.stringify(at)];
  const [program = "", ...args] = netns === undefined ? node : ["nsenter", `--net=${netns}`, "--", ...node];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const port = Number(await firstOutput(child));
  return {
    port,
    close: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function firstOutput(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", (data: Buffer) => resolve(data.toString()));
    child.once("exit", (code) => reject(new Error(`Listener ended with ${code}`)));
  });
}

export interface Neighbour extends Closable {
  netns: string;
}

/** A network beside this machine: a namespace with an address of `subnet` (three numbers, as in `198.51.100`), the machine being its `.1` and router. */
export async function neighbourNetwork(name: string, subnet: string): Promise<Neighbour> {
  const [near, netns] = [`t${name}`, `elatest-${name}`];
  const ip = (...args: string[]) => execute("ip", args);
  // Of an earlier run that was killed.
  await ip("link", "del", near).catch(() => {});
  await ip("netns", "del", netns).catch(() => {});
  await ip("netns", "add", netns);
  await ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", netns);
  await ip("addr", "add", `${subnet}.1/24`, "dev", near);
  await ip("link", "set", near, "up");
  for (const args of [
    ["addr", "add", `${subnet}.2/24`, "dev", "eth0"],
    ["link", "set", "lo", "up"],
    ["link", "set", "eth0", "up"],
    ["route", "add", "default", "via", `${subnet}.1`],
  ]) {
    await ip("-n", netns, ...args);
  }
  return {
    netns: `/run/netns/${netns}`,
    close: async () => {
      await ip("link", "del", near);
      await ip("netns", "del", netns);
    },
  };
}
