import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type CliHarness, elafrosPath, startCli } from "../../../../test/support/cli.ts";

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage["headers"];
  body: string;
}

/** A gateway's place: answers everything as `/STATUS` says, with what it saw. */
async function gateway(): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(Number(/^\/(\d{3})/.exec(url ?? "")?.[1] ?? 200), { "x-answer": "yes" });
      response.end(url === "/bytes" ? Buffer.from([0x1b, 0x5b, 0x41]) : `answer to ${url ?? ""}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, seen };
}

function putRoute(cli: CliHarness, url: string | undefined): void {
  cli.api.put(`${elafrosPath}/routes`, {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "hello", namespace: "default" },
    spec: { rollout: { traffic: [{ configurationName: "hello", name: "next", percent: 100 }] } },
    status: {
      ...(url === undefined ? {} : { url }),
      conditions: [{ type: "Ready", status: "False", reason: "RevisionMissing", message: "no revision" }],
    },
  });
}

describe("invoke", () => {
  it("invoke asks a host below localhost without DNS, body to standard output, status to standard error", async () => {
    await using cli = await startCli();
    const { port, seen } = await gateway();
    putRoute(cli, `http://hello.default.localhost:${port}`);
    expect(await cli.run(["invoke", "hello", "--path", "/a?b=c", "-H", "X-One: 1"])).toEqual({
      code: 0,
      stdout: "answer to /a?b=c",
      stderr: "HTTP 200 OK\n",
    });
    expect(seen[0]).toMatchObject({
      method: "GET",
      url: "/a?b=c",
      headers: { host: `hello.default.localhost:${port}`, "x-one": "1" },
    });
  });

  it("invoke sends data, a file or standard input, and events", async () => {
    await using cli = await startCli();
    const { port, seen } = await gateway();
    putRoute(cli, `http://hello.default.localhost:${port}`);
    await writeFile(join(cli.cwd, "body.txt"), "from a file");
    await cli.run(["invoke", "hello", "--data", '{"a":1}']);
    await cli.run(["invoke", "hello", "--file", "body.txt", "-X", "PUT"]);
    await cli.run(["invoke", "hello", "--file", "-", "--event", "com.example.x", "--event-id", "7"], {
      input: "piped",
    });
    expect(
      seen.map(({ method, body, headers }) => [method, body, headers["content-type"], headers["ce-type"]]),
    ).toEqual([
      ["POST", '{"a":1}', "application/json", undefined],
      ["PUT", "from a file", "text/plain; charset=utf-8", undefined],
      ["POST", "piped", "text/plain; charset=utf-8", "com.example.x"],
    ]);
    expect(seen[2]?.headers).toMatchObject({ "ce-id": "7", "ce-source": "elafros/cli", "ce-specversion": "1.0" });
  });

  it("invoke asks the address of a target, or another place", async () => {
    await using cli = await startCli();
    const { port, seen } = await gateway();
    putRoute(cli, "http://hello.default.example.test");
    const argv = ["invoke", "hello", "--address", `127.0.0.1:${port}`];
    expect((await cli.run([...argv, "--target", "next"])).code).toBe(0);
    expect(seen[0]?.headers.host).toBe("next.hello.default.example.test");
    const missing = await cli.run([...argv, "--target", "old"]);
    expect(missing.stderr).toBe('Error: Service "hello" has no target "old": it has next\n');
  });

  it("invoke fails from status 400 on, after it has printed the body", async () => {
    await using cli = await startCli();
    const { port } = await gateway();
    putRoute(cli, `http://hello.default.localhost:${port}`);
    expect(await cli.run(["invoke", "hello", "--path", "/503"])).toEqual({
      code: 1,
      stdout: "answer to /503",
      stderr: `Error: GET http://hello.default.localhost:${port}/503 was answered with HTTP 503 Service Unavailable\n`,
    });
    const included = await cli.run(["invoke", "hello", "--path", "/399", "--include"]);
    expect(included.code).toBe(0);
    expect(included.stderr).toContain("x-answer: yes");
  });

  it("invoke gives bytes as they are on a pipe, and harmless text on a terminal", async () => {
    await using cli = await startCli();
    const { port } = await gateway();
    putRoute(cli, `http://hello.default.localhost:${port}`);
    expect((await cli.run(["invoke", "hello", "--path", "/bytes"])).stdout).toBe("\u001B[A");
    expect((await cli.run(["invoke", "hello", "--path", "/bytes"], { terminal: true })).stdout).toBe("[A\n");
  });

  it("invoke says what is missing: a service, its address, a gateway, an event's type", async () => {
    await using cli = await startCli();
    expect((await cli.run(["invoke", "hello"])).stderr).toContain('There is no service "hello" in namespace "default"');
    putRoute(cli, undefined);
    expect((await cli.run(["invoke", "hello"])).stderr).toBe(
      'Error: Service "hello" has no address yet: RevisionMissing: no revision\n',
    );
    putRoute(cli, "http://hello.default.localhost:1");
    const away = await cli.run(["invoke", "hello"]);
    expect(away.code).toBe(1);
    expect(away.stderr).toContain("no gateway answers at 127.0.0.1:1 (ECONNREFUSED)");
    const half = await cli.run(["invoke", "hello", "--event-id", "1"]);
    expect(half).toMatchObject({ code: 2, stderr: expect.stringContaining("name its type with --event TYPE") });
  });
});
