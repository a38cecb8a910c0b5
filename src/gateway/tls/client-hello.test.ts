import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import { offersProtocol } from "./client-hello.ts";

/** What Node's own client sends first. */
async function helloOf(protocols: string[]): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const client = connect({ port, host: "127.0.0.1", servername: "a.org", ALPNProtocols: protocols });
  client.on("error", () => {});
  const [socket] = await accepted;
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

describe("offersProtocol()", () => {
  let acme: Buffer;
  let web: Buffer;
  beforeAll(async () => {
    [acme, web] = await Promise.all([helloOf(["acme-tls/1"]), helloOf(["h2", "http/1.1"])]);
  });

  it("finds what a client offers, and nothing else", async () => {
    expect(offersProtocol(acme, "acme-tls/1")).toBe(true);
    expect(offersProtocol(web, "acme-tls/1")).toBe(false);
    expect(offersProtocol(web, "http/1.1")).toBe(true);
    expect(offersProtocol(await helloOf([]), "acme-tls/1")).toBe(false);
  });

  it("waits for the whole record, at whatever byte it is split", () => {
    for (let end = 0; end < acme.length; end += 1) {
      expect(offersProtocol(acme.subarray(0, end), "acme-tls/1")).toBeUndefined();
    }
  });

  it("decides at once for what is no TLS, and survives every cut and every changed byte", () => {
    expect(offersProtocol(Buffer.from("GET / HTTP/1.1\r\n"), "acme-tls/1")).toBe(false);
    for (let cut = 6; cut < acme.length; cut += 1) {
      const short = Buffer.from(acme.subarray(0, cut));
      short.writeUInt16BE(cut - 5, 3);
      expect(offersProtocol(short, "acme-tls/1")).toBeTypeOf("boolean");
    }
    for (let at = 5; at < acme.length; at += 1) {
      const bent = Buffer.from(acme);
      bent[at] = 0xff;
      expect(offersProtocol(bent, "acme-tls/1")).toBeTypeOf("boolean");
    }
  });
});
