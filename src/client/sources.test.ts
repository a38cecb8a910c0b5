import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { httpClient } from "./http.ts";
import { hasSource, putSource, sourcePlace, type Upload } from "./sources.ts";

const digest = `sha256:${"a".repeat(64)}`;
const place = { path: "/apis/build.dev/v1alpha1/namespaces/ns/sources", headers: {} };
const path = `/apis/build.dev/v1alpha1/namespaces/ns/sources/${encodeURIComponent(digest)}`;

async function server(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const listening: Server = createServer(answer);
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const client = httpClient({ server: url, insecure: false, namespace: "ns", context: "t", source: "/kubeconfig" });
  onTestFinished(() => {
    client.close();
    listening.closeAllConnections();
    listening.close();
  });
  return client;
}

const piece = Buffer.alloc(64 * 1024, "x");

function upload(pieces: number, more: Partial<Upload> = {}): Upload {
  return {
    namespace: "ns",
    digest,
    place,
    bytes: pieces * piece.length,
    // oxlint-disable-next-line require-await -- a stream that is ready
    open: async function* () {
      for (let at = 0; at < pieces; at++) yield piece;
    },
    signal: new AbortController().signal,
    ...more,
  };
}

function status(response: ServerResponse, code: number, reason: string, message: string): void {
  response.writeHead(code, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message }));
}

describe("hasSource", () => {
  it.each([
    [200, true],
    [404, false],
    [403, false],
  ])("hasSource() understands %i", async (code, there) => {
    const asked: string[] = [];
    const client = await server((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      response.writeHead(code).end();
    });
    expect(await hasSource(client, { namespace: "ns", digest, place, signal: new AbortController().signal })).toBe(
      there,
    );
    expect(asked).toEqual([`HEAD ${path}`]);
  });
});

describe("sourcePlace", () => {
  const { signal } = new AbortController();
  const proxied = "/api/v1/namespaces/elafros-system/services/https:elafros-controller:sources/proxy/sources";

  it("sourcePlace() is the API server's own where nothing says otherwise", async () => {
    const client = await server((_, response) => status(response, 404, "NotFound", "not found"));
    expect(await sourcePlace(client, { namespace: "ns", signal })).toEqual(place);
  });

  it("sourcePlace() is where a cluster says, with a token of the namespace's ServiceAccount", async () => {
    const asked: string[] = [];
    const client = await server((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      const token = request.method === "POST";
      response.writeHead(token ? 201 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(token ? { status: { token: "secret" } } : { data: { path: proxied } }));
    });
    expect(await sourcePlace(client, { namespace: "ns", signal })).toEqual({
      path: `${proxied}/ns`,
      headers: { "x-elafros-token": "secret" },
    });
    expect(asked).toEqual([
      "GET /api/v1/namespaces/build-templates/configmaps/elafros-uploads",
      "POST /api/v1/namespaces/ns/serviceaccounts/default/token",
    ]);
  });

  it("sourcePlace() says what a user lacks who may not upload", async () => {
    const client = await server((request, response) => {
      if (request.method === "POST") return status(response, 403, "Forbidden", "forbidden: no");
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ data: { path: proxied } }));
      return undefined;
    });
    await expect(sourcePlace(client, { namespace: "ns", signal })).rejects.toThrow(
      'Cannot upload for namespace "ns": that takes a token of its ServiceAccount "default" (forbidden: no)',
    );
  });
});

describe("putSource", () => {
  it("putSource() sends all bytes and tells how many, with their length and type", async () => {
    let seen: unknown;
    const client = await server((request, response) => {
      let bytes = 0;
      request.on("data", (chunk: Buffer) => (bytes += chunk.length));
      request.on("end", () => {
        const { "content-length": length, "content-type": type } = request.headers;
        seen = { method: request.method, url: request.url, length, type, bytes };
        response.writeHead(201).end("{}");
      });
    });
    const told: number[] = [];
    await putSource(client, upload(20, { onProgress: (sent) => told.push(sent) }));
    const bytes = 20 * piece.length;
    expect(seen).toEqual({ method: "PUT", url: path, length: String(bytes), type: "application/octet-stream", bytes });
    expect(told).toEqual(Array.from({ length: 20 }, (_, index) => (index + 1) * piece.length));
  });

  it("putSource() reads no faster than the server takes", async () => {
    let taken = () => {};
    const client = await server((request, response) => {
      request.pause();
      taken = () => {
        request.resume();
        request.on("end", () => response.writeHead(201).end("{}"));
      };
    });
    let read = 0;
    const whole = upload(2000, { onProgress: (sent) => (read = sent) });
    const done = putSource(client, whole);
    await expect.poll(() => read).toBeGreaterThan(0);
    let before = -1;
    await expect
      .poll(
        () => {
          const still = read === before;
          before = read;
          return still;
        },
        { interval: 200 },
      )
      .toBe(true);
    expect(read).toBeLessThan(whole.bytes);
    taken();
    await done;
    expect(read).toBe(whole.bytes);
  });

  it.each([
    [
      413,
      "RequestEntityTooLarge",
      "the limit is 1 MiB",
      /too large for the server \(the limit is 1 MiB\).*\.elafrosignore/,
    ],
    [404, "NotFound", "no such path", /the server takes no uploads for namespace "ns"/],
    [403, "Forbidden", "User cannot create sources", /^Cannot upload the source: User cannot create sources$/],
    [507, "InsufficientStorage", "the disk is full", /^Cannot upload the source: the disk is full$/],
  ])(
    "putSource() says why the server refuses with %i, though it answers early",
    async (code, reason, message, sentence) => {
      const client = await server((request, response) => {
        // As the server does: it answers at once, and takes what was on its way.
        request.resume();
        status(response, code, reason, message);
      });
      await expect(putSource(client, upload(1000))).rejects.toThrow(sentence);
    },
  );

  it("putSource() says how far it came where the connection breaks", async () => {
    const client = await server((request) => {
      request.once("data", () => request.socket.destroy());
    });
    await expect(putSource(client, upload(1000))).rejects.toThrow(
      /^Cannot upload the source \(.* of 62\.5 MiB were sent\): Cannot reach the API server/,
    );
  });

  it("putSource() ends where it is cancelled, or its bytes can't be read", async () => {
    const client = await server((request) => void request.resume());
    const cancel = new AbortController();
    const pending = putSource(client, upload(1, { bytes: 10 * piece.length, signal: cancel.signal }));
    cancel.abort(new Error("Cancelled"));
    await expect(pending).rejects.toThrow();
    const broken = upload(3, {
      // oxlint-disable-next-line require-await -- fails where a file would
      open: async function* () {
        yield piece;
        throw new Error("EIO: the file can't be read");
      },
    });
    await expect(putSource(client, broken)).rejects.toThrow("the file can't be read");
  });
});
