/**
 * What a real instance of a real service sees: names and egress, environment, volumes, limits; and what the gateway brings to it as it
 * comes: WebSocket, server-sent events, streams, uploads.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "../support/platform.ts";
import { configurationBody, expectOk, jsonBody, pathOf, routeBody, type Stage, startStage } from "../support/stage.ts";

let stage: Stage;
/** Services on this machine's loopback: one whose port is opened to instances, one whose port isn't. */
let opened: http.Server;
let shut: http.Server;

const portOf = (server: http.Server) => (server.address() as AddressInfo).port;

async function serve(text: string): Promise<http.Server> {
  const server = http.createServer((_, response) => response.end(text)).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

beforeAll(async () => {
  [opened, shut] = [await serve("from the machine"), await serve("never to be seen")];
  stage = await startStage(["--allow-host", String(portOf(opened)), "--domain", "example.test"]);
  const { platform, images } = stage;
  const core = "/api/v1/namespaces/default";
  const objects: [string, object][] = [
    [`${core}/secrets`, { metadata: { name: "db" }, stringData: { user: "root", password: "hunter2" } }],
    [`${core}/configmaps`, { metadata: { name: "settings" }, data: { COLOUR: "green", "app.ini": "[app]\n" } }],
  ];
  for (const [path, object] of objects) {
    expectOk(await platform.call("POST", path, JSON.stringify(object), jsonBody));
  }
  const configuration = {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "inner", labels: { team: "shop" } },
    spec: {
      revisionTemplate: {
        metadata: { labels: { team: "shop" } },
        spec: {
          container: {
            image: images["app:1"],
            ports: [{ containerPort: 9090 }],
            env: [
              { name: "PLAIN", value: "first" },
              { name: "COMPOSED", value: "$(PLAIN)-and-$$(PLAIN)" },
              { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } },
              { name: "ABSENT", valueFrom: { secretKeyRef: { name: "db", key: "nope", optional: true } } },
              { name: "INI", valueFrom: { configMapKeyRef: { name: "settings", key: "app.ini" } } },
              { name: "TEAM", valueFrom: { fieldRef: { fieldPath: "metadata.labels['team']" } } },
            ],
            envFrom: [{ prefix: "CFG_", configMapRef: { name: "settings" } }, { secretRef: { name: "db" } }],
            resources: { limits: { cpu: "250m", memory: "192Mi" } },
            volumeMounts: [
              { name: "secret", mountPath: "/etc/db", readOnly: true },
              { name: "config", mountPath: "/etc/settings" },
              { name: "all", mountPath: "/etc/all" },
              { name: "scratch", mountPath: "/scratch" },
            ],
          },
          volumes: [
            { name: "secret", secret: { secretName: "db", defaultMode: 256 } },
            { name: "config", configMap: { name: "settings", items: [{ key: "app.ini", path: "conf/app.ini" }] } },
            {
              name: "all",
              projected: { sources: [{ secret: { name: "db" } }, { configMap: { name: "settings" } }] },
            },
            { name: "scratch", emptyDir: {} },
          ],
        },
      },
    },
  };
  const services = { inner: JSON.stringify(configuration), other: configurationBody("other", images["app:2"]) };
  for (const [name, body] of Object.entries(services)) {
    expectOk(await platform.call("POST", pathOf("configurations"), body, jsonBody));
    const traffic = [{ configurationName: name, percent: 100 }];
    expectOk(await platform.call("POST", pathOf("routes"), routeBody(name, traffic), jsonBody));
    await eventually(`${name} answers`, async () => {
      const { status, text } = await platform.ask(host(name));
      if (status === 200) return true;
      throw new Error(`${status} ${text}`);
    });
  }
});

afterAll(async () => {
  await stage?.close();
  opened?.close();
  shut?.close();
});

const host = (name: string) => `${name}.default.example.test`;

async function ask(path: string, options: { method?: string; body?: string } = {}): Promise<string> {
  const answer = await stage.platform.ask(host("inner"), path, options);
  expect(answer.status, answer.text).toBe(200);
  return answer.text;
}

const json = async (path: string) => JSON.parse(await ask(path)) as unknown;
const fetchInside = (url: string) => stage.platform.ask(host("inner"), `/fetch?url=${encodeURIComponent(url)}`);

