import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bindSocket, parseHostPort, serveHandover } from "./listening-socket.ts";

describe("parseHostPort()", () => {
  test.each([
    ["127.0.0.1:80", { host: "127.0.0.1", port: 80 }],
    ["localhost:0", { host: "localhost", port: 0 }],
    ["[::1]:6443", { host: "::1", port: 6443 }],
    ["a.example.com:65535", { host: "a.example.com", port: 65_535 }],
  ])("takes %s apart", (text, expected) => {
    expect(parseHostPort(text)).toEqual(expected);
  });

  test.each(["", "80", ":80", "a:", "a:b", "a:65536", "a:123456", "::1:80", "[::1]", "a b:1", "http://a:1"])(
    "refuses %j, naming it",
    (text) => {
      expect(() => parseHostPort(text)).toThrow(`Invalid address "${text}"`);
    },
  );
});

describe("bindSocket()", () => {
  test("says why it can't", () => {
    expect(() => bindSocket("192.0.2.1", 80)).toThrow("no interface of this machine has the address");
    expect(() => bindSocket("example.com", 80)).toThrow("give an IP address");
  });

  test("says that the port is taken", async () => {
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    expect(() => bindSocket("127.0.0.1", port)).toThrow(`Cannot listen on 127.0.0.1:${port}: the port is in use`);
    server.close();
  });
});

describe("serveHandover()", () => {
  test("hands a socket to another process, which gets every connection", async () => {
    const probe = net.createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as net.AddressInfo;
    await new Promise((done) => probe.close(done));
    const socket = bindSocket("127.0.0.1", port);
    const path = join(await mkdtemp(join(tmpdir(), "elafros-handover-")), "socket");
    const handover = serveHandover(path, { web: socket.fd });
    await once(handover, "listening");

    const connection = net.connect({ path });
    connection.pause();
    await once(connection, "connect");
    const { fd } = (connection as unknown as { _handle: { fd: number } })._handle;
    // It only listens for messages a while after they have come, as a taker with something else to do first.
    const script = `
      const net = require("node:net");
      setTimeout(() => process.on("message", (message, handle) => {
        net.createServer((c) => c.end(message.socket)).listen(handle, () => process.stdout.write("listens"));
        process.send({ taken: true });
      }), 1000);`;
    const taker = spawn(process.execPath, ["-e", script], {
      stdio: ["ignore", "pipe", "inherit", fd],
      env: { NODE_CHANNEL_FD: "3" },
    });
    connection.destroy();
    await once(taker.stdout as NodeJS.ReadableStream, "data");
    // All of them: the process that bound the socket accepts none.
    for (let turn = 0; turn < 20; turn += 1) {
      const [answer] = (await once(net.connect(port, "127.0.0.1"), "data")) as [Buffer];
      expect(answer.toString()).toBe("web");
    }
    socket.close();
    taker.kill("SIGKILL");
    handover.close();
  });
});
