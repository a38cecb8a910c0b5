import net, { type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { readLines, writeLine } from "./lines.ts";

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Two ends of one connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  const other = await accepted;
  open.push(server, { close: () => socket.destroy() }, { close: () => other.destroy() });
  return [socket, other];
}

test("readLines() puts lines together however they are cut, with characters of several bytes", async () => {
  const [from, to] = await pair();
  const seen: string[] = [];
  readLines(to, (line) => seen.push(line));
  const bytes = Buffer.from('{"a":"äöü€"}\n\nsecond\nthird');
  for (const byte of bytes) from.write(Buffer.from([byte]));
  from.end("\n");
  await new Promise((resolve) => to.once("end", resolve));
  expect(seen).toEqual(['{"a":"äöü€"}', "second", "third"]);
});

test("readLines() ends the connection with what its function throws", async () => {
  const [from, to] = await pair();
  const failed = new Promise<Error>((resolve) => to.once("error", resolve));
  readLines(to, (line) => void JSON.parse(line));
  from.write("no json\n");
  expect((await failed).name).toBe("SyntaxError");
  expect(to.destroyed).toBe(true);
});

test("writeLine() on a connection that has ended does nothing", async () => {
  const [from, to] = await pair();
  to.destroy();
  from.destroy();
  writeLine(from, { a: 1 });
  expect(from.bytesWritten).toBe(0);
});