describe("from inside an instance", () => {
  test("services have a name, and the public host leads to the gateway too", async () => {
    const hello = { status: 200, body: "Hello World from 2\n" };
    const port = stage.platform.httpPort;
    for (const url of ["http://other.default", `http://${host("other")}`, `http://${host("other")}:${port}`]) {
      expect(JSON.parse((await fetchInside(url)).text), url).toEqual(hello);
    }
    expect(JSON.parse((await fetchInside("http://inner.default/info")).text)).toMatchObject({ status: 200 }); // itself
    const [bySelf, byPublic] = [
      await json("/resolve?name=other.default"),
      await json(`/resolve?name=${host("other")}`),
    ];
    expect(bySelf).toEqual(byPublic);
    expect((await stage.platform.ask(host("inner"), "/resolve?name=nobody.default")).text).toContain("ENOTFOUND");
  });

  test("the machine is reached under its name at the ports that were opened, and at no other", async () => {
    const url = (server: http.Server) => `http://host.elafros.internal:${portOf(server)}/`;
    expect(JSON.parse((await fetchInside(url(opened))).text)).toEqual({ status: 200, body: "from the machine" });
    const refused = await fetchInside(url(shut));
    expect(refused.status).toBe(500);
    expect(refused.text).not.toContain("never to be seen");
    expect((await fetchInside(`http://127.0.0.1:${portOf(opened)}/`)).status).toBe(500); // loopback is the instance's own
    expect((await fetchInside(stage.platform.api)).status).toBe(500);
  });

  test("the environment is the platform's, the Secrets' and the ConfigMaps'", async () => {
    const { env, hostname } = (await json("/info")) as { env: Record<string, string>; hostname: string };
    expect(env).toMatchObject({
      PORT: "9090",
      K_SERVICE: "inner",
      K_CONFIGURATION: "inner",
      K_REVISION: "inner-00001",
      PLAIN: "first",
      COMPOSED: "first-and-$(PLAIN)",
      PASSWORD: "hunter2",
      INI: "[app]\n",
      TEAM: "shop",
      CFG_COLOUR: "green",
      user: "root",
      HOSTNAME: hostname,
    });
    expect(env).not.toHaveProperty("ABSENT");
    expect(Object.keys(env).filter((name) => /ELAFROS|KUBECONFIG|TOKEN/i.test(name))).toEqual([]);
  });

  test("volumes hold what they name, and only an emptyDir can be written", async () => {
    expect(await ask("/file?path=/etc/db/password")).toBe("hunter2");
    expect(await json("/dir?path=/etc/settings/conf")).toEqual(["app.ini"]);
    expect(await ask("/file?path=/etc/settings/conf/app.ini")).toBe("[app]\n");
    const all = (await json("/dir?path=/etc/all")) as string[];
    expect(all.filter((name) => !name.startsWith(".")).toSorted()).toEqual(["COLOUR", "app.ini", "password", "user"]);
    expect(await ask("/write?path=/scratch/note&data=kept")).toBe("written\n");
    expect(await ask("/file?path=/scratch/note")).toBe("kept");
    for (const path of ["/etc/db/password", "/etc/settings/conf/app.ini", "/etc/all/user"]) {
      const answer = await stage.platform.ask(host("inner"), `/write?path=${path}&data=x`);
      expect([answer.status, answer.text], path).toEqual([500, expect.stringMatching(/EROFS|EACCES/)]);
    }
  });

  test("limits of cpu, memory and processes are in force", async () => {
    expect(await limit("memory/memory.limit_in_bytes", "memory.max")).toBe(String(192 << 20));
    expect(await limit("cpu/cpu.cfs_quota_us", "cpu.max")).toMatch(/^25000( 100000)?$/);
    expect(Number(await limit("pids/pids.max", "pids.max"))).toBeLessThanOrEqual(4096);
  });
});

/** A limit as the control group says it that the container sees, of version 1 or 2. */
async function limit(...files: string[]): Promise<string> {
  for (const file of files) {
    const answer = await stage.platform.ask(host("inner"), `/file?path=/sys/fs/cgroup/${file}`);
    if (answer.status === 200) return answer.text.trim();
  }
  throw new Error(`The container sees none of ${files.join(", ")}`);
}

