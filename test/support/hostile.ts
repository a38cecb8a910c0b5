/** A service whose instance does whatever a test wants to try from inside, and people with rights of their own. */
import https from "node:https";
import { parse } from "yaml";
import { expect } from "vitest";
import { post } from "./failures.ts";
import { type Answer, request, run, type TestPlatform, elafros } from "./platform.ts";

/** Runs each request's body as the inside of an async function, and answers with what that gives; helpers below are in reach. */
const program = String.raw`
const { execFileSync } = require("node:child_process");
const net = require("node:net");
const sh = (text) => {
  try { return execFileSync("/bin/sh", ["-c", text], { encoding: "utf8", stdio: "pipe", timeout: 10000 }); }
  catch (error) { return "failed: " + error.stdout + error.stderr; }
};
const reach = (host, port) => new Promise((resolve) => {
  const socket = net.connect({ host, port, timeout: 800 });
  socket.on("connect", () => resolve("connected")).on("timeout", () => resolve("timeout")).on("error", (error) => resolve(error.code));
  socket.on("connect", () => socket.destroy()).on("timeout", () => socket.destroy());
});
require("node:http").createServer(async (request, response) => {
  let code = "";
  for await (const part of request) code += part;
  try {
    const value = await eval("(async () => {" + code + "\n})()");
    if (!response.writableEnded) response.end(JSON.stringify(value ?? null));
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error?.stack));
  }
}).listen(process.env.PORT);
`;

/** The container of such a service, of one of the sample `app` images. */
export function hostileContainer(image: string): object {
  return {
    image,
    command: ["/usr/bin/node", "-e", program],
    resources: { limits: { memory: "96Mi", cpu: "500m" } },
  };
}

/** Runs code in the instance of a service of namespace default. */
export async function inside(platform: TestPlatform, service: string, code: string): Promise<unknown> {
  const { status, text } = await platform.ask(`${service}.default.localhost`, "/", { method: "POST", body: code });
  if (status !== 200) throw new Error(`${status} ${text}`);
  return JSON.parse(text) as unknown;
}

/** Someone who calls the API with a certificate of their own. */
export interface Person {
  ask(method: string, path: string, body?: object, type?: string): Promise<Answer>;
  leave(): void;
}

/** Gives a person access as `elafros kubeconfig` does, and in one namespace the rights of a ClusterRole. */
export async function person(
  platform: TestPlatform,
  user: string,
  rights?: { role: string; namespace: string },
): Promise<Person> {
  const args = ["kubeconfig", "--data-dir", platform.dataDir, "--server", platform.api, "--user", user];
  const { code, stdout, stderr } = await run(elafros, args);
  expect(code, stderr).toBe(0);
  if (rights !== undefined) {
    const apiGroup = "rbac.authorization.k8s.io";
    await post(platform, `/apis/${apiGroup}/v1/namespaces/${rights.namespace}/rolebindings`, {
      metadata: { name: user },
      roleRef: { apiGroup, kind: "ClusterRole", name: rights.role },
      subjects: [{ kind: "User", apiGroup, name: user }],
    });
  }
  const config = parse(stdout) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const decode = (value: string | undefined) => Buffer.from(value ?? "", "base64").toString();
  const agent = new https.Agent({
    keepAlive: true,
    ca: decode(config.clusters[0]?.cluster["certificate-authority-data"]),
    cert: decode(config.users[0]?.user["client-certificate-data"]),
    key: decode(config.users[0]?.user["client-key-data"]),
  });
  return {
    ask: (method, path, body, type = "application/json") =>
      request(`${platform.api}${path}`, {
        method,
        agent,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": type } }),
      }),
    leave: () => agent.destroy(),
  };
}
