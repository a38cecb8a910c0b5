/** A platform whose certificates come from a real ACME server: what a person sees, and what a restart asks of the server. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AcmeServer, startAcmeServer } from "../support/acme.ts";
import { elafrosApi } from "../support/failures.ts";
import { eventually, freePort, run } from "../support/platform.ts";
import { type Stage, startStage } from "../support/stage.ts";

const host = "my-service.default.apps.test";
let stage: Stage;
let server: AcmeServer;
let httpsPort: number;

interface RouteView {
  metadata: { generation: number };
  status: {
    observedGeneration: number;
    conditions: { type: string; status: string; reason?: string; message?: string }[];
  };
}

async function certificateReady() {
  const seen = (await stage.platform.json("GET", `${elafrosApi}/routes/my-service`)) as RouteView;
  if (seen.status.observedGeneration !== seen.metadata.generation) return undefined;
  return seen.status.conditions.find(({ type }) => type === "CertificateReady");
}

async function domains(list: string[]): Promise<void> {
  const type = { "content-type": "application/merge-patch+json" };
  const body = JSON.stringify({ spec: { domains: list } });
  const answer = await stage.platform.call("PATCH", `${elafrosApi}/routes/my-service`, body, type);
  expect(answer.status).toBe(200);
}

async function curl(name: string): Promise<number> {
  const roots = join(stage.platform.dataDir, "roots.pem");
  await writeFile(roots, await server.root());
  const place = ["--resolve", `${name}:${httpsPort}:127.0.0.1`, `https://${name}:${httpsPort}/`];
  return (await run("curl", ["-sS", "--cacert", roots, ...place])).code;
}

beforeAll(async () => {
  httpsPort = await freePort();
  // It finds nobody where it looks for HTTP, so that the other kind of challenge has to do.
  server = await startAcmeServer({ httpPort: await freePort(), tlsPort: httpsPort });
  const acme = ["--acme-server", server.url, "--acme-email", "a@apps.test", "--acme-ca", server.ca];
  stage = await startStage(["--https", `127.0.0.1:${httpsPort}`, "--domain", "apps.test", "--https-redirect", ...acme]);
});

afterAll(async () => {
  await stage.close();
  await server.close();
});

test("deploy waits for the certificate of the ACME server, and prints the address that works with it", async () => {
  const { platform, images } = stage;
  const deployed = await platform.elafros(["deploy", "--service", "my-service", "--image", images["app:1"] ?? ""]);
  expect(deployed.stderr + deployed.stdout).toContain(`Deployed to https://${host}:${httpsPort}`);
  expect(await certificateReady()).toMatchObject({ status: "True" });
  expect(await curl(host)).toBe(0);
});

test("domains get one each; a wildcard is told that it needs a Secret, and keeps nothing from the others", async () => {
  await domains(["www.example.test", "*.example.test"]);
  const told = await eventually("it is told", async () => {
    const seen = await certificateReady();
    return seen?.reason === "WildcardNeedsSecret" ? seen : undefined;
  });
  expect(told.message).toContain("spec.tls");
  await eventually("the other domain is served", async () => (await curl("www.example.test")) === 0);
  await domains(["www.example.test"]);
  await eventually("all is well", async () => (await certificateReady())?.status === "True");
});

test("after control was killed everything is served as before, and the server is asked for nothing that is there", async () => {
  const { platform } = stage;
  const before = server.made("orders");
  const pid = await platform.pid("control");
  process.kill(pid, "SIGKILL");
  await eventually("control is back", async () => {
    const now = await platform.pid("control");
    return now !== pid && (await platform.call("GET", "/readyz")).status === 200;
  });
  // A change makes each of the Route's certificates be looked at.
  await domains(["www.example.test", "more.example.test"]);
  await eventually("the new domain is served", async () => (await curl("more.example.test")) === 0);
  for (const name of [host, "www.example.test"]) expect(await curl(name)).toBe(0);
  await eventually("all is well", async () => (await certificateReady())?.status === "True");
  // For the new domain; which kind of challenge leads through is remembered.
  expect(server.made("orders") - before).toBe(1);
  expect(JSON.parse(await readFile(join(platform.dataDir, "config.json"), "utf8"))).toMatchObject({
    acmeServer: server.url,
    acmeEmail: "a@apps.test",
  });
});