/** What has come of a response once it is `length` characters; the rest is given up. */
async function beginning(path: string, length: number): Promise<{ type: string | undefined; text: string }> {
  const headers = { host: host("inner") };
  const request = http.get(`http://127.0.0.1:${stage.platform.httpPort}${path}`, { headers });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  let text = "";
  for await (const part of response) {
    text += String(part);
    if (text.length >= length) break;
  }
  return { type: response.headers["content-type"], text };
}

describe("through the gateway", () => {
  test("server-sent events and streams arrive while the app goes on sending", async () => {
    // All of either would take hours.
    const events = [0, 1, 2].map((index) => `data: 1 ${index}\n\n`).join("");
    const seen = await beginning("/sse?count=100000&every=100", events.length);
    expect([seen.type, seen.text.slice(0, events.length)]).toEqual(["text/event-stream", events]);
    expect((await beginning("/stream?count=100000&every=100", 8)).text.slice(0, 8)).toBe("1 0\n1 1\n");
  });

  test("a WebSocket carries text and bytes both ways", async () => {
    const headers = { host: host("inner") };
    const socket = new WebSocket(`ws://127.0.0.1:${stage.platform.httpPort}/any`, { headers });
    await once(socket, "open");
    const echo = async (message: string | Buffer) => {
      const answer = once(socket, "message") as Promise<[Buffer, boolean]>;
      socket.send(message);
      return answer;
    };
    expect(String((await echo("hello"))[0])).toBe("hello");
    const bytes = randomBytes(200_000);
    expect((await echo(bytes))[0].equals(bytes)).toBe(true);
    const closed = once(socket, "close") as Promise<[number]>;
    socket.close(1000);
    expect((await closed)[0]).toBe(1000);
  });

  test("an upload of many megabytes without a length comes back whole, as it goes", async () => {
    const sent = createHash("sha256");
    const headers = { host: host("inner"), "transfer-encoding": "chunked" };
    const request = http.request(`http://127.0.0.1:${stage.platform.httpPort}/echo`, { method: "POST", headers });
    const answered = once(request, "response") as Promise<[http.IncomingMessage]>;
    const begin = randomBytes(65_536);
    sent.update(begin);
    request.write(begin);
    const [response] = await answered; // before the body has ended
    const got = createHash("sha256");
    let bytes = 0;
    const read = (async () => {
      for await (const part of response as AsyncIterable<Buffer>) {
        got.update(part);
        bytes += part.length;
      }
    })();
    for (let part = 1; part < 512; part++) {
      const chunk = randomBytes(65_536);
      sent.update(chunk);
      if (!request.write(chunk)) await once(request, "drain");
    }
    request.end();
    await read;
    expect(bytes).toBe(32 << 20);
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  test("an app that speaks HTTP/2 is asked by it: its probe, and clients of both versions", async () => {
    const { platform, images } = stage;
    const container = {
      image: images["app:1"],
      env: [{ name: "PROTOCOL", value: "h2c" }],
      ports: [{ name: "h2c", containerPort: 9090 }],
      readinessProbe: { httpGet: { path: "/healthz" } },
    };
    const meta = { apiVersion: "elafros.dev/v1alpha1", kind: "Configuration", metadata: { name: "grpc" } };
    const body = JSON.stringify({ ...meta, spec: { revisionTemplate: { spec: { container } } } });
    expectOk(await platform.call("POST", pathOf("configurations"), body, jsonBody));
    const traffic = [{ configurationName: "grpc", percent: 100 }];
    expectOk(await platform.call("POST", pathOf("routes"), routeBody("grpc", traffic), jsonBody));
    await eventually("the app answers over HTTP/1.1", async () => {
      const { status, text } = await platform.ask(host("grpc"), "/info");
      if (status !== 200) throw new Error(`${status} ${text}`);
      expect(JSON.parse(text)).toMatchObject({ httpVersion: "2.0" });
      return true;
    });
    const session = http2.connect(`http://127.0.0.1:${platform.httpPort}`);
    const stream = session.request({ ":authority": host("grpc"), ":path": "/echo", ":method": "POST" });
    const sent = randomBytes(300_000);
    stream.end(sent);
    const got: Buffer[] = [];
    for await (const piece of stream) got.push(piece as Buffer);
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    session.close();
  });
});
